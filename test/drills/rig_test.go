package drills

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/internal/controlplane"
	"github.com/eksauth/eksauth/internal/require"
	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/sts"
)

const (
	clusterID = "drills"
	account   = "111122223333"
	roleARN   = "arn:aws:iam::" + account + ":role/awesome.app"
	people    = 40

	// shutdownDelay is how long a load balancer may take to notice.
	shutdownDelay = 2 * time.Second

	// stsTakes is how long STS takes, so that something is always under way.
	stsTakes = 10 * time.Millisecond
)

var digits = regexp.MustCompile(`[0-9]+`)

// built is where eksauthd is.
var built string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "eksauth-drills-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", dir+"/", "./cmd/eksauthd")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// user is one of those who sign in.
type user struct {
	name        string
	credentials sigv4.Credentials
}

func newUsers() (users []user) {
	for i := range people {
		users = append(users, user{fmt.Sprintf("user-%d", i), sigv4.Credentials{
			AccessKeyID: fmt.Sprintf("AKIAEXAMPLEEXAMPL%03d", i), SecretAccessKey: fmt.Sprintf("example-secret-key-of-nobody-%011d", i),
		}})
	}
	return users
}

// directory is what the local STS knows.
type directory []user

func (d directory) AccessKey(_ context.Context, id string) (sts.AccessKey, error) {
	for _, u := range d {
		if u.credentials.AccessKeyID == id {
			p, err := arn.ParsePrincipal("arn:aws:iam::" + account + ":user/" + u.name)
			return sts.AccessKey{Secret: u.credentials.SecretAccessKey, Active: true, Owner: arn.Identity{Principal: p, UserID: "AIDA" + strings.ToUpper(u.name)}}, err
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

// mapUsers is aws-auth's list of them all.
func mapUsers(users []user) string {
	var b strings.Builder
	for _, u := range users {
		fmt.Fprintf(&b, "- {userarn: 'arn:aws:iam::%s:user/%s', username: %s, groups: [people]}\n", account, u.name, u.name)
	}
	return b.String()
}

// rig is a cluster with two replicas of everything of ours.
type rig struct {
	t        *testing.T // of all drills
	dir      string
	binaries controlplane.Binaries
	plane    *controlplane.ControlPlane
	config   *rest.Config // of the administrator
	admin    *http.Client
	trust    *x509.CertPool
	users    []user
	sts      *httptest.Server
	stsAway  atomic.Bool

	signIn, admission       *balancer // what kube-apiserver is told
	authenticators, mutants []*replica
	toAPI                   *balancer // the authenticators' way to the API server
}

func newRig(t *testing.T) *rig {
	t.Helper()
	binaries, err := controlplane.FindBinaries(controlplane.BinaryDirs(os.Getenv, "../../bin/eksauth")...)
	require.Found(t, "controlplane", err)
	r := &rig{t: t, dir: t.TempDir(), binaries: binaries, users: newUsers()}
	r.startSTS(t)
	r.signIn, r.admission, r.toAPI = newBalancer(t), newBalancer(t), newBalancer(t)
	r.startControlPlane(t)
	t.Cleanup(func() {
		for _, p := range slices.Concat(r.authenticators, r.mutants) {
			p.stop(t)
		}
	})
	r.startAuthenticators(t)
	r.startWebhooks(t)
	return r
}

func (r *rig) startSTS(t *testing.T) {
	t.Helper()
	sealer, err := sts.NewSealer(bytes.Repeat([]byte{1}, sts.SealKeySize))
	if err != nil {
		t.Fatal(err)
	}
	handler := &sts.Handler{Auth: &sts.Authenticator{Directory: directory(r.users), Sessions: sealer, Now: time.Now}, Log: slog.New(slog.DiscardHandler)}
	r.sts = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.stsAway.Load() {
			panic(http.ErrAbortHandler)
		}
		time.Sleep(stsTakes)
		handler.ServeHTTP(w, req)
	}))
	t.Cleanup(r.sts.Close)
}

func (r *rig) path(elements ...string) string {
	return filepath.Join(append([]string{r.dir}, elements...)...)
}

func (r *rig) startControlPlane(t *testing.T) {
	t.Helper()
	init := exec.Command(filepath.Join(built, "eksauthd"), "init", "-i", clusterID, "--state-dir", r.path("state"),
		"--generate-kubeconfig", r.path("webhook.yaml"), "--port", fmt.Sprint(r.signIn.port()))
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("init: %v\n%s", err, out)
	}
	r.plane = controlplane.New(controlplane.Config{
		Dir: r.path("plane"), Binaries: r.binaries, NoSync: true, Log: slog.New(slog.DiscardHandler),
		AuthenticatorKubeconfig: r.path("webhook.yaml"), AuthenticatorCacheTTL: time.Millisecond, // each sign-in is a question
	})
	if err := r.plane.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		r.plane.Stop(ctx) // its children may have been killed in a drill
	})
	var err error
	if r.config, err = clientcmd.BuildConfigFromFlags("", r.plane.AdminKubeconfig()); err != nil {
		t.Fatal(err)
	}
	r.config.QPS, r.config.Burst = -1, 0
	if r.admin, err = rest.HTTPClientFor(r.config); err != nil {
		t.Fatal(err)
	}
	r.trust = x509.NewCertPool()
	r.trust.AppendCertsFromPEM(r.plane.CACert())
	r.toAPI.set(strings.TrimPrefix(r.plane.URL(), "https://"))
}

func (r *rig) startAuthenticators(t *testing.T) {
	t.Helper()
	r.setMapUsers(t, mapUsers(r.users))
	kubeconfig := r.kubeconfig(t, "authenticator", nil)
	for i := range 2 {
		p := r.newReplica(t, fmt.Sprintf("authenticator-%d", i), "authenticator", "-i", clusterID, "--port", "0", "--health-address", "127.0.0.1:0",
			"--state-dir", r.path("state"), "--kubeconfig-pregenerated", "--backend-mode", "EKSConfigMap",
			"--kubeconfig", kubeconfig, "--sts-endpoint", r.sts.URL, "--shutdown-delay-duration", shutdownDelay.String())
		r.authenticators = append(r.authenticators, p)
	}
	r.signIn.set(r.authenticators[0].address, r.authenticators[1].address)
}

// kubeconfig leads to the API server through toAPI: as the administrator, or by a
// token.
func (r *rig) kubeconfig(t *testing.T, name string, token []byte) string {
	t.Helper()
	c, err := clientcmd.LoadFromFile(r.plane.AdminKubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, cluster := range c.Clusters {
		cluster.Server = "https://" + r.toAPI.Addr().String()
	}
	for user := range c.AuthInfos {
		if token != nil {
			c.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: string(token)}
		}
	}
	path := r.path(name + ".kubeconfig")
	if err := clientcmd.WriteToFile(*c, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func (r *rig) startWebhooks(t *testing.T) {
	t.Helper()
	r.kubectl(t, "", "apply", "-f", "../../deploy/webhook.yaml")
	r.kubectl(t, "", "create", "namespace", "apps")
	r.kubectl(t, "", "create", "serviceaccount", "-n", "apps", "app")
	r.kubectl(t, "", "annotate", "serviceaccount", "-n", "apps", "app", "eks.amazonaws.com/role-arn="+roleARN)
	token := strings.TrimSpace(r.kubectl(t, "", "create", "token", "-n", "eksauth", "pod-identity-webhook"))
	kubeconfig := r.kubeconfig(t, "pod-identity-webhook", []byte(token))
	for i := range 2 {
		r.mutants = append(r.mutants, r.newReplica(t, fmt.Sprintf("webhook-%d", i), "webhook", "--address", "127.0.0.1", "--port", "0", "--metrics-port", "0",
			"--kubeconfig", kubeconfig, "--namespace", "eksauth", "--dns-name", "localhost", "--shutdown-delay-duration", shutdownDelay.String(), "--cert-dir", r.path(fmt.Sprintf("webhook-%d", i))))
	}
	r.admission.set(r.mutants[0].address, r.mutants[1].address)
	for i := range 2 {
		at := fmt.Sprintf("/webhooks/%d/clientConfig/", i)
		r.kubectl(t, "", "patch", "mutatingwebhookconfiguration", "pod-identity-webhook", "--type=json", "-p", fmt.Sprintf(
			`[{"op":"remove","path":"%sservice"},{"op":"add","path":"%surl","value":"https://localhost:%d/mutate"}]`, at, at, r.admission.port()))
	}
	eventually(t, "pods get their role", func() bool {
		var l load
		r.createPod(t.Context(), &l)
		return l.admissions.failures() == 0
	})
}

// kubectl is the administrator's.
func (r *rig) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command(r.binaries.Kubectl, args...)
	cmd.Env = []string{"HOME=" + r.dir, "KUBECONFIG=" + r.plane.AdminKubeconfig()}
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

func (r *rig) setMapUsers(t *testing.T, text string) {
	t.Helper()
	r.kubectl(t, fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: aws-auth, namespace: kube-system}\ndata:\n  mapUsers: |\n    %s\n",
		strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")), "apply", "-f", "-")
}

// signsInAs waits until user i is who it should be, "" for nobody.
func (r *rig) signsInAs(t *testing.T, i int, want string) {
	t.Helper()
	client := r.person()
	defer client.CloseIdleConnections()
	eventually(t, fmt.Sprintf("user %d signs in as %q", i, want), func() bool {
		failure := r.whoAmI(client, r.token(t, i), want)
		return failure == "" || want == "" && strings.HasPrefix(failure, "N Unauthorized")
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
