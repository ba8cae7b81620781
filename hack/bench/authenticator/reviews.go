package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/eksauth/eksauth/hack/bench/rig"
)

const (
	// fewTokens are what the controllers and people of a cluster come with again
	// and again.
	fewTokens = 16
	// manyTokens are more than anybody answers in one round.
	manyTokens = 40_000
	// memoryTokens are verified before memory is looked at, batches of them at a
	// time, because they need memory, too.
	memoryTokens = 100_000
	batch        = 10_000
)

// kind is what the callers ask.
type kind struct {
	name       string
	delay      time.Duration // of STS
	distinct   bool
	contenders []string
}

var (
	anything = kind{name: "anything", contenders: []string{limit}}
	repeated = kind{name: "repeated tokens, STS in 20 ms", delay: 20 * time.Millisecond, contenders: []string{ours, peer, keeping}}
	distinct = kind{name: "distinct tokens, STS in 0 ms", distinct: true, contenders: []string{ours, peer, keeping}}
)

// question is who is asked what, by how many.
type question struct {
	kind      string
	contender string
	callers   int
}

type reviews map[question]rig.Rounds

// review asks all contenders everything, in turns.
func (s *setting) review(ctx context.Context, callers []int, rounds int, each time.Duration) (all reviews, err error) {
	servers := map[string]*rig.Server{}
	for _, name := range []string{limit, ours, peer, keeping} {
		if servers[name], err = s.start(ctx, name); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, servers[name].Stop()) }()
	}
	all = reviews{}
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
		for _, n := range callers {
			for _, k := range []kind{anything, repeated, distinct} {
				for _, name := range k.contenders {
					result, err := s.ask(ctx, servers[name], k, n, each)
					if err != nil {
						return nil, fmt.Errorf("%s, %s: %w", name, k.name, err)
					}
					q := question{k.name, name, n}
					all[q] = append(all[q], result)
				}
			}
		}
	}
	return all, nil
}

func (s *setting) ask(ctx context.Context, server *rig.Server, k kind, callers int, each time.Duration) (rig.Result, error) {
	s.sts.answerAfter(k.delay)
	tokens := fewTokens
	if k.distinct {
		tokens = manyTokens
	}
	bodies, err := s.mint.reviews(tokens)
	if err != nil {
		return rig.Result{}, err
	}
	next := again(bodies)
	if k.distinct {
		next = once(bodies)
	}
	return server.Ask(ctx, s.load(callers, each, next))
}

func (s *setting) load(callers int, each time.Duration, next func() ([]byte, bool)) rig.Load {
	return rig.Load{Trust: s.trust, Callers: callers, During: each, Next: next, Wanted: []byte(`"authenticated":true`)}
}

// memory is the most that a contender, newly started, has had after it verified
// many tokens, in bytes.
func (s *setting) memory(ctx context.Context, name string, callers int) (peak int64, err error) {
	server, err := s.start(ctx, name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	s.sts.answerAfter(0)
	for range memoryTokens / batch {
		bodies, err := s.mint.reviews(batch)
		if err != nil {
			return 0, err
		}
		result, err := server.Ask(ctx, s.load(callers, time.Minute, once(bodies)))
		if err != nil {
			return 0, err
		}
		if len(result.Times) != batch {
			return 0, fmt.Errorf("%s answered %d of %d tokens within a minute", name, len(result.Times), batch)
		}
	}
	return server.PeakMemory()
}
