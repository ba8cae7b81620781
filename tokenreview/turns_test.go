package tokenreview_test

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eksauth/eksauth/token"
	"github.com/eksauth/eksauth/tokenreview"
)

// network is one in which STS is at one host, and all others swallow what they
// are asked, until the test ends, or have no name.
type network struct {
	sts      http.RoundTripper
	host     string
	nameless bool
	swallow  chan struct{}
	lost     atomic.Int64 // questions that no host answered
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == n.host {
		return n.sts.RoundTrip(r)
	}
	n.lost.Add(1)
	if n.nameless {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: r.URL.Host, IsNotFound: true}}
	}
	select {
	case <-n.swallow:
	case <-r.Context().Done():
	}
	return nil, &net.OpError{Op: "dial", Err: fmt.Errorf("i/o timeout")}
}

// withNetwork asks the hosts that tokens name, through n.
func withNetwork(n *network) func(*rig, *tokenreview.Config) {
	return func(r *rig, c *tokenreview.Config) {
		n.sts = inProcess{r.sts}
		c.Verifier = &token.Verifier{ClusterID: cluster, Partition: "aws", Now: r.clock.now, Client: &http.Client{Transport: n}}
	}
}

func mintFor(t *testing.T, r *rig, region string) string {
	t.Helper()
	raw, _, err := token.New(ada, token.Options{ClusterID: cluster, Region: region, Time: r.clock.now()})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not %s after 10 s", what)
		}
	}
}

// A stranger needs no credentials to make tokens for hosts that do not answer.
func TestHostsThatNeverAnsweredLeaveTheTurnsToOthers(t *testing.T) {
	t.Parallel()
	n := &network{host: "sts.us-east-1.amazonaws.com"}
	const calls = 12
	r := newRig(t, withNetwork(n), func(_ *rig, c *tokenreview.Config) { c.MaxCalls, c.MaxWait = calls, 50*time.Millisecond })
	if a := r.review(t, r.mint(t, ada, cluster)); !a.Status.Authenticated {
		t.Fatal(a.Text)
	}
	var wg sync.WaitGroup
	var busy, unavailable atomic.Int64
	flood := func() {
		for i := range 2 * calls {
			raw := mintFor(t, r, fmt.Sprintf("eu-west-%d", 30+i))
			wg.Go(func() {
				switch a := r.review(t, raw); a.HTTP {
				case 429:
					busy.Add(1)
				case 504:
					unavailable.Add(1)
				default:
					t.Errorf("%d %s", a.HTTP, a.Text)
				}
			})
		}
	}
	for round := range int64(2) { // a host that failed in the first has proven nothing
		n.swallow = make(chan struct{})
		flood()
		eventually(t, "turned away all but four", func() bool { return busy.Load() == (round+1)*(2*calls-4) })
		if got := n.lost.Load(); got != (round+1)*4 {
			t.Errorf("round %d: %d questions to hosts that never answered in all, want %d", round, got, (round+1)*4)
		}
		r.clock.advance(time.Second) // for another token
		if a := r.review(t, r.mint(t, session, cluster)); !a.Status.Authenticated {
			t.Errorf("a good token meanwhile: %d %s", a.HTTP, a.Text)
		}
		close(n.swallow)
		wg.Wait()
	}
	if got := unavailable.Load(); got != 8 {
		t.Errorf("%d were answered 504, want 8", got)
	}
}

// With an endpoint of the operator's own there is one host, whatever the tokens
// name; and nobody waits with the strangers once it has answered.
func TestAHostIsProvenByItsFirstAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, c *tokenreview.Config) { c.MaxUnproven, c.MaxWait = 1, 10*time.Second })
	r.sts.arrived, r.sts.release = make(chan struct{}, 10), make(chan struct{})
	releaseAll := sync.OnceFunc(func() { close(r.sts.release) })
	t.Cleanup(releaseAll)
	var wg sync.WaitGroup
	for _, region := range []string{"us-east-1", "eu-west-1", "eu-west-2", "eu-west-3"} {
		raw := mintFor(t, r, region)
		wg.Go(func() {
			if a := r.review(t, raw); !a.Status.Authenticated {
				t.Errorf("%s: %d %s", region, a.HTTP, a.Text)
			}
		})
	}
	eventually(t, "begun", func() bool { return r.observed.lookups() == 4 })
	<-r.sts.arrived
	if got := r.sts.asked.Load(); got != 1 {
		t.Errorf("%d questions to a host that has not answered yet, want 1", got)
	}
	r.sts.release <- struct{}{}
	eventually(t, "asked for all at once", func() bool { return r.sts.asked.Load() == 4 })
	releaseAll()
	wg.Wait()
}

// kube-apiserver must not ask five times for a region that AWS does not have.
func TestAHostThatDoesNotExistIsRefused(t *testing.T) {
	t.Parallel()
	n := &network{nameless: true}
	r := newRig(t, withNetwork(n))
	raw := mintFor(t, r, "eu-west-99")
	for range 2 {
		if a := r.review(t, raw); a.HTTP != 200 || refusal.FindStringSubmatch(a.Status.Error)[1] != "host" {
			t.Errorf("%d %s", a.HTTP, a.Text)
		}
	}
	if got := n.lost.Load(); got != 1 {
		t.Errorf("it was looked up %d times, want once", got)
	}
}

func TestAKeyThatIsThrottledIsLeftAloneForAWhile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	known, refused := r.mint(t, ada, cluster), r.mint(t, ada, "other")
	r.review(t, known)
	r.review(t, refused)
	r.sts.answer(400, "Throttling")
	r.review(t, r.mint(t, session, cluster))
	r.sts.instead.Store(nil)
	asked := r.sts.asked.Load()

	r.clock.advance(time.Second - 1)
	for _, c := range []string{"again", "other"} {
		a := r.review(t, r.mint(t, session, c))
		if a.HTTP != 429 || a.Retry == "" || r.lastLine(t)["reason"] != "throttled" {
			t.Errorf("another token of that key meanwhile: %d, Retry-After %q: %s", a.HTTP, a.Retry, a.Text)
		}
	}
	if a := r.review(t, known); !a.Status.Authenticated {
		t.Errorf("a token that is known: %d %s", a.HTTP, a.Text)
	}
	if a := r.review(t, refused); a.HTTP != 200 {
		t.Errorf("a refusal that is known: %d %s", a.HTTP, a.Text)
	}
	if got := r.sts.asked.Load(); got != asked {
		t.Errorf("STS was asked %d times more", got-asked)
	}
	// STS counts by account: who is throttled must not silence the others.
	if a := r.review(t, r.mint(t, nobody, cluster)); a.HTTP != 200 || r.sts.asked.Load() != asked+1 {
		t.Errorf("a token of another key meanwhile: %d %s", a.HTTP, a.Text)
	}
	r.clock.advance(time.Second + 1)
	if a := r.review(t, r.mint(t, session, cluster)); !a.Status.Authenticated {
		t.Errorf("two seconds later: %d %s", a.HTTP, a.Text)
	}
}

// Those who wait for their turn when STS asks to slow down do not ask either.
func TestWhoWaitsLeavesSTSAloneToo(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, c *tokenreview.Config) { c.MaxCalls, c.MaxWait = 1, 10*time.Second })
	r.sts.arrived, r.sts.release = make(chan struct{}, 10), make(chan struct{})
	releaseAll := sync.OnceFunc(func() { close(r.sts.release) })
	t.Cleanup(releaseAll)
	r.sts.answer(400, "Throttling")
	var wg sync.WaitGroup
	for i := range 5 {
		raw := r.mint(t, ada, fmt.Sprint(i))
		wg.Go(func() {
			if a := r.review(t, raw); a.HTTP != 429 {
				t.Errorf("%d %s", a.HTTP, a.Text)
			}
		})
	}
	eventually(t, "begun", func() bool { return r.observed.lookups() == 5 })
	releaseAll()
	wg.Wait()
	if got := r.sts.asked.Load(); got != 1 {
		t.Errorf("STS was asked %d times, want once", got)
	}
}

// A clock that is set back must not make a second into an hour.
func TestAPauseEndsThoughTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sts.answer(400, "Throttling")
	r.review(t, r.mint(t, ada, cluster))
	r.sts.instead.Store(nil)
	r.clock.advance(-time.Hour)
	if a := r.review(t, r.mint(t, ada, cluster)); !a.Status.Authenticated {
		t.Errorf("%d %s", a.HTTP, a.Text)
	}
}

// A resolver that has lost the world says of STS, too, that there is no such host.
func TestAHostThatAnsweredExists(t *testing.T) {
	t.Parallel()
	n := &network{host: "sts.us-east-1.amazonaws.com", nameless: true}
	r := newRig(t, withNetwork(n))
	known := r.mint(t, ada, cluster)
	if a := r.review(t, known); !a.Status.Authenticated {
		t.Fatal(a.Text)
	}
	n.host = ""
	if a := r.review(t, r.mint(t, session, cluster)); a.HTTP != 504 {
		t.Errorf("a new token: %d %s", a.HTTP, a.Text)
	}
	r.clock.advance(6 * time.Minute)
	if a := r.review(t, known); !a.Status.Authenticated || r.lastLine(t)["unconfirmed"] != "unavailable" {
		t.Errorf("a token that was verified: %d %s", a.HTTP, a.Text)
	}
}
