package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/atomicfile"
)

// becomes waits until ada is answered with the username; "" is a refusal.
func (d *daemon) becomes(t *testing.T, username string) {
	t.Helper()
	raw, got := mint(t, ada, "dev"), ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		_, r := d.review(t, raw)
		if got = r.Status.User.Username; got == username && r.Status.Authenticated == (username != "") {
			return
		}
	}
	t.Fatalf("ada is %q after 20 s, want %q\n%s", got, username, d.stderr)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := atomicfile.Write(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func dynamicFile(username, userID string) string {
	return fmt.Sprintf(`{"mapUsers": [{"userarn": %q, "userid": %q, "username": %q, "groups": []}], "LastUpdatedDateTime": "x"}`, adaARN, userID, username)
}

func TestSignsInByTheDynamicFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "dynamic.json")
	write(t, file, dynamicFile("one", ""))
	d := start(t, "clusterID: dev\nserver:\n  backendMode: [DynamicFile]\n  dynamicfilepath: "+file+"\n",
		"--sts-endpoint", newSTS(t), "--missing-grace", "3s")
	d.becomes(t, "one")
	write(t, file, dynamicFile("two", ""))
	d.becomes(t, "two")
	for _, broken := range []string{"", "{", `{"mapuser": []}`} {
		write(t, file, broken)
		time.Sleep(2 * followEvery)
		d.becomes(t, "two")
	}
	if _, text := d.get(t, "/readyz"); !strings.HasPrefix(text, "DynamicFile: cannot be read: mapUsers") {
		t.Errorf("/readyz %s", text)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * followEvery)
	d.becomes(t, "two")
	d.becomes(t, "") // the grace is over
	write(t, file, dynamicFile("three", ""))
	d.becomes(t, "three")
	write(t, file, `{"mapUsers": []}`)
	d.becomes(t, "")
	log := d.stderr.String()
	for _, want := range []string{
		"dynamic file: line 1: the file is not JSON: it ends too early",
		"dynamic file: mapUsers line 1: the file has no key mapUsers, but",
		"dynamic file: it is gone; keeping the last good mappings until 20",
		"dynamic file: it does not exist; nobody is mapped by it",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}

func TestDynamicFileByUserIDAlone(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "dynamic.json")
	write(t, file, dynamicFile("another", "AIDAANOTHER"))
	d := start(t, "clusterID: dev\nserver:\n  backendMode: DynamicFile\n  dynamicfileUserIDStrict: true\n  dynamicfilepath: "+file+"\n", "--sts-endpoint", newSTS(t))
	d.becomes(t, "")
	write(t, file, dynamicFile("ada", "AIDAADA.LOVELACE"))
	d.becomes(t, "ada")
}

func TestTheSourcesChangeWhileItRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mode, dynamic := filepath.Join(dir, "mode.json"), filepath.Join(dir, "dynamic.json")
	d := start(t, fileConfig+"  dynamicBackendModePath: "+mode+"\n  dynamicfilepath: "+dynamic+"\n",
		"--sts-endpoint", newSTS(t), "--master", awsAuthServer(t, "- userarn: "+adaARN+"\n  username: from-the-cluster\n"))
	d.becomes(t, "ada.lovelace")
	write(t, mode, `{"backendMode": "EKSConfigMap MountedFile"}`)
	d.becomes(t, "from-the-cluster")
	if _, text := d.get(t, "/readyz"); !strings.HasPrefix(text, "EKSConfigMap: ok (1 mappings)\nMountedFile: read, with 1 warning that the log tells (1 mappings)\n") || !strings.Contains(text, "DynamicFile: not in use") {
		t.Errorf("/readyz %s", text)
	}
	write(t, mode, `{"backendMode": "MountedFile EKSConfigMap"}`)
	d.becomes(t, "ada.lovelace")
	for _, bad := range []string{"{", `{"backendMode": "Nowhere"}`, `{"backendMode": ""}`, `{}`, `{"backendMode": "CRD CRD"}`} {
		write(t, mode, bad)
		time.Sleep(2 * followEvery)
		d.becomes(t, "ada.lovelace")
	}
	write(t, dynamic, dynamicFile("from-the-file", ""))
	write(t, mode, `{"backendMode": "DynamicFile,MountedFile"}`)
	d.becomes(t, "from-the-file")
	if err := os.Remove(mode); err != nil {
		t.Fatal(err)
	}
	d.becomes(t, "ada.lovelace")
	if n := strings.Count(d.stderr.String(), "the file of the backend mode cannot be used; keeping the sources and their order"); n != 5 {
		t.Errorf("%d complaints about bad files, want 5:\n%s", n, d.stderr)
	}
}

// Whom the file of the order takes away stays away over a restart, though the sources of
// the configuration are read before those of the file.
func TestTheFileOfTheOrderCountsFromTheStart(t *testing.T) {
	t.Parallel()
	config := awsauth.DefaultConfig()
	config.Server.DynamicBackendModePath = filepath.Join(t.TempDir(), "mode.json")
	write(t, config.Server.DynamicBackendModePath, `{"backendMode": "CRD"}`)
	live := awsauth.NewLive(config.Sources()...)
	if err := live.Update(awsauth.MountedFile, awsauth.Document{Source: awsauth.MountedFile}); err != nil {
		t.Fatal(err)
	}
	followed := make(chan string, 10)
	s := &sources{
		live: live, log: slog.New(slog.DiscardHandler), configured: config.Server.BackendMode,
		orderFile: &followedFile{path: config.Server.DynamicBackendModePath, most: maxBackendMode, log: slog.New(slog.DiscardHandler)},
		make: func(_ context.Context, mode string) (follower, error) {
			return func(ctx context.Context) error {
				followed <- mode
				<-ctx.Done()
				return nil
			}, nil
		},
	}
	in := func(when string) {
		t.Helper()
		if st := live.State()[0]; live.Ready() || st.Name != awsauth.CRD || st.Suspended {
			t.Errorf("%s: ready %v, %+v", when, live.Ready(), st)
		}
	}
	if err := s.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	in("before it runs")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	for mode := ""; mode != awsauth.CRD; mode = <-followed {
	}
	in("while it runs")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestEventsAboutTheMappings(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m := &mappingEvents{scrub: newScrubber([]string{"444455556666"}), grace: time.Hour}
	fault := awsauth.Fault{Key: "mapUsers", Line: 3, Severity: awsauth.Error, Message: "arn:aws:iam::444455556666:x is bad", Hint: "mend it"}
	for _, c := range []struct {
		state           awsauth.SourceState
		reason, message string
	}{
		{awsauth.SourceState{Entries: 1, Faults: []awsauth.Fault{{Severity: awsauth.Warning, Message: "x"}}}, "", ""},
		{awsauth.SourceState{Missing: true, Since: since, Entries: 2}, "MappingsGone", "the last 2 mappings stay in use until 2026-01-01T01:00:00Z"},
		{awsauth.SourceState{Silent: true, Since: since, Entries: 2}, "MappingsGone", "the last 2 mappings stay in use until 2026-01-01T01:00:00Z"},
		{awsauth.SourceState{Missing: true}, "NoMappings", "nobody is mapped by aws-auth"},
		{awsauth.SourceState{Faults: []awsauth.Fault{fault}}, "MappingsFaulty", "mapUsers line 3: (scrubbed) is bad; the entry is not used; mend it"},
		{awsauth.SourceState{Faults: []awsauth.Fault{fault}, Broken: []string{"mapUsers"}, Stale: []string{"mapUsers"}}, "MappingsFaulty", "mapUsers line 3: (scrubbed) is bad; keeping the last good mappings; mend it"},
	} {
		if reason, message := m.about(c.state); reason != c.reason || message != c.message {
			t.Errorf("%+v:\n got %s %s\nwant %s %s", c.state, reason, message, c.reason, c.message)
		}
	}
	m.note(awsauth.SourceState{Name: awsauth.DynamicFile, Missing: true}) // no ConfigMap; it would panic
	(*mappingEvents)(nil).note(awsauth.SourceState{Name: awsauth.EKSConfigMap, Missing: true})
}
