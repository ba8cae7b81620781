package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/controlplane"
	"github.com/eksauth/eksauth/internal/require"
)

// built is where the two programs are, and shared is the running system.
var (
	built  string
	shared = sync.OnceValues(func() (*system, error) { return start(filepath.Join(built, "data")) })
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "eksauth-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", dir+"/", "./cmd/...")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	code := m.Run()
	if running != nil {
		running.stop()
	}
	return code
}

// running is the shared system, if a test has started it.
var running *system

// system is `eksauth local --control-plane`, as a user starts it.
type system struct {
	dir     string
	cmd     *exec.Cmd
	stderr  bytes.Buffer
	ended   chan error
	env     map[string]string // of <dir>/env
	kubectl string
}

// theSystem is the shared system; without the programs that it needs, the test
// ends here.
func theSystem(t *testing.T) *system {
	t.Helper()
	findBinaries(t)
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	running = s
	return s
}

func findBinaries(t *testing.T) controlplane.Binaries {
	t.Helper()
	binaries, err := controlplane.FindBinaries(controlplane.BinaryDirs(os.Getenv, filepath.Join(repository(), "bin", "eksauth"))...)
	require.Found(t, "controlplane", err)
	return binaries
}

func repository() string {
	wd, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return filepath.Join(wd, "..", "..")
}

// start runs the system in dir, with further flags, and waits until it says
// ready.
func start(dir string, args ...string) (*system, error) {
	binaries, err := controlplane.FindBinaries(controlplane.BinaryDirs(os.Getenv, filepath.Join(repository(), "bin", "eksauth"))...)
	if err != nil {
		return nil, err
	}
	s := &system{dir: dir, ended: make(chan error, 1), kubectl: binaries.Kubectl}
	s.cmd = exec.Command(filepath.Join(built, "eksauth"), append([]string{"local", "--control-plane", "--data-dir", dir}, args...)...)
	s.cmd.Env = append(os.Environ(), "HOME="+built, "KUBEBUILDER_ASSETS="+filepath.Dir(binaries.APIServer))
	s.cmd.Stderr = &s.stderr
	// It must not get the terminal's Ctrl-C before its tests have ended.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan bool, 1)
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		ready <- line == "ready\n"
		s.ended <- s.cmd.Wait()
	}()
	select {
	case ok := <-ready:
		if !ok {
			return nil, fmt.Errorf("eksauth local did not say ready: %v\n%s", <-s.ended, s.stderr.String())
		}
	case <-time.After(2 * time.Minute):
		s.stop()
		return nil, fmt.Errorf("eksauth local is not ready after two minutes\n%s", s.stderr.String())
	}
	s.env, err = readEnv(filepath.Join(dir, "env"))
	return s, err
}

// stop ends it as Ctrl-C does, and returns how it ended.
func (s *system) stop() error {
	_ = s.cmd.Process.Signal(os.Interrupt)
	select {
	case err := <-s.ended:
		return err
	case <-time.After(time.Minute):
		_ = s.cmd.Process.Kill()
		return fmt.Errorf("it did not end within a minute: %v", <-s.ended)
	}
}

// readEnv has a shell read the file, as users do.
func readEnv(path string) (map[string]string, error) {
	out, err := exec.Command("env", "-i", "sh", "-c", `. "$1" && env`, "sh", path).Output()
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			env[name] = value
		}
	}
	return env, nil
}

// client is a user's shell: a home of its own, the environment of the env file,
// and nothing else of this machine but PATH.
type client struct {
	t      *testing.T
	system *system
	home   string
	env    map[string]string
}

func (s *system) client(t *testing.T) *client {
	t.Helper()
	env := map[string]string{}
	for name, value := range s.env {
		env[name] = value
	}
	c := &client{t: t, system: s, home: t.TempDir(), env: env}
	env["HOME"] = c.home
	env["PATH"] = built + string(os.PathListSeparator) + filepath.Dir(s.kubectl) + string(os.PathListSeparator) + os.Getenv("PATH")
	env["PYENV_ROOT"] = os.Getenv("PYENV_ROOT")
	return c
}

// result is what a command answered.
type result struct {
	stdout, stderr string
	err            error
}

// run runs a command in the client's shell.
func (c *client) run(args ...string) result { return c.runWith("", args...) }

// runWith has a standard input.
func (c *client) runWith(stdin string, args ...string) result {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.lookPath(args[0]), args[1:]...)
	cmd.Dir = c.home
	cmd.Stdin = strings.NewReader(stdin)
	for name, value := range c.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	return result{stdout.String(), stderr.String(), err}
}

// must is run for what has to work.
func (c *client) must(args ...string) string {
	c.t.Helper()
	r := c.run(args...)
	if r.err != nil {
		c.t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), r.err, r.stdout, r.stderr)
	}
	return r.stdout
}

func (c *client) lookPath(name string) string {
	switch name {
	case "eksauth", "eksauthd":
		return filepath.Join(built, name)
	case "kubectl":
		return c.system.kubectl
	}
	return name
}

// admin runs kubectl as the cluster's administrator.
func (c *client) admin(args ...string) string {
	c.t.Helper()
	return c.must(append([]string{"kubectl", "--kubeconfig", filepath.Join(c.system.dir, "controlplane", "admin.kubeconfig")}, args...)...)
}

// user is what `kubectl auth whoami` says.
type user struct {
	Username string
	UID      string
	Groups   []string
	Extra    map[string][]string
}

func parseWhoami(t *testing.T, out string) user {
	t.Helper()
	var review struct {
		Status struct{ UserInfo user }
	}
	if err := json.Unmarshal([]byte(out), &review); err != nil {
		t.Fatalf("kubectl auth whoami: %v\n%s", err, out)
	}
	return review.Status.UserInfo
}

func (c *client) whoami(args ...string) user {
	c.t.Helper()
	return parseWhoami(c.t, c.must(append([]string{"kubectl", "auth", "whoami", "-o", "json"}, args...)...))
}

// whoamiWith presents a token that somebody else made, with kubectl.
func (c *client) whoamiWith(token string) result {
	c.t.Helper()
	// A kubeconfig with the cluster and no user: kubectl prefers a client
	// certificate or plugin of the context's user to --token.
	bare := filepath.Join(c.home, "bare.kubeconfig")
	ca := c.admin("config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}")
	server := c.admin("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
	doc := fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}]\n"+
		"contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: %q}}]\ncurrent-context: c\n", server, ca, token)
	if err := os.WriteFile(bare, []byte(doc), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return c.run("kubectl", "--kubeconfig", bare, "auth", "whoami", "-o", "json")
}

// eventually tries until it works, and returns how long that took.
func eventually(t *testing.T, within time.Duration, what string, try func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for {
		if try() {
			return time.Since(begin)
		}
		if time.Since(begin) > within {
			t.Fatalf("%s: not within %s", what, within)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// metrics are those of the running authenticator.
func (s *system) metrics(t *testing.T) string {
	t.Helper()
	return s.authenticatorGet(t, "/metrics")
}

func (s *system) authenticatorGet(t *testing.T, path string) string {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(s.dir, "authenticator", "kubeconfig.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	address, client := webhookClient(t, config)
	resp, err := client.Get(strings.TrimSuffix(address, "/authenticate") + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(http.MaxBytesReader(nil, resp.Body, 1<<20)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
