package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/logtest"
	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/sts"
	"github.com/eksauth/eksauth/token"
)

const adaARN = "arn:aws:iam::111122223333:user/ada.lovelace"

var (
	ada    = sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	nobody = sigv4.Credentials{AccessKeyID: "AKIANOBODYNOBODYNOBO", SecretAccessKey: "nobodynobodynobodynobodynobodynobodynobo"}
)

// directory knows ada and nobody; the second has no mapping.
type directory struct{}

func (directory) AccessKey(_ context.Context, id string) (sts.AccessKey, error) {
	for c, name := range map[sigv4.Credentials]string{ada: "ada.lovelace", nobody: "nobody"} {
		if c.AccessKeyID == id {
			p, err := arn.ParsePrincipal("arn:aws:iam::111122223333:user/" + name)
			return sts.AccessKey{Secret: c.SecretAccessKey, Active: true, Owner: arn.Identity{Principal: p, UserID: "AIDA" + strings.ToUpper(name)}}, err
		}
	}
	return sts.AccessKey{}, sts.ErrNotFound
}

func (directory) Role(context.Context, arn.Principal) (sts.Role, error) {
	return sts.Role{}, sts.ErrNotFound
}

func (directory) Policies(context.Context, arn.Principal) (sts.Policies, error) {
	return sts.Policies{}, nil
}

// newSTS is our own STS, which verifies signatures.
func newSTS(t *testing.T) string {
	t.Helper()
	sealer, err := sts.NewSealer(bytes.Repeat([]byte{1}, sts.SealKeySize))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&sts.Handler{
		Auth: &sts.Authenticator{Directory: directory{}, Sessions: sealer, Now: time.Now},
		Log:  slog.New(slog.DiscardHandler),
	})
	t.Cleanup(server.Close)
	return server.URL
}

func mint(t *testing.T, c sigv4.Credentials, cluster string) string {
	t.Helper()
	raw, _, err := token.New(c, token.Options{ClusterID: cluster, Region: "us-east-1", Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// daemon is eksauthd authenticator at work in this process.
type daemon struct {
	dir    string
	stderr *logtest.Buffer
	stop   func() error
}

// start runs the program until it is ready, with its files in a new folder.
func start(t *testing.T, config string, args ...string) *daemon {
	t.Helper()
	return startIn(t, nil, config, args...)
}

// startIn has an environment.
func startIn(t *testing.T, env map[string]string, config string, args ...string) *daemon {
	t.Helper()
	d := &daemon{dir: t.TempDir(), stderr: &logtest.Buffer{}}
	file := filepath.Join(d.dir, "config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	out, in := io.Pipe()
	root := newRoot(cli.IO{Out: in, Err: d.stderr, Getenv: func(name string) string { return env[name] }})
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetArgs(append([]string{"authenticator", "--config", file, "--port", "0", "--health-address", "127.0.0.1:0",
		"--state-dir", filepath.Join(d.dir, "state"), "--generate-kubeconfig", d.kubeconfig()}, args...))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		err := root.ExecuteContext(ctx)
		in.CloseWithError(err)
		ended <- err
	}()
	d.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Errorf("it ended with: %v", err)
		}
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "ready" {
			return d
		}
	}
	t.Fatalf("it ended before it was ready: %v\n%s", lines.Err(), d.stderr)
	return nil
}

func (d *daemon) kubeconfig() string { return filepath.Join(d.dir, "webhook.yaml") }

// webhook is how kube-apiserver reaches it: the kubeconfig and nothing else.
func (d *daemon) webhook(t *testing.T) (*http.Client, string) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", d.kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return client, config.Host
}

// connections are n clients of the webhook with a connection each, which is there:
// a burst meets the server at once, without the time of its handshakes.
func (d *daemon) connections(t *testing.T, n int) ([]*http.Client, string) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", d.kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	clients := make([]*http.Client, n)
	for i := range clients {
		trust, err := rest.TLSConfigFor(config)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}
		t.Cleanup(transport.CloseIdleConnections)
		clients[i] = &http.Client{Transport: transport}
		resp, err := clients[i].Get(config.Host)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	return clients, config.Host
}

func (d *daemon) review(t *testing.T, raw string, audiences ...string) (int, authenticationv1.TokenReview) {
	t.Helper()
	client, url := d.webhook(t)
	body, err := json.Marshal(authenticationv1.TokenReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview"},
		Spec:     authenticationv1.TokenReviewSpec{Token: raw, Audiences: audiences},
	})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var review authenticationv1.TokenReview
	if resp.StatusCode == 200 {
		if err := json.NewDecoder(resp.Body).Decode(&review); err != nil {
			t.Fatal(err)
		}
	}
	return resp.StatusCode, review
}

func (d *daemon) get(t *testing.T, path string) (int, string) {
	t.Helper()
	client, url := d.webhook(t)
	resp, err := client.Get(strings.TrimSuffix(url, authenticatePath) + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
