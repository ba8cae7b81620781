// Command bench measures whole processes that make an EKS token, side by side:
// an empty Go program, eksauth, and the peers that are there. It prints
// medians and ratios, and asserts nothing.
//
// Run it with `make bench`, which builds what it needs.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"
)

type contender struct {
	name string
	args []string
	runs []run
}

type run struct {
	wall, cpu time.Duration
	rss       int64 // bytes, at the peak
}

func main() {
	rounds := flag.Int("rounds", 40, "how often each is run; they take turns")
	bin := flag.String("bin", "bin", "folder of the built programs")
	flag.Parse()
	if err := bench(*rounds, *bin); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(rounds int, bin string) error {
	dir, err := os.MkdirTemp("", "eksauth-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	empty := filepath.Join(dir, "empty")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", empty, "./hack/bench/empty")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the empty program: %w\n%s", err, out)
	}
	contenders := []*contender{
		{name: "an empty Go program", args: []string{empty}},
		{name: "eksauth token", args: []string{filepath.Join(bin, "eksauth"), "token", "--cluster-name", "dev"}},
		{name: "aws-iam-authenticator token", args: []string{filepath.Join(bin, "peers", "aws-iam-authenticator"), "token", "-i", "dev"}},
		{name: "aws eks get-token", args: []string{"aws", "eks", "get-token", "--cluster-name", "dev"}},
	}
	// The same environment for all, and nothing of the user's: a CA bundle or a
	// large ~/.aws/config costs whoever reads it.
	env := []string{
		"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	}
	contenders = slices.DeleteFunc(contenders, func(c *contender) bool {
		if _, err := measure(c, env); err != nil {
			fmt.Printf("%s is left out: %v\n", c.name, err)
			return true
		}
		return false
	})
	for i := range rounds {
		if i%10 == 0 {
			fmt.Fprintf(os.Stderr, "round %d of %d\n", i, rounds)
		}
		for _, c := range contenders {
			r, err := measure(c, env)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			c.runs = append(c.runs, r)
		}
	}
	return report(contenders)
}

func measure(c *contender, env []string) (run, error) {
	cmd := exec.Command(c.args[0], c.args[1:]...)
	cmd.Env = env
	start := time.Now()
	err := cmd.Run()
	r := run{wall: time.Since(start)}
	if err != nil {
		return r, err
	}
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.rss = usage.Maxrss
		if runtime.GOOS != "darwin" {
			r.rss <<= 10 // kilobytes there
		}
	}
	return r, nil
}

func median[T int64 | time.Duration](runs []run, of func(run) T) T {
	values := make([]T, len(runs))
	for i, r := range runs {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func report(contenders []*contender) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "whole process, median\twall\tCPU\tpeak memory\twall, eksauth = 1\t")
	var ours time.Duration
	for _, c := range contenders {
		if c.name == "eksauth token" {
			ours = median(c.runs, func(r run) time.Duration { return r.wall })
		}
	}
	for _, c := range contenders {
		wall := median(c.runs, func(r run) time.Duration { return r.wall })
		cpu := median(c.runs, func(r run) time.Duration { return r.cpu })
		rss := median(c.runs, func(r run) int64 { return r.rss })
		fmt.Fprintf(w, "%s\t%.2f ms\t%.2f ms\t%.1f MiB\t%.2f\t\n", c.name,
			wall.Seconds()*1e3, cpu.Seconds()*1e3, float64(rss)/(1<<20), float64(wall)/float64(ours))
	}
	return w.Flush()
}
