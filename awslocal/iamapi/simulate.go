package iamapi

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/sts"
)

// simulation is what SimulatePrincipalPolicy and SimulateCustomPolicy are asked.
//
// Source: "SimulatePrincipalPolicy" in the IAM API reference. Resource policies
// are not simulated; asking for one is refused.
type simulation struct {
	w                  window
	actions, resources []string
	policies           []*iam.Policy // that add up
	boundaries         []*iam.Policy
	facts              iam.Context
	given              []string // condition keys of the request, in lower case
}

func (c *call) readSimulation() (simulation, error) {
	s := simulation{w: c.window(), actions: c.list("ActionNames", actionShape()), resources: c.list("ResourceArns", resourceShape())}
	if len(s.actions) == 0 {
		c.invalid.Missing("actionNames")
	}
	if len(s.resources) == 0 {
		s.resources = []string{"*"}
	}
	documents := c.list("PolicyInputList", documentShape())
	boundaries := c.list("PermissionsBoundaryPolicyInputList", documentShape())
	c.contextEntries(&s)
	if err := c.ready(); err != nil {
		return s, err
	}
	for i, document := range documents {
		policy, err := simulated(document, "PolicyInputList."+strconv.Itoa(i+1))
		if err != nil {
			return s, err
		}
		s.policies = append(s.policies, policy)
	}
	for i, document := range boundaries {
		policy, err := simulated(document, "PermissionsBoundaryPolicyInputList."+strconv.Itoa(i+1))
		if err != nil {
			return s, err
		}
		s.boundaries = append(s.boundaries, policy)
	}
	return s, nil
}

func simulated(document, name string) (*iam.Policy, error) {
	policy, err := iam.Parse([]byte(document), iam.IdentityPolicy)
	if err != nil {
		return nil, &awsquery.Error{Code: "InvalidInput", Status: 400, Message: awsquery.Clip("Invalid Input " + name + ": " + err.Error())}
	}
	policy.Name = name
	return policy, nil
}

// contextEntries takes ContextEntries.member.N.
func (c *call) contextEntries(s *simulation) {
	c.Params.TakeEmpty("ContextEntries")
	for n := 1; ; n++ {
		prefix := "ContextEntries.member." + strconv.Itoa(n)
		key, ok := c.Params.Take(prefix + ".ContextKeyName")
		if !ok {
			return
		}
		c.invalid.Text("contextEntries."+strconv.Itoa(n)+".member.contextKeyName", key, contextKeyShape())
		c.Params.Take(prefix + ".ContextKeyType") // the policy's operator says how to read the values
		s.facts.Set(key, c.Params.TakeList(prefix+".ContextKeyValues")...)
		s.given = append(s.given, strings.ToLower(key))
	}
}

func (c *call) simulateCustomPolicy() ([]element, error) {
	s, err := c.readSimulation()
	if err != nil {
		return nil, err
	}
	if len(s.policies) == 0 {
		return nil, errInvalidInput("PolicyInputList must have a policy.")
	}
	if err := c.permit("*"); err != nil {
		return nil, err
	}
	return s.run(), nil
}

func (c *call) simulatePrincipalPolicy() ([]element, error) {
	source := c.required("PolicySourceArn", arnShape())
	c.Params.TakeEmpty("CallerArn")
	s, err := c.readSimulation()
	if err != nil {
		return nil, err
	}
	principal, err := arn.ParsePrincipal(source)
	if err != nil || principal.Kind != arn.User && principal.Kind != arn.Role || principal.AccountID != c.account() {
		return nil, errInvalidInput("Invalid Entity Arn: %s does not clearly define entity type and name.", source)
	}
	if err := c.permit(source); err != nil {
		return nil, err
	}
	own, err := c.h.Store.Policies(context.Background(), principal)
	if errors.Is(err, sts.ErrNotFound) {
		return nil, errNoSuch("Entity %s cannot be found.", source)
	}
	if err != nil {
		return nil, err
	}
	s.policies = append(own.Identity, s.policies...)
	if own.Boundary != nil && len(s.boundaries) == 0 {
		s.boundaries = []*iam.Policy{own.Boundary}
	}
	var defaults iam.Context
	defaults.SetPrincipal(iam.Caller{Identity: arn.Identity{Principal: principal}})
	for _, key := range []string{"aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalType", "aws:username"} {
		if !slices.Contains(s.given, strings.ToLower(key)) {
			s.facts.Set(key, defaults.Values(key)...)
		}
	}
	return s.run(), nil
}

// run evaluates each action on each resource.
func (s simulation) run() []element {
	type question struct{ action, resource string }
	var all []question
	for _, action := range s.actions {
		for _, resource := range s.resources {
			all = append(all, question{action, resource})
		}
	}
	index := 0
	keys := map[question]string{}
	for _, q := range all {
		if keys[q] == "" {
			index++
			keys[q] = strings.Repeat("0", 6-len(strconv.Itoa(index))) + strconv.Itoa(index)
		}
	}
	return page(s.w, "EvaluationResults", all, func(q question) string { return keys[q] }, func(q question) any {
		return s.evaluate(q.action, q.resource)
	})
}

func (s simulation) evaluate(action, resource string) []element {
	r := iam.Request{Action: action, Resource: resource, Context: s.facts}
	var decisions []iam.Decision
	for _, p := range s.policies {
		decisions = append(decisions, iam.Evaluate(p, r))
	}
	identity := iam.AnyOf(decisions...)
	decision := identity
	for _, p := range s.boundaries {
		decision = iam.AllOf(decision, iam.Evaluate(p, r))
	}
	word := map[iam.Effect]string{iam.Allow: "allowed", iam.Deny: "explicitDeny", iam.NoMatch: "implicitDeny"}[decision.Effect]
	matched, missing := awsquery.List{}, awsquery.List{}
	var named []string
	for _, reason := range decision.Reasons() {
		if reason.Applies && reason.Effect == decision.Effect {
			matched = append(matched, []element{
				awsquery.E("SourcePolicyId", reason.Policy), awsquery.E("SourcePolicyType", "IAM Policy"),
				awsquery.E("StartPosition", []element{awsquery.E("Line", reason.Line), awsquery.E("Column", reason.Column)}),
			})
		}
		if key := strings.ToLower(reason.Key); key != "" && len(reason.Found) == 0 && !slices.Contains(s.given, key) && !slices.Contains(named, key) {
			named = append(named, key)
			missing = append(missing, reason.Key)
		}
	}
	shown := []element{
		awsquery.E("EvalActionName", action), awsquery.E("EvalResourceName", resource), awsquery.E("EvalDecision", word),
		awsquery.E("MatchedStatements", matched), awsquery.E("MissingContextValues", missing),
	}
	if len(s.boundaries) > 0 {
		within := iam.AllOf(append([]iam.Decision{{Effect: iam.Allow}}, decisionsOf(s.boundaries, r)...)...)
		shown = append(shown, awsquery.E("PermissionsBoundaryDecisionDetail", []element{awsquery.E("AllowedByPermissionsBoundary", within.Allowed())}))
	}
	return shown
}

func decisionsOf(policies []*iam.Policy, r iam.Request) []iam.Decision {
	var list []iam.Decision
	for _, p := range policies {
		list = append(list, iam.Evaluate(p, r))
	}
	return list
}
