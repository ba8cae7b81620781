package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/require"
)

// sdk is one of the programs in the folder clients: it asks STS who it is for
// each line that it gets, with the credentials that its AWS SDK finds by itself.
type sdk struct {
	name string
	// command is how to start it; prepare changes a client's home to what it
	// needs there. Both end the test if the machine lacks it.
	command func(t *testing.T) []string
	prepare func(t *testing.T, c *client)
}

func sdks() []sdk {
	all := []sdk{
		{"aws-sdk-go-v2", goProgram, leadGo},
		{"aws-sdk-js-v3", nodeProgram, nil},
	}
	pythons := foundPythons()
	if len(pythons) == 0 {
		pythons = []python{{}} // whose test ends here
	}
	for _, p := range pythons {
		all = append(all, sdk{strings.TrimSpace("boto3 " + p.botocore), p.program, p.leadBoto3})
	}
	return all
}

// whoami is an answer of such a program.
type whoami struct{ Arn, AccessKeyId, SecretAccessKey, SessionToken string }

// conversation is such a program as it runs.
type conversation struct {
	t      *testing.T
	in     io.WriteCloser
	out    *bufio.Reader
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

// start runs the program in the client's shell until the test has ended.
func (s sdk) start(t *testing.T, c *client) *conversation {
	t.Helper()
	command := s.command(t)
	if s.prepare != nil {
		s.prepare(t, c)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	v := &conversation{t: t, cmd: exec.CommandContext(ctx, command[0], command[1:]...)}
	v.cmd.Dir, v.cmd.Stderr = c.home, &v.stderr
	for name, value := range c.env {
		v.cmd.Env = append(v.cmd.Env, name+"="+value)
	}
	var err error
	if v.in, err = v.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	v.out = bufio.NewReader(out)
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer cancel()
		v.in.Close() // it ends at the end of its input
		if err := v.cmd.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", s.name, err, v.stderr.String())
		}
	})
	return v
}

// ask has the program ask STS who it is.
func (v *conversation) ask() whoami {
	v.t.Helper()
	_, _ = io.WriteString(v.in, "\n") // if it has ended, there is no answer either
	line, err := v.out.ReadString('\n')
	if err != nil {
		v.t.Fatalf("no answer: %v", err) // why is said when it has ended
	}
	var w whoami
	if err := json.Unmarshal([]byte(line), &w); err != nil {
		v.t.Fatalf("not an answer: %v", err) // the line has secrets
	}
	return w
}

// The programs as they are built or installed, once for all tests.
var (
	builtGo = sync.OnceValues(func() (string, error) {
		program := filepath.Join(built, "clients", "gosdk")
		build := exec.Command("go", "build", "-trimpath", "-o", program, "./clients/gosdk")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := build.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
		return program, err
	})
	installedNode = sync.OnceValues(installNode)
	foundPythons  = sync.OnceValue(findPythons)
)

func goProgram(t *testing.T) []string {
	t.Helper()
	program, err := builtGo()
	if err != nil {
		t.Fatal(err)
	}
	return []string{program}
}

func nodeProgram(t *testing.T) []string {
	t.Helper()
	node := require.Program(t, "node")
	program, err := installedNode()
	require.Found(t, "node", err)
	return []string{node, program}
}

// installNode puts the program into a folder of its own, with the packages that
// its lock file names.
func installNode() (program string, err error) {
	dir := filepath.Join(built, "clients", "js")
	if err := os.CopyFS(dir, os.DirFS("clients/js")); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return filepath.Join(dir, "whoami.js"), nil
}

// python is an interpreter that has boto3; zero where there is none.
type python struct {
	path     string
	botocore string // its version
}

// findPythons looks beyond PATH too, because distributions install boto3 for
// their own interpreter. Of two with the same version it takes one.
func findPythons() (found []python) {
	for _, path := range []string{"python3", "/usr/bin/python3"} {
		out, err := exec.Command(path, "-c", "import boto3, botocore; print(botocore.__version__)").Output()
		version := strings.TrimSpace(string(out))
		if err == nil && !slices.ContainsFunc(found, func(p python) bool { return p.botocore == version }) {
			found = append(found, python{path, version})
		}
	}
	return found
}

func (p python) program(t *testing.T) []string {
	t.Helper()
	if p.path == "" {
		require.Found(t, "boto3", errors.New("no python3 here can import it"))
	}
	script, err := filepath.Abs("clients/python/whoami.py")
	if err != nil {
		t.Fatal(err)
	}
	return []string{p.path, script}
}

// leadGo leads the SDK's credential chain to the local AWS: the client that assumes
// the role is made before AWS_ENDPOINT_URL is read.
func leadGo(_ *testing.T, c *client) { c.env["AWS_ENDPOINT_URL_STS"] = c.env["AWS_ENDPOINT_URL"] }

// leadBoto3 leads a botocore that does not know AWS_ENDPOINT_URL yet (before
// 1.31) to the local AWS: with endpoint rules of the user's own, which every
// client of STS follows, also the one that assumes the role.
func (p python) leadBoto3(t *testing.T, c *client) {
	t.Helper()
	version := strings.SplitN(p.botocore+"..", ".", 3)
	major, _ := strconv.Atoi(version[0])
	minor, _ := strconv.Atoi(version[1])
	if major > 1 || major == 1 && minor >= 31 {
		return
	}
	rules := fmt.Sprintf(`{"version":"1.0","parameters":{},"rules":[{"conditions":[],"type":"endpoint","endpoint":{"url":%q}}]}`, c.env["AWS_ENDPOINT_URL"])
	file := filepath.Join(c.home, ".aws", "models", "sts", "2011-06-15", "endpoint-rule-set-1.json")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
}
