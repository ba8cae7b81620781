package nodenames

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/eksauth/eksauth/awsauth"
)

// Instances describes EC2 instances. *EC2 is one.
type Instances interface {
	// Describe describes those of at most 100 instances that there are, or a page of
	// them and what to ask for the next. It returns soon after ctx ends. After an
	// error that is awsauth.ErrNamesThrottled there is a pause.
	Describe(ctx context.Context, ids []string, page string) (found []Instance, next string, err error)
}

// Instance is what EC2 says of one. A terminated instance has no name.
type Instance struct{ ID, PrivateDNSName string }

// Observer is told what happens, for metrics. Its methods must be quick and may be
// called at once by many goroutines.
type Observer interface {
	// Asked tells of every call of EC2.
	Asked(Outcome, time.Duration)
	// LookedUp tells of every question: whether the answer was known.
	LookedUp(hit bool)
}

// Outcome is how a call ended, in one stable word.
type Outcome string

// The outcomes.
const (
	OK          Outcome = "ok"
	Throttled   Outcome = "throttled"
	Unavailable Outcome = "unavailable"
)

// Config is what Names is made of. Instances is needed.
type Config struct {
	Instances Instances
	Observer  Observer // nil: nobody

	// QPS and Burst bound the calls in a second (default 15 and 5, as
	// aws-iam-authenticator's).
	QPS, Burst int
	// MaxCalls bounds the calls at any one time (default 4).
	MaxCalls int
	// MaxWaiting bounds the instances that are being asked about, or are to be
	// (default 4,096).
	MaxWaiting int
	// MaxNames bounds the names that are remembered (default 10,000, about 300 bytes
	// each), and likewise the instances that have none.
	MaxNames int
}

const (
	// rememberAbsent is short because EC2 needs some seconds before all of it knows a
	// new instance.
	rememberAbsent = 5 * time.Second

	defaultQPS        = 15
	defaultBurst      = 5
	defaultMaxCalls   = 4
	defaultMaxWaiting = 4096
	defaultMaxNames   = 10_000
)

// Names answers questions for names, any number at once. Make it with New.
type Names struct {
	config  Config
	limiter *rate.Limiter
	pause   pause

	mu      sync.Mutex
	named   *lru.Cache[string, *question] // answered with a name
	absent  *lru.Cache[string, *question] // answered with an error
	pending map[string]*question          // not answered yet
	batches
}

// question is about one instance, and has the answer once answered is closed.
type question struct {
	id       string
	waiting  int // askers that have not gone away
	answered chan struct{}

	name  string
	err   error
	until time.Time // when an error is no longer remembered
}

// New makes a Names, which asks nobody before it is asked.
func New(c Config) *Names {
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	for _, n := range []struct {
		value    *int
		standard int
	}{
		{&c.QPS, defaultQPS}, {&c.Burst, defaultBurst}, {&c.MaxCalls, defaultMaxCalls},
		{&c.MaxWaiting, defaultMaxWaiting}, {&c.MaxNames, defaultMaxNames},
	} {
		if *n.value <= 0 {
			*n.value = n.standard
		}
	}
	return &Names{
		config: c, limiter: rate.NewLimiter(rate.Limit(c.QPS), c.Burst),
		named: newLRU(c.MaxNames), absent: newLRU(c.MaxNames), pending: map[string]*question{},
	}
}

func newLRU(size int) *lru.Cache[string, *question] {
	l, err := lru.New[string, *question](size)
	if err != nil {
		panic(fmt.Sprintf("nodenames: cache of size %d: %v", size, err)) // New gives a positive size
	}
	return l
}

// PrivateDNSName makes Names an awsauth.NodeNames.
func (n *Names) PrivateDNSName(ctx context.Context, instanceID string) (string, error) {
	if !isInstanceID(instanceID) { // a filter's * and ?, for example
		return "", errors.New("it is not the id of an EC2 instance")
	}
	q, known, err := n.question(instanceID)
	n.config.Observer.LookedUp(known)
	if err != nil {
		return "", err
	}
	if known {
		return q.name, q.err
	}
	select {
	case <-q.answered:
		return q.name, q.err
	case <-ctx.Done():
		n.leave(q)
		return "", n.late(ctx)
	}
}

// question is the one about id: answered a while ago, under way, or new.
func (n *Names) question(id string) (q *question, known bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if q, ok := n.named.Get(id); ok {
		return q, true, nil
	}
	if q, ok := n.absent.Get(id); ok && time.Now().Before(q.until) {
		return q, true, nil
	}
	if q := n.pending[id]; q != nil {
		q.waiting++
		return q, false, nil
	}
	if len(n.pending) >= n.config.MaxWaiting {
		return nil, false, fmt.Errorf("%w: %d instances are being asked about", awsauth.ErrNamesThrottled, len(n.pending))
	}
	q = &question{id: id, waiting: 1, answered: make(chan struct{})}
	n.pending[id] = q
	n.enqueue(q)
	return q, false, nil
}

// leave lets a question that nobody waits for any more be dropped.
func (n *Names) leave(q *question) {
	n.mu.Lock()
	defer n.mu.Unlock()
	q.waiting--
}

// late says why there was no answer before ctx ended.
func (n *Names) late(ctx context.Context) error {
	switch {
	case !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return ctx.Err()
	case n.pause.left() > 0:
		return fmt.Errorf("%w: it asked to slow down", awsauth.ErrNamesThrottled)
	}
	return fmt.Errorf("%w: no answer in time", awsauth.ErrNamesUnavailable)
}

// answer is called with n.mu held.
func (n *Names) answer(q *question, found map[string]string, err error) {
	delete(n.pending, q.id)
	if q.err = err; err == nil {
		q.name, q.err = nameOf(q.id, found)
	}
	switch {
	case q.err == nil:
		n.named.Add(q.id, q)
		n.absent.Remove(q.id)
	case err == nil:
		q.until = time.Now().Add(rememberAbsent)
		n.absent.Add(q.id, q)
	}
	close(q.answered)
}

// nameOf believes only what can be the name of a node.
func nameOf(id string, found map[string]string) (string, error) {
	name, ok := found[id]
	switch {
	case !ok:
		return "", errors.New("EC2 knows no such instance in this account and region")
	case name == "":
		return "", errors.New("the instance has none: it is terminated")
	case !isNodeName(name):
		return "", fmt.Errorf("EC2 says %.100q, which cannot be the name of a node", name)
	}
	return name, nil
}

type nobody struct{}

func (nobody) Asked(Outcome, time.Duration) {}
func (nobody) LookedUp(bool)                {}
