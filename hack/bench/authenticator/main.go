// Command authenticator measures `eksauthd authenticator` beside
// aws-iam-authenticator's own server, in one run and with the same STS, which is a
// fake one on loopback: what a decision about a mapping costs; how many TokenReviews
// over TLS are answered a second, how soon, and in how much memory; and how long an
// edit of aws-auth takes to act. It prints what was wanted beside what it measured,
// and asserts nothing.
//
// Run it with `make bench`, which builds what it needs. Edits need a control plane,
// from `make controlplane` or in $KUBEBUILDER_ASSETS.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/eksauth/eksauth/hack/bench/rig"
)

// deadline bounds the whole of it.
const deadline = 20 * time.Minute

func main() {
	bin := flag.String("bin", "bin", "folder of the built programs")
	seconds := flag.Int("seconds", 3, "how long each is asked in each round")
	rounds := flag.Int("rounds", 3, "how often each is asked; they take turns, and the median counts")
	edits := flag.Int("edits", 20, "how often aws-auth is edited")
	only := flag.String("only", "", "mapping, reviews or edits: that part alone")
	serve := flag.String("nothing", "", "serve the handler that does nothing, with the certificate in this folder")
	flag.Parse()
	var err error
	if *serve != "" {
		err = rig.ServeNothing(*serve, nothing) // any signal ends it
	} else {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		ctx, cancel := context.WithTimeout(ctx, deadline)
		defer cancel()
		err = bench(ctx, *bin, *only, *rounds, *edits, time.Duration(*seconds)*time.Second)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, bin, only string, rounds, edits int, each time.Duration) error {
	dir, err := os.MkdirTemp("", "eksauth-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &setting{dir: dir, bin: bin, sts: newFakeSTS(), mint: &minter{}}
	defer s.sts.Close()
	if s.trust, err = rig.MakeCertificate(dir); err != nil {
		return err
	}
	r := results{callers: []int{8, 32}, memory: map[string]int64{}}
	parts := []struct {
		name string
		run  func() error
	}{
		{"mapping", func() error { return r.measureMapping(ctx, filepath.Join(bin, "peers", "oracle")) }},
		{"reviews", func() error { return r.measureReviews(ctx, s, rounds, each) }},
		{"edits", func() error { return r.measureEdits(ctx, s, edits) }},
	}
	for _, part := range parts {
		if only != "" && only != part.name {
			continue
		}
		fmt.Fprintln(os.Stderr, part.name)
		if err := part.run(); err != nil {
			return err
		}
	}
	if len(r.aims) == 0 {
		return nil
	}
	return show(r.printAims)
}

func (r *results) measureMapping(ctx context.Context, oracle string) (err error) {
	if r.ours, err = ourMapping(); err != nil {
		return err
	}
	if r.theirs, err = theirMapping(ctx, oracle); err != nil {
		return err
	}
	r.aims = append(r.aims, r.mappingAims()...)
	return show(r.printMapping)
}

func (r *results) measureReviews(ctx context.Context, s *setting, rounds int, each time.Duration) (err error) {
	if r.reviews, err = s.review(ctx, r.callers, rounds, each); err != nil {
		return err
	}
	for _, name := range []string{ours, peer} {
		fmt.Fprintln(os.Stderr, "memory of", name)
		if r.memory[name], err = s.memory(ctx, name, r.callers[len(r.callers)-1]); err != nil {
			return err
		}
	}
	r.aims = append(r.aims, r.reviewAims()...)
	return show(r.printReviews)
}

func (r *results) measureEdits(ctx context.Context, s *setting, number int) (err error) {
	if r.edits, err = s.edit(ctx, number); err != nil || r.edits == nil {
		return err
	}
	return show(r.printEdits)
}
