package e2e_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/controlplane"
	"github.com/eksauth/eksauth/internal/require"
)

// guide is docs/guides/irsa.md as its reader follows it: a shell in one folder.
type guide struct{ *client }

// block is a shell script of the guide; kind is what stands behind "run".
type block struct{ kind, script string }

func readGuide(t *testing.T) (blocks []block, shown string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository(), "docs", "guides", "irsa.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)<!-- run(?:: (\\w+))? -->\n```sh\n(.*?)```\n").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, block{m[1], m[2]})
	}
	if scripts := strings.Count(string(text), "```sh\n"); len(blocks) != scripts-1 { // all but the reader's own settings
		t.Fatalf("%d of %d scripts are run", len(blocks), scripts)
	}
	m := regexp.MustCompile("(?s)<!-- printed -->\n```\n(.*?)```\n").FindStringSubmatch(string(text))
	if m == nil {
		t.Fatal("the guide does not say what is printed")
	}
	return blocks, m[1]
}

// sh runs a script of the guide and returns what it prints.
func (g *guide) sh(script string) string {
	g.t.Helper()
	return g.must("sh", "-ec", script)
}

// Every command of the guide, one after the other, on a cluster that is not there
// before it begins.
func TestTheGuideToIRSA(t *testing.T) {
	require.Program(t, "aws")
	require.Program(t, "curl")
	binaries := findBinaries(t)
	blocks, shown := readGuide(t)

	home := t.TempDir()
	port := freePort(t)
	g := &guide{client: &client{t: t, system: &system{kubectl: binaries.Kubectl}, home: home, env: map[string]string{
		"HOME":    home,
		"PATH":    built + string(os.PathListSeparator) + filepath.Dir(binaries.Kubectl) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"ISSUER":  fmt.Sprintf("https://localhost:%d", port),
		"ACCOUNT": account,
		// The issuer's server has a certificate of its own authority here.
		"CURL_CA_BUNDLE": filepath.Join(home, "trust.pem"), "SSL_CERT_FILE": filepath.Join(home, "trust.pem"),
		"PYENV_ROOT": os.Getenv("PYENV_ROOT"),
	}}}
	if err := os.Symlink(filepath.Join(repository(), "deploy"), filepath.Join(home, "deploy")); err != nil {
		t.Fatal(err)
	}

	var last string
	for _, b := range blocks {
		switch b.kind {
		case "flags":
			g.startCluster(binaries, strings.Fields(g.sh(b.script)))
			continue
		case "serve":
			g.serveIssuer(b.script, port)
			continue
		}
		if strings.Contains(b.script, "aws iam") {
			g.startAWS()
			g.asAdministrator(b.script)
			continue
		}
		last = g.sh(b.script)
		if strings.Contains(b.script, "deploy/webhook.yaml") {
			g.startWebhook()
		}
		if strings.Contains(b.script, "jsonpath=") && !strings.HasSuffix(last, shown) {
			t.Errorf("the guide says that this is printed:\n%sbut it was:\n%s", shown, last)
		}
	}
	if !strings.Contains(last, "arn:aws:sts::"+account+":assumed-role/awesome.app/") {
		t.Errorf("at the end of the guide the pod is not its role:\n%s", last)
	}
}

// startCluster starts a control plane with the flags that the guide prints.
func (g *guide) startCluster(binaries controlplane.Binaries, flags []string) {
	g.t.Helper()
	plane := controlplane.New(controlplane.Config{
		Dir: filepath.Join(g.home, "cluster"), Binaries: binaries, ServiceAccountFlags: flags, NoSync: true, Log: slog.New(slog.DiscardHandler),
	})
	if err := plane.Start(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { plane.Stop(g.t.Context()) })
	g.env["KUBECONFIG"] = plane.AdminKubeconfig()
}

// serveIssuer runs the guide's server at a port that nobody else has, with a
// certificate that it makes itself.
func (g *guide) serveIssuer(script string, port int) {
	g.t.Helper()
	script = strings.Replace(script, "--listen :443 --tls-cert tls.crt --tls-key tls.key", fmt.Sprintf("--listen 127.0.0.1:%d", port), 1)
	if !strings.Contains(script, fmt.Sprint(port)) {
		g.t.Fatalf("the guide serves otherwise:\n%s", script)
	}
	g.background("exec "+script, "ready")
	trust, err := os.ReadFile(filepath.Join(g.home, "issuer", "serving", "ca.crt"))
	if err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(g.home, "trust.pem"), trust, 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// asAdministrator runs a script with the keys of the local AWS's administrator, which
// nothing else of the guide has.
func (g *guide) asAdministrator(script string) {
	g.t.Helper()
	added := map[string]string{"AWS_PROFILE": "administrator", "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(g.home, "aws", "credentials")}
	for name, value := range added {
		g.env[name] = value
		defer delete(g.env, name)
	}
	g.sh(script)
}

// startAWS starts a local AWS that has nothing but an account, for the rest of the
// guide.
func (g *guide) startAWS() {
	g.t.Helper()
	world := fmt.Sprintf("accounts: [{id: %q}]\n", account)
	file, dir := filepath.Join(g.home, "world.yaml"), filepath.Join(g.home, "aws")
	if err := os.WriteFile(file, []byte(world), 0o600); err != nil {
		g.t.Fatal(err)
	}
	g.background("exec eksauth local --data-dir "+dir+" --world "+file, "ready")
	env, err := readEnv(filepath.Join(dir, "env"))
	if err != nil {
		g.t.Fatal(err)
	}
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"} {
		g.env[name] = env[name]
	}
}

// startWebhook does what kubelet and a Service would: the webhook runs with the
// rights of its service account, and the registration leads to it.
func (g *guide) startWebhook() {
	g.t.Helper()
	token := strings.TrimSpace(g.must("kubectl", "create", "token", "-n", "eksauth", "pod-identity-webhook"))
	config := filepath.Join(g.home, "webhook.kubeconfig")
	g.sh(`kubectl config view --raw --minify > ` + config + `
kubectl --kubeconfig ` + config + ` config set-credentials webhook --token=` + token + `
kubectl --kubeconfig ` + config + ` config set-context --current --user=webhook`)
	lines := g.background("exec eksauthd webhook --namespace eksauth --address 127.0.0.1 --port 0 --metrics-port -1 --dns-name localhost --kubeconfig "+config, "ready")
	url := strings.Replace(strings.TrimPrefix(lines[0], "serving "), "127.0.0.1", "localhost", 1)
	eventually(g.t, time.Minute, "the registration has the authority", func() bool {
		return g.must("kubectl", "get", "mutatingwebhookconfiguration", "pod-identity-webhook", "-o", "jsonpath={.webhooks[0].clientConfig.caBundle}") != ""
	})
	for i := range 2 {
		at := fmt.Sprintf("/webhooks/%d/clientConfig/", i)
		g.must("kubectl", "patch", "mutatingwebhookconfiguration", "pod-identity-webhook", "--type=json", "-p",
			`[{"op":"remove","path":"`+at+`service"},{"op":"add","path":"`+at+`url","value":"`+url+`"}]`)
	}
}

// background runs a script until the test ends, and returns what it prints until
// a line is until.
func (g *guide) background(script, until string) (lines []string) {
	g.t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = g.home
	for name, value := range g.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	log, err := os.CreateTemp(g.home, "log-")
	if err != nil {
		g.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
		if scanner.Text() == until {
			return lines
		}
		lines = append(lines, scanner.Text())
	}
	text, _ := os.ReadFile(log.Name())
	g.t.Fatalf("it ended before it said %s:\n%s\n%s", until, script, text)
	return nil
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}
