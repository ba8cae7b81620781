package main

import (
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/token"
	"github.com/eksauth/eksauth/tokenreview"
)

func TestFlagsGoBeforeEnvironmentBeforeFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("clusterID: from-file\nserver:\n  port: 1000\n  hostname: from-file\n  partition: aws-cn\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, env string
		args      []string
		id, url   string
	}{
		{"file", "", nil, "from-file", "https://from-file:1000/authenticate"},
		{"environment", "from-env", nil, "from-env", "https://from-file:1000/authenticate"},
		{"flags", "from-env", []string{"-i", "from-flag", "--hostname", "::1", "--port", "2000"}, "from-flag", "https://[::1]:2000/authenticate"},
		{"flags as they are by default", "", []string{"--port", "21362"}, "from-file", "https://from-file:21362/authenticate"},
	} {
		cmd := &cobra.Command{}
		s := addSettings(cmd)
		if err := cmd.ParseFlags(append(tc.args, "--config", file)); err != nil {
			t.Fatal(err)
		}
		if err := s.load(cmd.Flags(), func(string) string { return tc.env }); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if s.ClusterID != tc.id || s.url(s.Server.Port) != tc.url || s.Server.Partition != "aws-cn" {
			t.Errorf("%s: cluster %s at %s in %s", tc.name, s.ClusterID, s.url(s.Server.Port), s.Server.Partition)
		}
	}
}

func TestNamesOfTheCertificate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		hostname, address string
		want              []string
	}{
		{"localhost", "127.0.0.1", []string{"localhost", "127.0.0.1"}},
		{"127.0.0.1", "127.0.0.1", []string{"127.0.0.1"}},
		{"auth.example.com", "0.0.0.0", []string{"auth.example.com"}},
		{"auth.example.com", "::", []string{"auth.example.com"}},
	} {
		s := settings{Config: awsauth.DefaultConfig()}
		s.Server.Hostname, s.Server.Address = tc.hostname, tc.address
		if diff := cmp.Diff(tc.want, s.names()); diff != "" {
			t.Errorf("%s, %s: %s", tc.hostname, tc.address, diff)
		}
	}
}

// Every reason has a name in the metric that aws-iam-authenticator has, too.
func TestPeerResult(t *testing.T) {
	t.Parallel()
	for want, reasons := range map[string][]tokenreview.Reason{
		"success":           {""},
		"malformed_request": {tokenreview.BadRequest},
		"uknown_user":       {tokenreview.Unmapped, tokenreview.Template, tokenreview.Reserved},
		"sts_throttling":    {tokenreview.Reason(token.Throttled)},
		"sts_error":         {tokenreview.Reason(token.Unavailable), tokenreview.Reason(token.Answer), tokenreview.Busy},
		"internal_error":    {tokenreview.NotReady, tokenreview.Internal, tokenreview.Canceled},
		"invalid_token": {tokenreview.Reason(token.Malformed), tokenreview.Reason(token.Expired), tokenreview.Reason(token.Future), tokenreview.Reason(token.Host),
			tokenreview.Reason(token.Signature), tokenreview.Reason(token.Credentials), tokenreview.Audience},
	} {
		for _, r := range reasons {
			if got := peerResult(r); got != want {
				t.Errorf("%q is %s, want %s", r, got, want)
			}
		}
	}
}

// source is one state of aws-auth after another, and what is said of it.
type source struct {
	*awsauth.Live
	log strings.Builder
}

func newSource(t *testing.T, scrubbed ...string) *source {
	s := &source{}
	settings := &settings{Config: awsauth.DefaultConfig()}
	settings.Server.ScrubbedAccounts = scrubbed
	settings.Server.BackendMode = []string{awsauth.EKSConfigMap}
	var err error
	s.Live, err = newMappings(settings, slog.New(slog.NewTextHandler(&s.log, nil)), func(awsauth.SourceState) {})
	if err != nil {
		t.Fatal(err)
	}
	s.Now = func() time.Time { return time.Unix(1_800_000_000, 0) }
	return s
}

// says makes the mapUsers of aws-auth text, and returns what is logged.
func (s *source) says(t *testing.T, text string) string {
	t.Helper()
	s.log.Reset()
	if err := s.Update(awsauth.EKSConfigMap, awsauth.ParseConfigMap(map[string]string{"mapUsers": text})); err != nil {
		t.Fatal(err)
	}
	return s.log.String()
}

const (
	good   = "- userarn: " + adaARN + "\n  username: ada\n"
	broken = "- userarn: " + adaARN + "\n username: ada\n"
)

func (s *source) ready() string {
	w := httptest.NewRecorder()
	writeReady(w, s.Live)
	return w.Result().Status + " " + w.Body.String()
}

// A replica that has never known anybody is not ready; one that has stays so.
func TestReadyOnceTheMappingsWereGood(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	for i, step := range []struct{ text, want string }{
		{broken, "503"}, {good, "200"}, {broken, "200"}, {good, "200"},
	} {
		s.says(t, step.text)
		if got := s.ready(); !strings.HasPrefix(got, step.want) {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
	gone := newSource(t)
	gone.says(t, broken)
	if err := gone.Missing(awsauth.EKSConfigMap); err != nil {
		t.Fatal(err)
	}
	if got := gone.ready(); !strings.HasPrefix(got, "200") {
		t.Errorf("broken, then deleted: %s", got)
	}
}

// Principals of a scrubbed account are not named where an entry of theirs is at
// fault; those of others are.
func TestFaultsOfScrubbedAccountsNameNobody(t *testing.T) {
	t.Parallel()
	text := good +
		"- userarn: arn:aws:iam::111122223333:group/secret-admins\n  username: x\n" + // quoted whole
		"- userarn: arn:aws:iam::111122223333:assumed-role/secret-role/secret-session\n  username: x\n" +
		"- userarn: arn:aws:iam::111122223333:role/secret-role\n  username: x\n" + // a warning
		"- userarn: arn:aws:iam::444455556666:group/other-admins\n  username: x\n"
	plain := newSource(t)
	if log := plain.says(t, text); !strings.Contains(log, "secret-admins") || !strings.Contains(log, "secret-role") || !strings.Contains(log, "111122223333") {
		t.Fatalf("nothing to scrub in %s", log)
	}
	s := newSource(t, "999999999999", "111122223333")
	log := s.says(t, text)
	for _, secret := range []string{"111122223333", "secret-"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log names %s:\n%s", secret, log)
		}
	}
	if !strings.Contains(log, "mapUsers line 3: ") || !strings.Contains(log, "(scrubbed)") || !strings.Contains(log, "444455556666:group/other-admins") {
		t.Errorf("%s", log)
	}
	if got := newScrubber([]string{"", "111122223333"}).text("account 111122223333, twice: 111122223333"); got != "account (scrubbed), twice: (scrubbed)" {
		t.Error(got)
	}
}

// The limit is awsauth's own: what it takes is read to the end, and what it does
// not take is refused by it.
func TestTheWholeFileIsReadOrNoneOfIt(t *testing.T) {
	t.Parallel()
	const head = "clusterID: dev\n#"
	file := filepath.Join(t.TempDir(), "config.yaml")
	for _, tc := range []struct {
		size int
		want string
	}{{maxConfig, ""}, {maxConfig + 1, "the file is longer than 16777216 bytes"}, {2 * maxConfig, "is longer than"}} {
		if err := os.WriteFile(file, []byte(head+strings.Repeat("x", tc.size-len(head))), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := &cobra.Command{}
		s := addSettings(cmd)
		s.file = file
		err := s.load(cmd.Flags(), func(string) string { return "" })
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%d bytes: %v", tc.size, err)
		}
	}
}

func TestChangesOfTheMappingsAreLoggedOnce(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	ready := s.ready
	check := func(got string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("no %q in\n%s", w, got)
			}
		}
	}
	check(ready(), "503", "EKSConfigMap: not read yet (0 mappings)\n")
	check(s.says(t, good), "level=INFO", "aws-auth: mappings in use", "entries=1")
	check(ready(), "200", "EKSConfigMap: ok (1 mappings)\n")
	if log := s.says(t, good); log != "" {
		t.Errorf("the same again: %s", log)
	}
	check(s.says(t, broken), "level=ERROR", "aws-auth: mapUsers line ", "keeping the last good mappings", "hint=")
	check(ready(), "200", "cannot be read: mapUsers; the last good mappings are in use (1 mappings)\n")
	if log := s.says(t, broken); log != "" {
		t.Errorf("the same again: %s", log)
	}
	check(s.says(t, good+"- userarn: arn:aws:iam::1:user/x\n  username: x\n"), "level=ERROR", "mapUsers line 3: ", "the entry is not used", "entries=1")
	check(ready(), "200", "EKSConfigMap: read, with 1 error that the log tells (1 mappings)\n")
	check(s.says(t, good+good), "level=WARN", "never used")
	check(ready(), "200", "EKSConfigMap: read, with 1 warning that the log tells (2 mappings)\n")

	s.log.Reset()
	if err := s.Missing(awsauth.EKSConfigMap); err != nil {
		t.Fatal(err)
	}
	check(s.log.String(), "level=ERROR", "aws-auth: it is gone; keeping the last good mappings")
	check(ready(), "200", "does not exist; the last good mappings are in use")

	fresh := newSource(t)
	if err := fresh.Missing(awsauth.EKSConfigMap); err != nil {
		t.Fatal(err)
	}
	check(fresh.log.String(), "level=WARN", "aws-auth: it does not exist; nobody is mapped by it")
}

func TestMetricsOfTheMappings(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	m := newMetrics(s.Live, expiry{func() time.Time { return time.Unix(1_900_000_000, 0) }, time.Now})
	scrape := func() string {
		w := httptest.NewRecorder()
		metricsHandler(m.registry).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return grep(w.Body.String(), "^eksauth_(mappings|serving_certificate)")
	}
	want := func(synced, missing, entries, broken, stale, errors, warnings, updated, lastGood string) string {
		return strings.Join([]string{
			`eksauth_mappings_broken_keys{source="EKSConfigMap"} ` + broken,
			`eksauth_mappings_entries{source="EKSConfigMap"} ` + entries,
			`eksauth_mappings_faults{severity="error",source="EKSConfigMap"} ` + errors,
			`eksauth_mappings_faults{severity="warning",source="EKSConfigMap"} ` + warnings,
			`eksauth_mappings_last_good_timestamp_seconds{source="EKSConfigMap"} ` + lastGood,
			`eksauth_mappings_missing{source="EKSConfigMap"} ` + missing,
			`eksauth_mappings_silent{source="EKSConfigMap"} 0`,
			`eksauth_mappings_stale_keys{source="EKSConfigMap"} ` + stale,
			`eksauth_mappings_synced{source="EKSConfigMap"} ` + synced,
			`eksauth_mappings_updated_timestamp_seconds{source="EKSConfigMap"} ` + updated,
			`eksauth_serving_certificate_expiry_timestamp_seconds 1.9e+09`,
		}, "\n")
	}
	if diff := cmp.Diff(want("0", "0", "0", "0", "0", "0", "0", "0", "0"), scrape()); diff != "" {
		t.Errorf("before the first read: %s", diff)
	}
	s.says(t, good+good)
	if diff := cmp.Diff(want("1", "0", "2", "0", "0", "0", "1", "1.8e+09", "1.8e+09"), scrape()); diff != "" {
		t.Errorf("a duplicate: %s", diff)
	}
	s.Now = func() time.Time { return time.Unix(1_800_000_060, 0) }
	s.says(t, broken)
	if diff := cmp.Diff(want("1", "0", "2", "1", "1", "1", "1", "1.80000006e+09", "1.8e+09"), scrape()); diff != "" {
		t.Errorf("broken: %s", diff)
	}
	if err := s.Missing(awsauth.EKSConfigMap); err != nil {
		t.Fatal(err)
	}
	if got := scrape(); !strings.Contains(got, `eksauth_mappings_missing{source="EKSConfigMap"} 1`) {
		t.Errorf("missing: %s", got)
	}
}

func TestWebhookConfigIsOnlyWrittenWhenItChanges(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "webhook.yaml")
	for _, tc := range []struct {
		url  string
		want bool
	}{{"https://a/authenticate", true}, {"https://a/authenticate", false}, {"https://b/authenticate", true}} {
		changed, err := writeWebhookConfig(path, tc.url, []byte("ca"))
		if err != nil || changed != tc.want {
			t.Errorf("%s: changed %t, %v", tc.url, changed, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if _, err := writeWebhookConfig(filepath.Dir(path), "x", nil); err == nil {
		t.Error("no error for a folder")
	}
}
