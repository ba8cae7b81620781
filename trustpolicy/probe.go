package trustpolicy

import (
	"strings"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/iam"
)

// stranger is a namespace, or a service account, that no policy means.
const stranger = "eksauth-stranger"

const (
	strangerSubject = subjectPrefix + stranger + ":" + stranger
	usualAudience   = "sts.amazonaws.com"
)

// request is a token's: what its issuer's provider vouches for.
func request(provider, subject, audience string) iam.Request {
	_, host, _ := strings.Cut(provider, providerMarker)
	r := iam.Request{Action: webIdentity, Caller: iam.Caller{Federated: provider}}
	r.Context.Set(host+":sub", subject)
	r.Context.Set(host+":aud", audience)
	return r
}

// admitsStranger asks the engine whether somebody gets in whom nobody meant.
func admitsStranger(policy *iam.Policy, provider string) bool {
	return iam.Evaluate(policy, request(provider, strangerSubject, usualAudience)).Allowed()
}

// maxMeant is more than fits into a policy that IAM takes.
const maxMeant = 200

// meant are requests of those whom the Allow statements name; none if there are too
// many to ask about.
func meant(policy *iam.Policy) []iam.Request {
	var list []iam.Request
	for i := range policy.Statements {
		s := &policy.Statements[i]
		if s.Effect != iam.Allow || !allows(s, webIdentity) {
			continue
		}
		for _, provider := range providers(s) {
			subjects := named(s, "sub", strangerSubject)
			audiences := named(s, "aud", usualAudience)
			if len(list)+len(subjects)*len(audiences) > maxMeant {
				return nil
			}
			for _, subject := range subjects {
				for _, audience := range audiences {
					list = append(list, request(provider, subject, audience))
				}
			}
		}
	}
	return list
}

// named are values that meet the conditions on a claim, or the usual one if there are none.
func named(s *iam.Statement, claim, usual string) []string {
	var list []string
	for i := range s.Conditions {
		c := &s.Conditions[i]
		if _, name := conditionName(c.Key); name == claim && isPositive(c.Operator) {
			for _, v := range c.Values {
				list = append(list, fill(v))
			}
		}
	}
	if list == nil {
		return []string{usual}
	}
	return list
}

// fill puts something in place of each wildcard.
func fill(pattern string) string { return strings.NewReplacer("*", "x", "?", "x").Replace(pattern) }

// reach is the rule that a pattern of subjects is against, "" if it reaches no further
// than some service accounts of one namespace.
func reach(pattern string) string {
	if arn.Match(pattern, strangerSubject) {
		return "any-service-account"
	}
	parts := strings.Split(pattern, ":")
	if len(parts) == 4 && strings.HasPrefix(pattern, subjectPrefix) && !hasWildcard(parts[2]) {
		if arn.Match(parts[3], stranger) {
			return "any-of-namespace"
		}
		return ""
	}
	for _, subject := range []string{
		subjectPrefix + stranger + ":" + fill(parts[len(parts)-1]),
		fill(pattern), fill(pattern) + ":x",
		fill(strings.Replace(pattern, "*", subjectPrefix+"x", 1)),
	} {
		if hasWildcard(pattern) && isSubject(subject) && arn.Match(pattern, subject) {
			return "any-namespace"
		}
	}
	return ""
}

func hasWildcard(s string) bool { return strings.ContainsAny(s, "*?") }

// isSubject: system:serviceaccount:NAMESPACE:NAME.
func isSubject(s string) bool {
	rest, ok := strings.CutPrefix(s, subjectPrefix)
	namespace, name, both := strings.Cut(rest, ":")
	return ok && both && isName(namespace) && isName(name)
}
