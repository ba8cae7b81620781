// Command local measures `eksauth local` as its users meet it: how soon it says
// ready and how much memory it then has, with the example world and with 10,000
// roles; how many GetCallerIdentity it answers a second; and how many durable writes,
// with the latency of reads while they happen. It prints, and asserts nothing.
//
// Run it with `make bench`, which builds what it needs.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/eksauth/eksauth/sigv4"
)

func main() {
	bin := flag.String("bin", "bin", "folder of the built programs")
	seconds := flag.Int("seconds", 3, "how long each load lasts")
	flag.Parse()
	if err := bench(filepath.Join(*bin, "eksauth"), time.Duration(*seconds)*time.Second); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// running is an `eksauth local`.
type running struct {
	cmd      *exec.Cmd
	dir      string
	ready    time.Duration
	endpoint string
	key      sigv4.Credentials // the administrator's
}

func start(program, dir, world string) (*running, error) {
	args := []string{"local", "--data-dir", dir}
	if world != "" {
		args = append(args, "--world", world)
	}
	r := &running{cmd: exec.Command(program, args...), dir: dir}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	r.ready = time.Since(begin)
	if err != nil || line != "ready\n" {
		r.stop()
		return nil, fmt.Errorf("it said %q: %w", line, err)
	}
	return r, r.readFiles()
}

func (r *running) readFiles() error {
	env, err := os.ReadFile(filepath.Join(r.dir, "env"))
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(env), "AWS_ENDPOINT_URL=")
	r.endpoint = strings.Trim(strings.SplitN(rest, "\n", 2)[0], "'")
	credentials, err := os.ReadFile(filepath.Join(r.dir, "credentials"))
	if err != nil {
		return err
	}
	_, rest, ok := strings.Cut(string(credentials), "administrator]\n")
	lines := strings.SplitN(rest, "\n", 3)
	if !ok || len(lines) < 2 {
		return errors.New("there is no administrator")
	}
	r.key.AccessKeyID = strings.TrimPrefix(lines[0], "aws_access_key_id = ")
	r.key.SecretAccessKey = strings.TrimPrefix(lines[1], "aws_secret_access_key = ")
	return nil
}

func (r *running) stop() {
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	_ = r.cmd.Wait()
}

// memory is its resident memory in bytes.
func (r *running) memory() int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kib int64
	fmt.Sscan(rest, &kib)
	return kib << 10
}

func bench(program string, each time.Duration) error {
	dir, err := os.MkdirTemp("", "eksauth-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "eksauth local\tready after (new / again, median)\tmemory\t\n")
	for name, world := range map[string]string{"example world": "", "10,000 roles": manyRoles(dir)} {
		if err := startUps(w, program, filepath.Join(dir, strings.ReplaceAll(name, " ", "-")), name, world); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	r, err := start(program, filepath.Join(dir, "load"), "")
	if err != nil {
		return err
	}
	defer r.stop()
	ask := r.signed("sts", "Action=GetCallerIdentity&Version=2011-06-15")
	alone := load(8, each, func(int, int) *http.Request { return ask(r) })
	create := func(client, n int) *http.Request {
		form := url.Values{"Action": {"CreateUser"}, "Version": {"2010-05-08"}, "UserName": {fmt.Sprintf("u-%d-%d", client, n)}}
		return r.signed("iam", form.Encode())(r)
	}
	var writes, reads result
	var wg sync.WaitGroup
	wg.Go(func() { writes = load(4, each, create) })
	wg.Go(func() { reads = load(4, each, func(int, int) *http.Request { return ask(r) }) })
	wg.Wait()
	fmt.Fprintf(w, "\nrequests, clients on the same cores\ta second\tp50\tp99\tfailed\t\n")
	for _, row := range []struct {
		name string
		result
	}{{"GetCallerIdentity, 8 clients", alone}, {"CreateUser, on disk, 4 clients", writes}, {"GetCallerIdentity meanwhile, 4 clients", reads}} {
		fmt.Fprintf(w, "%s\t%.0f\t%s\t%s\t%d\t\n", row.name, float64(len(row.took))/each.Seconds(), row.percentile(50), row.percentile(99), row.failed)
	}
	return w.Flush()
}

func startUps(w *tabwriter.Writer, program, dir, name, world string) error {
	var fresh, again []time.Duration
	var memory int64
	for i := range 7 {
		d := fmt.Sprintf("%s-%d", dir, i)
		for _, list := range []*[]time.Duration{&fresh, &again} {
			r, err := start(program, d, world)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			*list = append(*list, r.ready)
			memory = r.memory()
			r.stop()
			world = "" // the second time it is there
		}
		if i == 0 && name != "example world" {
			break // one is enough of a world that takes long
		}
	}
	slices.Sort(fresh)
	slices.Sort(again)
	_, err := fmt.Fprintf(w, "%s\t%s / %s\t%.0f MiB\t\n", name, fresh[len(fresh)/2].Round(time.Millisecond), again[len(again)/2].Round(time.Millisecond), float64(memory)/(1<<20))
	return err
}

func manyRoles(dir string) string {
	var b bytes.Buffer
	b.WriteString("accounts:\n- id: \"111122223333\"\n  roles:\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "  - name: role-%d\n    trustPolicy: {Version: \"2012-10-17\", Statement: {Effect: Allow, Principal: {AWS: \"111122223333\"}, Action: sts:AssumeRole}}\n", i)
	}
	path := filepath.Join(dir, "world.yaml")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		panic(err)
	}
	return path
}

// signed makes requests with a body, each signed anew.
func (r *running) signed(service, body string) func(*running) *http.Request {
	return func(r *running) *http.Request {
		request, err := http.NewRequest(http.MethodPost, r.endpoint+"/", strings.NewReader(body))
		if err != nil {
			panic(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if err := sigv4.Sign(request, sigv4.PayloadHash([]byte(body)), r.key, "us-east-1", service, time.Now()); err != nil {
			panic(err)
		}
		return request
	}
}

type result struct {
	took   []time.Duration // of those that succeeded, sorted
	failed int
}

func (r result) percentile(p int) time.Duration {
	if len(r.took) == 0 {
		return 0
	}
	return r.took[(len(r.took)-1)*p/100].Round(10 * time.Microsecond)
}

// load has clients ask for a while, one request after the other.
func load(clients int, each time.Duration, request func(client, n int) *http.Request) result {
	var mu sync.Mutex
	var all result
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	end := time.Now().Add(each)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			var mine result
			for n := 0; time.Now().Before(end); n++ {
				r := request(c, n)
				begin := time.Now()
				response, err := client.Do(r)
				if err == nil {
					_, _ = new(bytes.Buffer).ReadFrom(response.Body)
					response.Body.Close()
				}
				if err != nil || response.StatusCode != http.StatusOK {
					mine.failed++
					continue
				}
				mine.took = append(mine.took, time.Since(begin))
			}
			mu.Lock()
			defer mu.Unlock()
			all.took, all.failed = append(all.took, mine.took...), all.failed+mine.failed
		})
	}
	wg.Wait()
	slices.Sort(all.took)
	return all
}
