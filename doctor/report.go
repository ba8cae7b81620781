package doctor

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/eksauth/eksauth/iam"
)

// Status is how one check went.
type Status string

// How a check goes.
const (
	OK      Status = "ok"
	Bad     Status = "bad"     // this is wrong
	Follows Status = "follows" // wrong because of something before it
	Unknown Status = "unknown" // it could not be checked
)

// Check is one question about the chain, and its answer.
type Check struct {
	ID     string `json:"id"` // a stable word
	Status Status `json:"status"`
	Said   string `json:"said"` // what was found, in a line
	// Cause and Fix are of what is Bad: a sentence, and what to do, ready to paste.
	Cause string   `json:"cause,omitempty"`
	Fix   []string `json:"fix,omitempty"`
	// Was and Becomes are a document before and after the fix, where it changes one.
	Was     string `json:"was,omitempty"`
	Becomes string `json:"becomes,omitempty"`
}

// Report is all checks of one subject, in the order of the chain.
type Report struct {
	Subject string  `json:"subject"`
	Checks  []Check `json:"checks"`
}

// Causes are the checks that are Bad: the first is where the chain breaks.
func (r Report) Causes() []Check {
	var list []Check
	for _, c := range r.Checks {
		if c.Status == Bad {
			list = append(list, c)
		}
	}
	return list
}

// Unknown is how many of the checks could not be made.
func (r Report) Unknown() int {
	n := 0
	for _, c := range r.Checks {
		if c.Status == Unknown {
			n++
		}
	}
	return n
}

func (r *Report) ok(id, said string) { r.add(Check{ID: id, Status: OK, Said: said}) }

func (r *Report) unknown(id, question, why string) {
	r.add(Check{ID: id, Status: Unknown, Said: "could not check " + question + ", because " + why})
}

// bad notes what is wrong. What follows from something that is wrong already is no
// cause of its own: see follows.
func (r *Report) bad(id, said, cause string, fix ...string) {
	r.add(Check{ID: id, Status: Bad, Said: said, Cause: cause, Fix: fix})
}

// follows notes what is wrong, as a cause only if nothing before it is.
func (r *Report) follows(id, said, cause string, fix ...string) {
	if len(r.Causes()) > 0 {
		r.add(Check{ID: id, Status: Follows, Said: said})
		return
	}
	r.bad(id, said, cause, fix...)
}

// excuse takes back that something is wrong: it turned out not to matter, or not to be
// known.
func (r *Report) excuse(id string, as Status) {
	for i := range r.Checks {
		if c := &r.Checks[i]; c.ID == id && c.Status == Bad {
			*c = Check{ID: id, Status: as, Said: c.Said}
		}
	}
}

func (r *Report) has(id string) bool {
	return slices.ContainsFunc(r.Checks, func(c Check) bool { return c.ID == id })
}

func (r *Report) add(c Check) { r.Checks = append(r.Checks, c) }

func (r *Report) isBad(id string) bool {
	for _, c := range r.Checks {
		if c.ID == id {
			return c.Status == Bad
		}
	}
	return false
}

// What reading may end with, beside other errors.
var (
	ErrNotFound  = errors.New("not found")
	ErrForbidden = errors.New("forbidden")
	ErrNoAnswer  = errors.New("no answer") // of STS: the network, and no refusal
)

// Cluster reads a Kubernetes cluster. Answers are the API's JSON.
type Cluster interface {
	Get(ctx context.Context, resource, namespace, name string) ([]byte, error)
	List(ctx context.Context, resource, namespace string) ([]byte, error)
	// Token makes a token of a service account, for an audience, as a kubelet does.
	Token(ctx context.Context, namespace, serviceAccount, audience string) (string, error)
	// TryPod has a pod admitted that is not created (dryRun=All), and returns it as
	// it would be.
	TryPod(ctx context.Context, namespace string, pod []byte) ([]byte, error)
}

// IAM reads the account of the user's credentials.
type IAM interface {
	Role(ctx context.Context, name string) (Role, error)
	// Roles are all of them, or as many as it takes to help.
	Roles(ctx context.Context) ([]Role, error)
	// Provider is that of an OIDC issuer in the account.
	Provider(ctx context.Context, arn string) (Provider, error)
}

// STS answers for itself.
type STS interface {
	// Account is that of the credentials.
	Account(ctx context.Context) (string, error)
	// Assume asks for the role by a token; it returns STS's error, or ErrNoAnswer.
	Assume(ctx context.Context, role, token string) error
}

// Role is a role of IAM.
type Role struct {
	ARN         string
	TrustPolicy string // JSON
}

// Provider is an OIDC provider of IAM.
type Provider struct {
	URL       string // without a scheme
	ClientIDs []string
}

// Issuer reads what an issuer publishes: the ids of its keys.
type Issuer interface {
	PublishedKeys(ctx context.Context, issuer string) ([]string, error)
}

// Doctor has what it takes to examine. All fields are needed but IAM and STS, which
// are nil where there are no credentials; NoAWS says why.
type Doctor struct {
	Cluster Cluster
	IAM     IAM
	STS     STS
	NoAWS   string
	Issuer  Issuer
	Now     func() time.Time

	// AnnotationPrefix is that of the webhook: eks.amazonaws.com.
	AnnotationPrefix string
}

// trustRequest is what STS asks of a trust policy for a token.
func trustRequest(provider string, t claims) iam.Request {
	var facts iam.Context
	prefix := conditionPrefix(provider)
	facts.Set(prefix+":sub", t.subject)
	facts.Set(prefix+":aud", t.audience)
	return iam.Request{Action: "sts:AssumeRoleWithWebIdentity", Caller: iam.Caller{Federated: provider}, Context: facts}
}
