package sts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/iam"
)

// policyShape is of a session policy. Only AssumeRoleWithWebIdentity has the
// bound in its model, but both document it.
func policyShape() awsquery.Shape {
	allowed := func(r rune) bool {
		return r == '\t' || r == '\n' || r == '\r' || ' ' <= r && r <= 0xFF
	}
	return awsquery.Shape{Min: 1, Max: 2048, Allowed: allowed, Pattern: `[\u0009\u000A\u000D\u0020-\u00FF]+`}
}

// packPolicy checks a session policy and leaves out its white space, because it
// travels in each request. No policy stays none.
func packPolicy(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if _, err := iam.Parse([]byte(text), iam.IdentityPolicy); err != nil {
		return "", &Error{Code: "MalformedPolicyDocument", Status: http.StatusBadRequest, Message: err.Error()}
	}
	var packed bytes.Buffer
	if err := json.Compact(&packed, []byte(text)); err != nil {
		return "", awsquery.Internal("pack a session policy: %v", err)
	}
	return packed.String(), nil
}

// readPolicies takes the session policies of a request: Policy, and the managed
// ones in PolicyArns.
func readPolicies(v *awsquery.Violations, p awsquery.Params) (policy string, arns []string) {
	policy = v.Optional(p, "Policy", policyShape())
	p.TakeEmpty("PolicyArns")
	for n := 1; ; n++ {
		prefix := "PolicyArns.member." + strconv.Itoa(n) + "."
		value, ok := p.Take(prefix + "arn")
		if !ok {
			if value, ok = p.Take(prefix + "Arn"); !ok {
				break
			}
		}
		v.Text("policyArns."+strconv.Itoa(n)+".member.arn", value, arnShape())
		arns = append(arns, value)
	}
	v.Count("policyArns", len(arns), maxPolicyARNs)
	return policy, arns
}

// maxPolicyARNs is how many managed policies may narrow a session.
//
// Source: "AssumeRole" in the AWS STS API reference (PolicyArns).
const maxPolicyARNs = 10

// Managed finds managed policies by their ARNs, for sessions that they narrow.
// Implementations are safe for concurrent use.
type Managed interface {
	// ManagedPolicy finds a policy of an account's own or of AWS's. It answers
	// ErrNotFound, wrapped or not, for what does not exist there.
	ManagedPolicy(ctx context.Context, accountID, policyARN string) (*iam.Policy, error)
}

// checkManaged refuses managed session policies that are not there.
func (a *Authenticator) checkManaged(ctx context.Context, accountID string, arns []string) error {
	for _, policyARN := range arns {
		_, err := a.managed(ctx, accountID, policyARN)
		if errors.Is(err, ErrNotFound) {
			return awsquery.InvalidParameter("The policy %s does not exist or is not attachable.", awsquery.Clip(policyARN))
		}
		if err != nil {
			return awsquery.Internal("look up policy %s: %v", policyARN, err)
		}
	}
	return nil
}

func (a *Authenticator) managed(ctx context.Context, accountID, policyARN string) (*iam.Policy, error) {
	if a.Managed == nil {
		return nil, fmt.Errorf("there are no managed policies here: %w", ErrNotFound)
	}
	return a.Managed.ManagedPolicy(ctx, accountID, policyARN)
}

// session is what the policies of the caller's session say of a request, which can
// only take away from what other policies allow. Without any it allows
// everything, but for federated users, whom it allows nothing then; one that cannot
// be read allows nothing.
//
// Source: "Policies and permissions in IAM" (session policies), "GetFederationToken"
// in the AWS STS API reference.
func (a *Authenticator) session(ctx context.Context, c Caller, r iam.Request) iam.Decision {
	s := c.Session
	if s == nil || s.Policy == "" && len(s.PolicyARNs) == 0 && c.Identity.Kind != arn.FederatedUser {
		return iam.Decision{Effect: iam.Allow}
	}
	var decisions []iam.Decision
	if s.Policy != "" {
		policy, err := iam.Parse([]byte(s.Policy), iam.IdentityPolicy)
		if err != nil {
			return iam.Decision{}
		}
		policy.Name = "of the session"
		decisions = append(decisions, iam.Evaluate(policy, r))
	}
	for _, policyARN := range s.PolicyARNs {
		policy, err := a.managed(ctx, c.Identity.AccountID, policyARN)
		if err != nil {
			return iam.Decision{}
		}
		decisions = append(decisions, iam.Evaluate(policy, r))
	}
	return iam.AnyOf(decisions...)
}
