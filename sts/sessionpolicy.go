package sts

import (
	"bytes"
	"encoding/json"
	"net/http"

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

// SessionPermits is what the caller's session policy says of a request, which
// can only take away from what other policies allow. Without one it allows
// everything; one that cannot be read allows nothing.
//
// Source: "Policies and permissions in IAM" (session policies) in the IAM user
// guide.
func (c Caller) SessionPermits(action, resource string, facts iam.Context) iam.Decision {
	if c.Session == nil || c.Session.Policy == "" {
		return iam.Decision{Effect: iam.Allow}
	}
	policy, err := iam.Parse([]byte(c.Session.Policy), iam.IdentityPolicy)
	if err != nil {
		return iam.Decision{}
	}
	policy.Name = "of the session"
	return iam.Evaluate(policy, iam.Request{Action: action, Resource: resource, Caller: c.Policy(), Context: facts})
}
