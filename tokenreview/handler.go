package tokenreview

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/token"
)

// Verifier finds out who made a token. *token.Verifier is one. Errors that are
// not *token.Error refuse, too, but say nothing that is remembered.
type Verifier interface {
	// Check does what needs no network.
	Check(raw string) (*token.Request, error)
	// Asks is the host that Prove asks about such a token.
	Asks(*token.Request) string
	// Prove asks STS about a token that passed Check. It returns soon after ctx ends.
	Prove(context.Context, *token.Request) (token.Verified, error)
}

// Mappings hold the current table. *awsauth.Live is one. Table must be quick:
// every review calls it.
type Mappings interface{ Table() *awsauth.Table }

// Config is what a Handler is made of. Verifier and Mappings are needed.
type Config struct {
	Verifier Verifier
	Mappings Mappings

	// Names are asked for {{EC2PrivateDNSName}}; nil: whoever needs it is refused.
	Names awsauth.NodeNames

	// Audiences that tokens are good for: kube-apiserver's --api-audiences. If
	// there are any, a review that asks for others only is refused. If there
	// are none, reviews are answered without audiences, which by the
	// Kubernetes API means those of the API server that asks.
	Audiences []string

	// ScrubbedAccounts are the ids of AWS accounts whose principals must not
	// be named, neither in logs nor in what the API server logs.
	ScrubbedAccounts []string

	Log      *slog.Logger     // one line for each decision; nil discards
	Observer Observer         // nil: nobody
	Now      func() time.Time // nil means time.Now

	// MaxTokens bounds the tokens of people who are mapped that are remembered
	// (default 10,000), likewise those of people who are not, and the refused ones.
	MaxTokens int
	// MaxCalls bounds the questions at any one time to those hosts of STS that
	// have answered before (default 64).
	MaxCalls int
	// MaxUnproven bounds the questions at any one time to all other hosts
	// together (default 4, at most MaxCalls): anybody can name such a host.
	MaxUnproven int
	// MaxStrangers bounds those of MaxCalls that are about access keys for which
	// STS has not vouched yet (default, and at most, half of them): anybody can
	// make up such a key.
	MaxStrangers int
	// MaxPerKey bounds those that are about one access key (default, and at
	// most, half of them).
	MaxPerKey int
	// MaxWait is how long a token waits for its turn to ask (default 2 s).
	MaxWait time.Duration
}

const (
	defaultMaxTokens   = 10_000
	defaultMaxCalls    = 64
	defaultMaxUnproven = 4
	defaultMaxWait     = 2 * time.Second
)

// Handler answers TokenReviews at any path. It may serve any number of requests
// at once. Make it with New.
type Handler struct {
	config  Config
	cache   *cache
	flights singleflight.Group
	turns   *turns
	pauses  pauses
	outages outages
	hints   gate
	rewrites
}

// New makes a handler.
func New(c Config) *Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MaxTokens <= 0 {
		c.MaxTokens = defaultMaxTokens
	}
	if c.MaxCalls <= 0 {
		c.MaxCalls = defaultMaxCalls
	}
	if c.MaxUnproven <= 0 {
		c.MaxUnproven = defaultMaxUnproven
	}
	half := max(c.MaxCalls/2, 1)
	c.MaxStrangers, c.MaxPerKey = bound(c.MaxStrangers, half), bound(c.MaxPerKey, half)
	c.MaxUnproven = min(c.MaxUnproven, c.MaxCalls)
	if c.MaxWait <= 0 {
		c.MaxWait = defaultMaxWait
	}
	if c.Names != nil {
		c.Names = bounded{c.Names}
	}
	return &Handler{config: c, pauses: newPauses(), outages: newOutages(), cache: newCache(c.MaxTokens), turns: newTurns(c), rewrites: newRewrites()}
}

// bound is n where it is between 1 and most.
func bound(n, most int) int {
	if n <= 0 {
		return most
	}
	return min(n, most)
}

// ServeHTTP decides one review, answers it, and leaves one line in the log.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.config.Now()
	d := h.serve(w, r)
	d.id = newCorrelationID()
	h.answer(w, &d)
	latency := h.config.Now().Sub(start)
	h.log(r.Context(), &d, latency)
	h.config.Observer.Reviewed(r.Context(), d.outcome(), d.reason, latency)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) decision {
	review, bad := readReview(w, r)
	if bad != nil {
		return *bad
	}
	d := h.decide(r.Context(), review)
	d.apiVersion = review.APIVersion
	return d
}

func (h *Handler) scrubbed(account string) bool {
	return slices.Contains(h.config.ScrubbedAccounts, account)
}
