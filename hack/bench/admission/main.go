// Command admission measures `eksauthd webhook` as kube-apiserver meets it: the
// real program, over TLS, asked to admit a typical pod by 16 callers at once,
// beside an HTTPS server that does nothing. Once in a small cluster, once in one
// with 100,000 service accounts. It prints rates, percentiles and memory, and
// asserts nothing.
//
// Run it with `make bench`, which builds what it needs.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/eksauth/eksauth/hack/bench/rig"
)

const allowed = `{"response":{"allowed":true}}`

// contender is a server that is asked again and again.
type contender struct {
	name   string
	server *rig.Server
	ready  time.Duration
	rounds rig.Rounds
}

func main() {
	bin := flag.String("bin", "bin", "folder of the built programs")
	seconds := flag.Int("seconds", 3, "how long each is asked in each round")
	rounds := flag.Int("rounds", 3, "how often each is asked; they take turns, and the median counts")
	callers := flag.Int("callers", 16, "how many ask at once")
	nothing := flag.String("nothing", "", "serve the handler that does nothing, with the certificate in this folder")
	flag.Parse()
	var err error
	if *nothing != "" {
		err = rig.ServeNothing(*nothing, allowed) // any signal ends it
	} else {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = bench(ctx, *bin, *callers, *rounds, time.Duration(*seconds)*time.Second)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, bin string, callers, rounds int, each time.Duration) error {
	dir, err := os.MkdirTemp("", "eksauth-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	trust, err := rig.MakeCertificate(dir)
	if err != nil {
		return err
	}
	contenders := []*contender{{name: "a handler that does nothing"}}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if contenders[0].server, err = rig.Start(ctx, dir, self, "-nothing", dir); err != nil {
		return err
	}
	defer contenders[0].server.Stop()
	cert, key := rig.CertificateFiles(dir)
	for _, accounts := range []int{100, 100_000} {
		api := newAPIServer(accounts)
		defer api.Close()
		begin := time.Now()
		server, err := rig.Start(ctx, dir, filepath.Join(bin, "eksauthd"), "webhook", "--address", "127.0.0.1", "--port", "0", "--metrics-port", "-1",
			"--kube-api", api.URL, "--tls-cert", cert, "--tls-key", key)
		if err != nil {
			return err
		}
		defer server.Stop()
		contenders = append(contenders, &contender{name: fmt.Sprintf("eksauthd webhook, %d service accounts", accounts), server: server, ready: time.Since(begin)})
	}
	next := func() ([]byte, bool) { return review, true }
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
		for _, c := range contenders {
			load := rig.Load{Trust: trust, Callers: callers, During: each, Next: next, Wanted: []byte(`"allowed":true`)}
			result, err := c.server.Ask(ctx, load)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			c.rounds = append(c.rounds, result)
		}
	}
	return report(contenders, callers)
}

func report(contenders []*contender, callers int) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "a pod's admission over TLS, %d callers, median\ta second\tof the limit\tp50\tp99\tmemory\tready after\t\n", callers)
	limit := contenders[0].rounds.Rate()
	for _, c := range contenders {
		memory, err := c.server.Memory()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.0f %%\t%.2f ms\t%.2f ms\t%.0f MiB\t%s\t\n", c.name, c.rounds.Rate(), 100*c.rounds.Rate()/limit,
			c.rounds.Percentile(50).Seconds()*1e3, c.rounds.Percentile(99).Seconds()*1e3, float64(memory)/(1<<20), c.ready.Round(time.Millisecond))
	}
	return w.Flush()
}
