package nodenames_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/nodenames"
)

var _ awsauth.NodeNames = (*nodenames.Names)(nil)

// fake is an EC2 in the bubble of a test.
type fake struct {
	takes  time.Duration
	answer func(call int, ids []string, page string) (found []nodenames.Instance, next string, err error)

	mu          sync.Mutex
	asked       [][]string
	at          []time.Time
	under, most int // calls at one time
}

func (f *fake) Describe(ctx context.Context, ids []string, page string) ([]nodenames.Instance, string, error) {
	f.mu.Lock()
	f.asked, f.at = append(f.asked, slices.Clone(ids)), append(f.at, time.Now())
	call := len(f.asked)
	f.under++
	f.most = max(f.most, f.under)
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.under--; f.mu.Unlock() }()
	select {
	case <-time.After(f.takes):
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
	if f.answer != nil {
		return f.answer(call, ids, page)
	}
	return all(ids), "", nil
}

func (f *fake) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked)
}

func all(ids []string) (found []nodenames.Instance) {
	for _, id := range ids {
		found = append(found, nodenames.Instance{ID: id, PrivateDNSName: nameOf(id)})
	}
	return found
}

func instance(i int) string       { return fmt.Sprintf("i-%017x", i) }
func nameOf(id string) string     { return "ip-" + id[2:] + ".ec2.internal" }
func throttled() error            { return fmt.Errorf("%w: says the test", awsauth.ErrNamesThrottled) }
func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// counts is an Observer.
type counts struct{ ok, throttled, unavailable, hits, misses atomic.Int64 }

func (c *counts) Asked(o nodenames.Outcome, _ time.Duration) {
	map[nodenames.Outcome]*atomic.Int64{nodenames.OK: &c.ok, nodenames.Throttled: &c.throttled, nodenames.Unavailable: &c.unavailable}[o].Add(1)
}

func (c *counts) LookedUp(hit bool) {
	if hit {
		c.hits.Add(1)
	} else {
		c.misses.Add(1)
	}
}

type result struct {
	id, name string
	err      error
	took     time.Duration
}

// ask asks for many at once, each for as long as it may take.
func ask(t *testing.T, n *nodenames.Names, patience time.Duration, ids ...string) []result {
	t.Helper()
	results := make([]result, len(ids))
	var group sync.WaitGroup
	for i, id := range ids {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			start := time.Now()
			name, err := n.PrivateDNSName(ctx, id)
			results[i] = result{id, name, err, time.Since(start)}
		})
	}
	group.Wait()
	return results
}

func instances(n int) (ids []string) {
	for i := range n {
		ids = append(ids, instance(i))
	}
	return ids
}

func wantNames(t *testing.T, results []result) {
	t.Helper()
	for _, r := range results {
		if r.err != nil || r.name != nameOf(r.id) {
			t.Fatalf("%s: %q, %v, after %v", r.id, r.name, r.err, r.took)
		}
	}
}

func TestQuestionsShareACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ec2 := &fake{takes: 100 * time.Millisecond}
		n := nodenames.New(nodenames.Config{Instances: ec2})
		results := ask(t, n, seconds(5), instances(30)...)
		wantNames(t, results)
		if ec2.calls() != 1 || len(ec2.asked[0]) != 30 || results[0].took > 200*time.Millisecond {
			t.Errorf("%d calls; %v", ec2.calls(), results[0].took)
		}
	})
}

// A cluster that comes up at once.
func TestManyQuestionsAreFewCallsAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ec2 := &fake{takes: time.Second}
		n := nodenames.New(nodenames.Config{Instances: ec2, MaxCalls: 2})
		wantNames(t, ask(t, n, seconds(30), instances(1050)...))
		if ec2.calls() != 11 || ec2.most != 2 {
			t.Errorf("%d calls, %d at a time", ec2.calls(), ec2.most)
		}
		for _, ids := range ec2.asked {
			if len(ids) > 100 {
				t.Errorf("a call about %d", len(ids))
			}
		}
		if wait := ec2.at[0].Sub(time.Now().Add(-6 * time.Second)); wait > 10*time.Millisecond {
			t.Errorf("a call that is full waited for %v", wait)
		}
	})
}

func TestANameIsAskedForOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ec2, seen := &fake{takes: time.Second}, &counts{}
		n := nodenames.New(nodenames.Config{Instances: ec2, Observer: seen})
		one := slices.Repeat([]string{instance(1)}, 20)
		wantNames(t, ask(t, n, seconds(5), one...)) // one flight
		time.Sleep(24 * time.Hour)
		wantNames(t, ask(t, n, seconds(5), one...)) // the name does not change
		if ec2.calls() != 1 || len(ec2.asked[0]) != 1 {
			t.Errorf("asked %v", ec2.asked)
		}
		// Who joins a call that is under way has its answer.
		go n.PrivateDNSName(t.Context(), instance(2))
		time.Sleep(500 * time.Millisecond)
		wantNames(t, ask(t, n, seconds(5), instance(2)))
		if ec2.calls() != 2 || seen.hits.Load() != 20 || seen.misses.Load() != 22 || seen.ok.Load() != 2 {
			t.Errorf("%d calls, %d hits, %d misses, %d ok", ec2.calls(), seen.hits.Load(), seen.misses.Load(), seen.ok.Load())
		}
	})
}

func TestNamesAreRememberedInBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ec2 := &fake{}
		n := nodenames.New(nodenames.Config{Instances: ec2, MaxNames: 10})
		wantNames(t, ask(t, n, seconds(5), instances(11)...))
		wantNames(t, ask(t, n, seconds(5), instances(11)...))
		if ec2.calls() != 2 || len(ec2.asked[1]) != 1 {
			t.Errorf("asked %v", ec2.asked)
		}
	})
}

// What EC2 does not know, or says wrongly, refuses one instance and no other, and is
// asked about again a while later: EC2 may not know a new instance yet.
func TestNoNameIsAnErrorForAWhile(t *testing.T) {
	t.Parallel()
	gone, terminated, odd := instance(1), instance(2), instance(3)
	synctest.Test(t, func(t *testing.T) {
		late := false
		ec2 := &fake{answer: func(_ int, ids []string, _ string) ([]nodenames.Instance, string, error) {
			found := []nodenames.Instance{
				{terminated, ""}, {odd, "system:masters"}, {instance(4), nameOf(instance(4))},
				{instance(99), "nobody-asked"}, {"", ""},
			}
			if late {
				found = append(found, all([]string{gone})...)
			}
			return found, "", nil
		}}
		n := nodenames.New(nodenames.Config{Instances: ec2})
		for range 3 {
			results := ask(t, n, seconds(5), instances(5)[1:]...)
			wantNames(t, results[3:])
			for i, want := range []string{"EC2 knows no such instance", "it is terminated", `EC2 says "system:masters", which cannot be the name of a node`} {
				if err := results[i].err; err == nil || !strings.Contains(err.Error(), want) || results[i].name != "" || transient(err) {
					t.Errorf("%+v, want %s", results[i], want)
				}
			}
		}
		late = true
		if ec2.calls() != 1 {
			t.Errorf("%d calls", ec2.calls())
		}
		time.Sleep(seconds(6))
		wantNames(t, ask(t, n, seconds(5), gone, gone))
		if ec2.calls() != 2 {
			t.Errorf("%d calls", ec2.calls())
		}
	})
}

func transient(err error) bool {
	return errors.Is(err, awsauth.ErrNamesThrottled) || errors.Is(err, awsauth.ErrNamesUnavailable)
}

func TestOnlyInstancesAreAskedAbout(t *testing.T) {
	t.Parallel()
	ec2 := &fake{}
	n := nodenames.New(nodenames.Config{Instances: ec2})
	for _, id := range []string{
		"", "i-", "ada", "i-*", "i-????????", "i-0123456", "i-012345678", "i-0123456789ABCDEF0", "i-0123456789abcdef01",
		"i-0123456z", "I-01234567", " i-01234567", "i-01234567\n", "mi-01234567", "i-01*4567*", "i-0123456789abcdef",
	} {
		if name, err := n.PrivateDNSName(t.Context(), id); err == nil || name != "" || transient(err) {
			t.Errorf("%q: %q, %v", id, name, err)
		}
	}
	if ec2.calls() != 0 {
		t.Errorf("asked %v", ec2.asked)
	}
}

func TestNamesThatNoNodeHas(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("a", 63)
	for name, ok := range map[string]bool{
		"ip-10-0-0-1.ec2.internal": true, "ip-10-0-0-1.eu-west-1.compute.internal": true, "i-0123456789abcdef0.eu-west-1.compute.internal": true,
		"a": true, "1.2": true, label + ".x": true, label + "a": false, strings.Repeat("a.", 126) + "a": true, strings.Repeat("a.", 127): false,
		strings.Repeat("a.", 127) + "a": false, "IP-10.ec2.internal": false, "a..b": false, ".a": false, "a.": false, "-a": false, "a-": false,
		"a-.b": false, "a b": false, "a\n": false, "a_b": false, "a/b": false, "node:x": false, "ä": false, "{{SessionName}}": false, "*": false,
	} {
		synctest.Test(t, func(t *testing.T) {
			ec2 := &fake{answer: func(_ int, ids []string, _ string) ([]nodenames.Instance, string, error) {
				return []nodenames.Instance{{ids[0], name}}, "", nil
			}}
			got, err := nodenames.New(nodenames.Config{Instances: ec2}).PrivateDNSName(t.Context(), instance(1))
			if ok && (err != nil || got != name) || !ok && (err == nil || got != "") {
				t.Errorf("%q: %q, %v", name, got, err)
			}
		})
	}
}

func TestPagesAreRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ec2 := &fake{answer: func(_ int, ids []string, page string) ([]nodenames.Instance, string, error) {
			switch page {
			case "":
				return nil, "second", nil // EC2 does that
			case "second":
				return all(ids[:1]), "third", nil
			}
			return all(ids[1:]), "and so on", nil // more is not needed
		}}
		wantNames(t, ask(t, nodenames.New(nodenames.Config{Instances: ec2}), seconds(5), instances(3)...))
		if ec2.calls() != 3 {
			t.Errorf("%d calls", ec2.calls())
		}
	})
}

// What is wrong with an answer as a whole is believed of nobody.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(call int, ids []string, page string) ([]nodenames.Instance, string, error)
		want   string
	}{
		"an error": {func(int, []string, string) ([]nodenames.Instance, string, error) {
			return nil, "", errors.New("connection refused")
		}, "EC2 could not be asked: connection refused"},
		"a panic": {func(int, []string, string) ([]nodenames.Instance, string, error) { panic("oh") }, "EC2 could not be asked: panic: oh"},
		"two names": {func(_ int, ids []string, _ string) ([]nodenames.Instance, string, error) {
			return append(all(ids), nodenames.Instance{ID: ids[0], PrivateDNSName: "another"}), "", nil
		}, "two names"},
		"pages without end": {func(int, []string, string) ([]nodenames.Instance, string, error) { return nil, "more", nil }, "more than 20 pages"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ec2, seen := &fake{answer: c.answer}, &counts{}
			n := nodenames.New(nodenames.Config{Instances: ec2, Observer: seen, QPS: 100})
			for range 2 { // it is not remembered
				for _, r := range ask(t, n, seconds(30), instances(2)...) {
					if !errors.Is(r.err, awsauth.ErrNamesUnavailable) || !strings.Contains(r.err.Error(), c.want) || r.name != "" {
						t.Errorf("%s: %+v", name, r)
					}
				}
			}
			if ec2.calls() < 2 || ec2.calls() > 40 {
				t.Errorf("%s: %d calls", name, ec2.calls())
			}
		})
	}
}
