package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/logtest"
	"github.com/eksauth/eksauth/internal/pki"
	"github.com/eksauth/eksauth/oidc"
)

const testIssuer = "https://oidc.example.com/dev"

// issuerCommand runs eksauthd issuer in this process; it must go well.
func issuerCommand(t *testing.T, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	stdio := cli.IO{In: strings.NewReader(""), Out: &out, Err: &errOut, Getenv: func(string) string { return "" }}
	if code := cli.Run(newRoot(stdio), stdio, append([]string{"issuer"}, args...)); code != 0 {
		t.Fatalf("eksauthd issuer %s: exit code %d\n%s", strings.Join(args, " "), code, errOut.String())
	}
	return out.String()
}

// issuerSite is eksauthd issuer serve at work in this process.
type issuerSite struct {
	address string
	stderr  *logtest.Buffer
	stop    func() error
}

func serveIssuer(t *testing.T, dir string, args ...string) *issuerSite {
	t.Helper()
	s := &issuerSite{stderr: &logtest.Buffer{}}
	out, in := io.Pipe()
	root := newRoot(cli.IO{Out: in, Err: s.stderr, Getenv: func(string) string { return "" }})
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetArgs(append([]string{"issuer", "serve", "--dir", dir, "--listen", "127.0.0.1:0"}, args...))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		err := root.ExecuteContext(ctx)
		in.CloseWithError(err)
		ended <- err
	}()
	s.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("it ended with: %v", err)
		}
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), "serving https://"); ok {
			s.address, _, _ = strings.Cut(url, "/")
		}
		if lines.Text() == "ready" {
			return s
		}
	}
	t.Fatalf("it ended before it was ready\n%s", s.stderr)
	return nil
}

// client reaches the issuer by its name, and trusts who is in the file.
func (s *issuerSite) client(t *testing.T, authority string) *http.Client {
	t.Helper()
	data, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func ask(t *testing.T, client *http.Client, method, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// awaitKeys waits until the issuer publishes n keys.
func awaitKeys(t *testing.T, client *http.Client, n int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		ids, err := oidc.PublishedKeys(t.Context(), client, testIssuer)
		if err == nil && len(ids) == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d keys are published (%v), want %d", len(ids), err, n)
		}
	}
}

func TestIssuerServesTwoDocumentsAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "issuer")
	issuerCommand(t, "init", "--dir", dir, "--issuer", testIssuer, "--algorithm", "ES256")
	issuerCommand(t, "rotate", "--dir", dir) // so that there is a next key to find
	s := serveIssuer(t, dir)
	client := s.client(t, filepath.Join(dir, "serving", "ca.crt"))

	resp, text := ask(t, client, "GET", testIssuer+oidc.DiscoveryPath)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" || !strings.Contains(text, `"issuer":"`+testIssuer+`"`) {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, text)
	}
	resp, text = ask(t, client, "GET", testIssuer+oidc.JWKSPath)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/jwk-set+json" || strings.Contains(text, `"d":`) {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, text)
	}
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ok"} {
		if resp, text := ask(t, client, "GET", "https://oidc.example.com"+path); resp.StatusCode != 200 || text != want {
			t.Errorf("%s: %d %q", path, resp.StatusCode, text)
		}
	}

	entries, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(entries) < 6 {
		t.Fatalf("%q, %v", entries, err)
	}
	var paths []string
	for _, file := range append(entries, filepath.Join(dir, "serving", "key.pem"), filepath.Join(dir, "serving", "ca.key")) {
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, "/"+rel, "/dev/"+rel, file, "/dev/.well-known/../"+rel, "/dev/openid/v1/../../../"+rel,
			"/dev/.well-known/%2e%2e/%2e%2e/"+rel, "/dev/openid/v1/jwks/"+rel, "//"+rel, "/dev/..%2f"+rel)
	}
	for _, path := range append(paths, "/", "/dev", "/dev/", "/metrics", "/debug/pprof/", oidc.DiscoveryPath, oidc.JWKSPath, "/dev"+oidc.JWKSPath+"/", "/dev/healthz", "/DEV"+oidc.JWKSPath) {
		resp, text := ask(t, client, "GET", "https://oidc.example.com"+path)
		if resp.StatusCode != 404 || text != "404 page not found\n" {
			t.Errorf("%s: %d %q", path, resp.StatusCode, text)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"} {
		for _, url := range []string{testIssuer + oidc.JWKSPath, testIssuer + oidc.DiscoveryPath, "https://oidc.example.com/healthz"} {
			if resp, text := ask(t, client, method, url); resp.StatusCode != 405 || strings.Contains(text, "kid") {
				t.Errorf("%s %s: %d %q", method, url, resp.StatusCode, text)
			}
		}
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	log := s.stderr.String()
	if !strings.Contains(log, "msg=stopped") || !strings.Contains(log, "must trust the authority") {
		t.Errorf("%s", log)
	}
	if key, err := os.ReadFile(filepath.Join(dir, "signing-key.pem")); err != nil || strings.Contains(log, string(key[40:80])) {
		t.Errorf("the log holds a key (%v)", err)
	}
}

func TestIssuerServeFollowsTheFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "issuer")
	issuerCommand(t, "init", "--dir", dir, "--issuer", testIssuer, "--algorithm", "ES256")
	s := serveIssuer(t, dir, "--health-address", "127.0.0.1:0")
	authority := filepath.Join(dir, "serving", "ca.crt")
	client := s.client(t, authority)
	awaitKeys(t, client, 1)
	issuerCommand(t, "rotate", "--dir", dir)
	awaitKeys(t, client, 2)
	s.measures(t, "eksauth_issuer_keys 2", "eksauth_issuer_folder_unusable 0")

	// What cannot be read leaves the keys before.
	state, err := os.ReadFile(filepath.Join(dir, "issuer.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "issuer.json"), state[:len(state)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool {
		_, text := ask(t, client, "GET", "https://oidc.example.com/readyz")
		return text == "the folder cannot be read; the last good keys are served"
	})
	awaitKeys(t, client, 2)
	s.measures(t, "eksauth_issuer_keys 2", "eksauth_issuer_folder_unusable 1")
	// And another issuer's folder is not taken for ours.
	if err := os.WriteFile(filepath.Join(dir, "issuer.json"), bytes.ReplaceAll(state, []byte(testIssuer), []byte("https://other.example")), 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return strings.Contains(s.stderr.String(), "that of https://other.example now") })
	awaitKeys(t, client, 2)
	if err := os.WriteFile(filepath.Join(dir, "issuer.json"), state, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { _, text := ask(t, client, "GET", "https://oidc.example.com/readyz"); return text == "ok" })
	issuerCommand(t, "rotate", "--dir", dir, "--force")
	issuerCommand(t, "rotate", "--dir", dir, "--force")
	awaitKeys(t, client, 1)
	if n := strings.Count(s.stderr.String(), "cannot be used"); n != 2 {
		t.Errorf("it said %d times that the folder cannot be used, want once for each reason", n)
	}
}

// measures looks for lines among the issuer's metrics, and for the ends of its
// certificate and authority.
func (s *issuerSite) measures(t *testing.T, lines ...string) {
	t.Helper()
	address := regexp.MustCompile(`"?serving metrics and health"? address=(\S+)`).FindStringSubmatch(s.stderr.String())
	if address == nil {
		t.Fatalf("%s", s.stderr)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	_, text := ask(t, client, "GET", "http://"+address[1]+"/metrics")
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no %s in\n%s", line, grep(text, "^eksauth_"))
		}
	}
	for name, least := range map[string]time.Duration{"certificate": 24 * time.Hour, "authority": 30 * 24 * time.Hour} {
		end := regexp.MustCompile(`(?m)^eksauth_serving_` + name + `_expiry_timestamp_seconds (\S+)$`).FindStringSubmatch(text)
		if end == nil {
			t.Fatalf("no end of the %s in\n%s", name, grep(text, "^eksauth_"))
		}
		if at, err := strconv.ParseFloat(end[1], 64); err != nil || time.Until(time.Unix(int64(at), 0)) < least {
			t.Errorf("the %s ends at %s (%v)", name, end[1], err)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if resp, _ := ask(t, client, "GET", "http://"+address[1]+path); resp.StatusCode != 200 {
			t.Errorf("%s says %d", path, resp.StatusCode)
		}
	}
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited too long")
		}
	}
}

func TestIssuerServesAGivenCertificate(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	ca, err := pki.NewCA("somebody", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(pki.Server("oidc.example.com"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"tls.crt": pair.CertPEM, "tls.key": pair.KeyPEM, "ca.crt": ca.PEM()} {
		if err := os.WriteFile(filepath.Join(root, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(root, "issuer")
	issuerCommand(t, "init", "--dir", dir, "--issuer", testIssuer, "--algorithm", "ES256")
	// A web server's host needs the state only, and no private key.
	if err := os.Remove(filepath.Join(dir, "signing-key.pem")); err != nil {
		t.Fatal(err)
	}
	s := serveIssuer(t, dir, "--tls-cert", filepath.Join(root, "tls.crt"), "--tls-key", filepath.Join(root, "tls.key"))
	awaitKeys(t, s.client(t, filepath.Join(root, "ca.crt")), 1)
	if _, err := os.Stat(filepath.Join(dir, "serving")); err == nil {
		t.Error("it made a certificate that it does not need")
	}
	if strings.Contains(s.stderr.String(), "level=WARN") {
		t.Errorf("%s", s.stderr)
	}
}

func TestIssuerRotateReport(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "issuer")
	issuerCommand(t, "init", "--dir", dir, "--issuer", testIssuer, "--algorithm", "ES256")
	read := func(args ...string) issuerRotated {
		var r issuerRotated
		if err := json.Unmarshal([]byte(issuerCommand(t, append([]string{"rotate", "--dir", dir, "-o", "json"}, args...)...)), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := read("--every", "168h"); r.Step != "none" || r.Next.Step != oidc.Announce || time.Until(*r.Next.Due) < 167*time.Hour {
		t.Errorf("%+v", r)
	}
	r := read()
	if r.Step != oidc.Announce || r.Forced || len(r.Keys) != 2 || len(r.Now) != 2 || r.Next.Step != oidc.Sign || r.Next.ID != r.ID {
		t.Errorf("%+v", r)
	}
	for _, want := range []struct {
		step oidc.Step
		cost string
	}{{oidc.Sign, "refuses new tokens"}, {oidc.Retire, "refused before they expire (they may be 24h0m0s old)"}} {
		if r := read(); r.Step != "none" || len(r.Now) != 0 || r.Cost != "" {
			t.Errorf("%+v", r)
		}
		if r := read("--force"); r.Step != want.step || !r.Forced || !strings.Contains(r.Cost, want.cost) || len(r.Now) != 2 {
			t.Errorf("%+v", r)
		}
	}
}

// --check asks the URL itself, over TLS.
func TestIssuerRotateChecksWhatIsPublished(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String() // the issuer's name must have its port
	dir := filepath.Join(t.TempDir(), "issuer")
	issuerCommand(t, "init", "--dir", dir, "--issuer", "https://"+address, "--algorithm", "ES256")
	free.Close()
	serveIssuer(t, dir, "--listen", address)
	issuerCommand(t, "rotate", "--dir", dir)
	check := []string{"rotate", "--dir", dir, "--force", "--check"}
	await(t, func() bool { // until serve has noticed
		var out bytes.Buffer
		stdio := cli.IO{Out: &out, Err: &out, Getenv: func(string) string { return "" }}
		code := cli.Run(newRoot(stdio), stdio, append([]string{"issuer"}, append(check, "--certificate-authority", filepath.Join(dir, "serving", "ca.crt"))...))
		if code != 0 && !strings.Contains(out.String(), "does not publish the next key") {
			t.Fatalf("exit code %d: %s", code, out.String())
		}
		return code == 0
	})
	if status := issuerCommand(t, "status", "--dir", dir); !strings.Contains(status, "retiring") {
		t.Errorf("%s", status)
	}
}

func TestBucketOfAnIssuer(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{
		"https://keys.s3.eu-west-1.amazonaws.com/dev":     "s3://keys/dev",
		"https://keys.s3.amazonaws.com":                   "s3://keys",
		"https://my.keys.s3-eu-west-1.amazonaws.com/a/b/": "s3://my.keys/a/b",
		"https://keys.s3.cn-north-1.amazonaws.com.cn/x":   "s3://keys/x",
		"https://s3.eu-west-1.amazonaws.com/keys/dev":     "s3://keys/dev",
		"https://s3.amazonaws.com/keys":                   "s3://keys",
		"https://d111111abcdef8.cloudfront.net/dev":       "s3://BUCKET/dev",
		"https://oidc.example.com":                        "s3://BUCKET",
		"https://keys.s3.evil.example/dev":                "s3://BUCKET/dev",
	} {
		if got := bucket(issuer); got != want {
			t.Errorf("%s: %s, want %s", issuer, got, want)
		}
	}
}
