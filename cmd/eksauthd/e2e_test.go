package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/logtest"
	"github.com/eksauth/eksauth/internal/pki"
)

const fileConfig = `
clusterID: dev
server:
  mapUsers:
  - userarn: ` + adaARN + `
    username: ada.lovelace
    groups: [awesome-app-admin]
`

func TestSignsInByTheConfigurationFile(t *testing.T) {
	t.Parallel()
	d := start(t, fileConfig, "--sts-endpoint", newSTS(t), "--api-audiences", "a,b")
	raw := mint(t, ada, "dev") // for AWS's own host, as any client makes it
	for range 2 {
		status, r := d.review(t, raw, "b", "c")
		u := r.Status.User
		if status != 200 || !r.Status.Authenticated || u.Username != "ada.lovelace" || u.UID != "aws-iam-authenticator:111122223333:AIDAADA.LOVELACE" {
			t.Fatalf("%d %+v\n%s", status, r.Status, d.stderr)
		}
		if diff := cmp.Diff([]string{"awesome-app-admin"}, u.Groups); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"b"}, r.Status.Audiences); diff != "" {
			t.Error(diff)
		}
	}
	forged := nobody
	forged.AccessKeyID = ada.AccessKeyID
	for reason, raw := range map[string]string{
		"signature": mint(t, ada, "prod"),
		"unmapped":  mint(t, nobody, "dev"),
		"malformed": "k8s-aws-v1.",
	} {
		status, r := d.review(t, raw)
		if status != 200 || r.Status.Authenticated || !strings.HasPrefix(r.Status.Error, "refused: "+reason+" ") {
			t.Errorf("%s: %d %+v", reason, status, r.Status)
		}
	}
	if status, r := d.review(t, mint(t, forged, "dev")); r.Status.Authenticated {
		t.Errorf("forged: %d %+v", status, r.Status)
	}

	if status, text := d.get(t, "/healthz"); status != 200 || text != "ok" {
		t.Errorf("/healthz %d %s", status, text)
	}
	if status, text := d.get(t, "/readyz"); status != 200 || text != "MountedFile: ok (1 mappings)\n" {
		t.Errorf("/readyz %d %s", status, text)
	}
	_, text := d.get(t, "/metrics")
	for _, want := range []string{
		`aws_iam_authenticator_authenticate_latency_seconds_count{result="success"} 2`,
		`aws_iam_authenticator_authenticate_latency_seconds_count{result="uknown_user"} 1`,
		`aws_iam_authenticator_authenticate_latency_seconds_count{result="invalid_token"} 3`,
		`aws_iam_authenticator_sts_responses_total{ResponseCode="200"} 2`,
		`aws_iam_authenticator_sts_responses_total{ResponseCode="403"} 2`,
		`eksauth_reviews_total{outcome="allowed",reason=""} 2`,
		`eksauth_reviews_total{outcome="refused",reason="unmapped"} 1`,
		`eksauth_token_cache_lookups_total{result="hit"} 1`,
		`eksauth_sts_call_duration_seconds_count{result="ok"} 2`,
		`eksauth_mappings_entries{source="MountedFile"} 1`,
		`go_goroutines `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("/metrics lacks %s\n%s", want, grep(text, "^(aws_iam|eksauth)"))
		}
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	log := d.stderr.String()
	for _, secret := range []string{raw, raw[20:60], ada.SecretAccessKey} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if !strings.Contains(log, "msg=stopped") {
		t.Errorf("it did not say that it stopped:\n%s", log)
	}
}

func grep(text, pattern string) string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if regexp.MustCompile(pattern).MatchString(line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// awsAuthServer is an API server whose aws-auth never changes.
func awsAuthServer(t *testing.T, mapUsers string) string {
	t.Helper()
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("watch") != "" {
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-over:
			}
			return
		}
		fmt.Fprintf(w, `{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"2"},"items":[{"metadata":{"namespace":"kube-system","name":"aws-auth","resourceVersion":"1"},"data":{"mapUsers":%q}}]}`, mapUsers)
	}))
	t.Cleanup(func() { close(over); server.Close() })
	return server.URL
}

func TestSignsInByTheConfigMap(t *testing.T) {
	t.Parallel()
	api := awsAuthServer(t, "- userarn: "+adaARN+"\n  username: from-the-cluster\n")
	d := start(t, fileConfig, "--sts-endpoint", newSTS(t), "--backend-mode", "EKSConfigMap,MountedFile", "--master", api)
	if status, r := d.review(t, mint(t, ada, "dev")); r.Status.User.Username != "from-the-cluster" {
		t.Errorf("%d %+v: the source named first decides", status, r.Status)
	}
	if _, text := d.get(t, "/readyz"); text != "EKSConfigMap: ok (1 mappings)\nMountedFile: read, with 1 warning that the log tells (1 mappings)\n" {
		t.Errorf("/readyz %s", text)
	}
}

// A broken key of the ConfigMap is no reason not to start, nor to let in
// anybody whom it might have named first; but it is one not to be ready, or a
// rolling update would put this replica into the place of one that knows
// everybody.
func TestStartsWithABrokenConfigMap(t *testing.T) {
	t.Parallel()
	d := start(t, fileConfig, "--sts-endpoint", newSTS(t), "--backend-mode", "EKSConfigMap", "--master", awsAuthServer(t, "- userarn: [\n"))
	if status, r := d.review(t, mint(t, ada, "dev")); r.Status.Authenticated {
		t.Errorf("%d %+v", status, r.Status)
	}
	if status, text := d.get(t, "/readyz"); status != 503 || text != "EKSConfigMap: cannot be read: mapUsers; there are no earlier mappings to use instead (0 mappings)\n" {
		t.Errorf("/readyz %d %s", status, text)
	}
	if status, _ := d.get(t, "/healthz"); status != 200 {
		t.Errorf("/healthz %d: a restart would not help", status)
	}
	if log := d.stderr.String(); !strings.Contains(log, "aws-auth: mapUsers line ") || !strings.Contains(log, "no mappings of mapUsers are in use") {
		t.Errorf("%s", log)
	}
}

// What kube-apiserver read before a restart works after it.
func TestARestartKeepsTheCertificate(t *testing.T) {
	t.Parallel()
	first := start(t, fileConfig)
	client, _ := first.webhook(t)
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := start(t, fileConfig, "--state-dir", filepath.Join(first.dir, "state"))
	_, url := second.webhook(t)
	resp, err := client.Get(strings.TrimSuffix(url, authenticatePath) + "/healthz")
	if err != nil {
		t.Fatalf("who trusted the first does not trust the second: %v", err)
	}
	resp.Body.Close()
}

func TestServesAGivenCertificateAndFollowsIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	issue := func() *pki.CA {
		ca, err := pki.NewCA("somebody", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		pair, err := ca.Issue(pki.Server("localhost"), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for file, data := range map[string][]byte{cert: slices.Concat(pair.CertPEM, ca.PEM()), key: pair.KeyPEM} {
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return ca
	}
	issue()
	d := start(t, fileConfig, "--tls-cert", cert, "--tls-key", key)
	if status, _ := d.get(t, "/healthz"); status != 200 {
		t.Errorf("HTTP %d", status)
	}
	if _, err := os.Stat(filepath.Join(d.dir, "state")); err == nil {
		t.Error("it made a state directory that it does not need")
	}

	// The same without waiting for the next look at the files.
	f := &authenticatorFlags{settings: &settings{Config: awsauth.DefaultConfig(), tlsCert: cert, tlsKey: key}}
	f.Server.GenerateKubeconfig = filepath.Join(dir, "webhook.yaml")
	log := &logtest.Buffer{}
	a, err := (&program{cli.IO{Err: log}}).prepare(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cert.open(); err != nil {
		t.Fatal(err)
	}
	a.url = "https://localhost:1/authenticate"
	ca := issue()
	if err := a.cert.Load(); err != nil {
		t.Fatal(err)
	}
	a.cert.Changed()
	config, err := clientcmd.LoadFromFile(f.Server.GenerateKubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Clusters["eksauthd"].CertificateAuthorityData; !bytes.Equal(got, ca.PEM()) {
		t.Errorf("the kubeconfig trusts %s\nwant %s", got, ca.PEM())
	}
	if !strings.Contains(log.String(), "wrote the webhook kubeconfig; kube-apiserver reads it when it starts") {
		t.Errorf("%s", log)
	}
}
