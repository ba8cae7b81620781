// Command start measures how soon an authenticator answers after its start, and what
// it takes of memory then: `eksauthd authenticator` beside `aws-iam-authenticator
// server`, the real programs, in turns, with the same mappings in their configuration
// file. It asserts nothing.
//
// aws-iam-authenticator takes the port 21363 for its health, whatever it is told; so
// nothing else may run there.
//
// Run it with `make bench`, which builds what it needs.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

const users = 100

// contender is a program and what came of its starts.
type contender struct {
	name, path string
	args       []string
	ready      []time.Duration
	memory     []int64 // resident, bytes
	size       int64   // of the program
}

func main() {
	bin := flag.String("bin", "bin", "folder of the built programs")
	rounds := flag.Int("rounds", 10, "how often each is started; they take turns, and the median counts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, *bin, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, bin string, rounds int) error {
	dir, err := os.MkdirTemp("", "eksauth-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	config := filepath.Join(dir, "config.yaml")
	var text strings.Builder
	text.WriteString("clusterID: bench\nserver:\n  mapUsers:\n")
	for i := range users {
		fmt.Fprintf(&text, "  - userARN: arn:aws:iam::111122223333:user/user-%d\n    username: user-%d\n    groups: [team]\n", i, i)
	}
	if err := os.WriteFile(config, []byte(text.String()), 0o600); err != nil {
		return err
	}
	contenders := []*contender{
		{name: "eksauthd authenticator", path: filepath.Join(bin, "eksauthd"), args: []string{"authenticator", "--health-address", ""}},
		{name: "aws-iam-authenticator server", path: filepath.Join(bin, "peers", "aws-iam-authenticator"), args: []string{"server"}},
	}
	for _, c := range contenders {
		info, err := os.Stat(c.path)
		if err != nil {
			return err
		}
		c.size = info.Size()
		if err := os.MkdirAll(filepath.Join(dir, filepath.Base(c.path)), 0o700); err != nil {
			return err
		}
		c.args = append(c.args, "--config", config, "--address", "127.0.0.1", "--state-dir", filepath.Join(dir, filepath.Base(c.path)),
			"--generate-kubeconfig", filepath.Join(dir, filepath.Base(c.path)+".kubeconfig"))
	}
	for round := range rounds + 1 { // the first makes certificates, and does not count
		for _, c := range contenders {
			ready, memory, err := c.start(ctx, dir)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if round > 0 {
				c.ready, c.memory = append(c.ready, ready), append(c.memory, memory)
			}
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "an authenticator with %d mappings, median of %d\tanswers after\tmemory at rest\tprogram\t\n", users, rounds)
	for _, c := range contenders {
		slices.Sort(c.ready)
		slices.Sort(c.memory)
		fmt.Fprintf(w, "%s\t%s\t%.1f MiB\t%.0f MiB\t\n", c.name, c.ready[len(c.ready)/2].Round(time.Millisecond),
			float64(c.memory[len(c.memory)/2])/(1<<20), float64(c.size)/(1<<20))
	}
	return w.Flush()
}

// start runs the program until it answers /healthz over TLS, and a second more.
func (c *contender) start(ctx context.Context, home string) (ready time.Duration, memory int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	port, err := freePort()
	if err != nil {
		return 0, 0, err
	}
	cmd := exec.CommandContext(ctx, c.path, append(slices.Clone(c.args), "--port", strconv.Itoa(port))...)
	cmd.Env = []string{"HOME=" + home, "AWS_EC2_METADATA_DISABLED=true", "AWS_REGION=us-east-1"}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	// aws-iam-authenticator does not end at SIGTERM.
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	for {
		resp, err := client.Get(fmt.Sprintf("https://127.0.0.1:%d/healthz", port))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if ctx.Err() != nil {
			return 0, 0, errors.New("it did not answer")
		}
		time.Sleep(time.Millisecond)
	}
	ready = time.Since(began)
	time.Sleep(time.Second)
	memory, err = resident(cmd.Process.Pid)
	return ready, memory, err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// resident is VmRSS of proc_pid_status(5).
func resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("no VmRSS")
}
