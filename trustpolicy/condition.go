package trustpolicy

import (
	"slices"
	"strings"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/iam"
)

// conditionName takes a key apart: HOST/PATH:sub.
func conditionName(key string) (prefix, name string) {
	i := strings.LastIndexByte(key, ':')
	if i < 0 {
		return key, ""
	}
	return key[:i], strings.ToLower(key[i+1:])
}

// isGlobal reports whether a key is one of AWS's own, and of no issuer.
func isGlobal(key string) bool {
	key = strings.ToLower(key)
	return strings.HasPrefix(key, "aws:") || strings.HasPrefix(key, "sts:")
}

// IsOfCall reports whether a condition key is about the call, such as its address or the
// name of the session: what neither the token nor the policy tells.
func IsOfCall(key string) bool {
	return isGlobal(key) && !strings.HasPrefix(strings.ToLower(key), "aws:principal") // a web identity has no such key
}

// isExact reports whether an operator compares without wildcards.
func isExact(operator string) bool {
	return strings.Contains(operator, "StringEquals") && isPositive(operator)
}

// isPositive reports whether an operator wants one of its values: the negated ones and
// Null name nobody.
func isPositive(operator string) bool {
	return !strings.Contains(operator, "Not") && operator != "Null"
}

// hasLoophole reports whether an operator holds where the key is missing.
func hasLoophole(operator string) bool {
	return strings.HasPrefix(operator, "ForAllValues:") || strings.HasSuffix(operator, "IfExists")
}

// narrows reports whether a condition limits a claim: it names values, and does not
// hold just because its key is that of no issuer that is trusted.
func narrows(c *iam.Condition, claim string, hosts []string) bool {
	prefix, name := conditionName(c.Key)
	return name == claim && !isGlobal(c.Key) && isPositive(c.Operator) && (!hasLoophole(c.Operator) || isOneOf(hosts, prefix))
}

func isOneOf(hosts []string, prefix string) bool {
	return slices.ContainsFunc(hosts, func(host string) bool { return strings.EqualFold(host, prefix) })
}

func (l *linter) condition(c *iam.Condition, hosts []string) {
	if isGlobal(c.Key) {
		return
	}
	prefix, name := conditionName(c.Key)
	switch {
	case strings.Contains(prefix, "://"):
		l.add("scheme-in-key", Error, c.Position, "write "+strings.SplitN(prefix, "://", 2)[1]+":"+name, "a condition key has no scheme, so that this one is never there")
	case strings.HasPrefix(prefix, "arn:"):
		l.add("arn-in-key", Error, c.Position, "write what follows oidc-provider/, and :"+name, "a condition key is not the provider's ARN, so that this one is never there")
	case eksHostOrder().MatchString(prefix):
		l.add("host-order", Error, c.Position, "write oidc.eks.REGION.amazonaws.com", "the issuers of EKS begin with oidc.eks.REGION, and not with oidc.REGION.eks")
	case len(hosts) > 0 && !isOneOf(hosts, prefix):
		l.add("other-issuer", Error, c.Position, "write "+hosts[0]+":"+name, "the condition is about another issuer than the one that is trusted")
	}
	l.operator(c, name)
	if !strings.HasSuffix(c.Operator, "Null") {
		for _, v := range c.Values {
			l.value(c, name, v)
		}
	}
}

func (l *linter) operator(c *iam.Condition, name string) {
	switch {
	case name != "sub" && name != "aud":
	case strings.HasPrefix(c.Operator, "ForAllValues:"):
		l.add("for-all-values", Error, c.Position, "take ForAllValues: away", "ForAllValues holds for a token that has no %s at all", name)
	case strings.HasPrefix(c.Operator, "ForAnyValue:") && name == "sub":
		l.add("for-any-value", Warning, c.Position, "take ForAnyValue: away", "a token has one subject, and ForAnyValue is for claims with several values")
	}
}

func (l *linter) value(c *iam.Condition, name, v string) {
	startsAsSubject := hasPrefixFold(v, subjectPrefix)
	switch {
	case isExact(c.Operator) && hasWildcard(v):
		l.add("wildcard-equals", Error, c.Position, "put it under StringLike", "%s has a wildcard, and %s compares it letter for letter: nobody is called so", quote(v), c.Operator)
	case name == "aud" && startsAsSubject:
		l.add("subject-as-audience", Error, c.Position, "write :sub", "%s is a subject, and stands under :aud", quote(v))
	case name == "sub" && isSTSAudience(v):
		l.add("audience-as-subject", Error, c.Position, "write :aud", "%s is an audience, and stands under :sub", quote(v))
	case name != "sub" || strings.Contains(v, "${") || reach(v) != "":
	case isOfCI(c.Key):
		if namesNoOwner(v) {
			l.add("any-namespace", Error, c.Position, "name the owner", "%s is of more than one owner", quote(v))
		}
	case startsAsSubject && !strings.HasPrefix(v, subjectPrefix):
		l.add("subject-case", Error, c.Position, "write "+subjectPrefix, "%s is not written in lower case, which counts", quote(v))
	case !startsAsSubject && !hasWildcard(v):
		l.add("subject-form", Error, c.Position, "write "+subjectPrefix+"NAMESPACE:NAME", "%s is not the subject of a service account", quote(v))
	case !isSubject(fill(v)):
		l.add("subject-form", Error, c.Position, "write "+subjectPrefix+"NAMESPACE:NAME", "%s does not name a namespace and a service account%s", quote(v),
			wrongCharacter(strings.Replace(strings.TrimPrefix(v, subjectPrefix), ":", "", 1)))
	}
}

// isOfCI reports whether a key is a claim of a CI system, for which a role may be beside
// service accounts: its subjects are of other forms.
func isOfCI(key string) bool {
	prefix, _ := conditionName(key)
	switch strings.ToLower(prefix) {
	case "token.actions.githubusercontent.com", "gitlab.com", "app.terraform.io":
		return true
	}
	return false
}

// namesNoOwner reports whether a pattern of a CI system's subjects, KIND:OWNER/… or
// KIND:OWNER:…, has a wildcard before the owner ends.
func namesNoOwner(pattern string) bool {
	_, rest, _ := strings.Cut(pattern, ":")
	owner := rest[:max(0, strings.IndexAny(rest, "/:"))]
	return hasWildcard(pattern) && (owner == "" || hasWildcard(owner))
}

// isSTSAudience: the usual audience, or one that is taken for it, of a region's STS.
func isSTSAudience(v string) bool { return arn.Match("sts.*amazonaws.com*", v) }

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// scope finds whom a statement lets in beside those who were meant.
func (l *linter) scope(s *iam.Statement, hosts []string) {
	if !limited(hosts, func(hosts []string) bool {
		return slices.ContainsFunc(s.Conditions, func(c iam.Condition) bool { return narrows(&c, "sub", hosts) })
	}) {
		l.add("any-service-account", Error, s.Position, "add a condition on ISSUER:sub", "nothing tells one service account of the cluster from another: what lets in one lets in all")
	}
	if !limited(hosts, func(hosts []string) bool {
		return slices.ContainsFunc(s.Conditions, func(c iam.Condition) bool {
			return narrows(&c, "aud", hosts) && (isExact(c.Operator) || !slices.ContainsFunc(c.Values, isAnything))
		})
	}) {
		l.add("no-audience", Warning, s.Position, `add "ISSUER:aud": "sts.amazonaws.com"`, "tokens for any audience that the provider takes are good")
	}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		if !narrows(c, "sub", hosts) || isExact(c.Operator) {
			continue
		}
		for _, v := range c.Values {
			l.subjectScope(c, v)
		}
	}
}

// limited reports whether something holds for the tokens of each issuer that is trusted:
// …IfExists about one issuer limits nobody of another.
func limited(hosts []string, holds func(hosts []string) bool) bool {
	if len(hosts) == 0 {
		return holds(nil)
	}
	return !slices.ContainsFunc(hosts, func(host string) bool { return !holds([]string{host}) })
}

func isAnything(pattern string) bool { return strings.Trim(pattern, "*") == "" }

func (l *linter) subjectScope(c *iam.Condition, v string) {
	switch reach(v) {
	case "any-service-account":
		l.add("any-service-account", Error, c.Position, "name the service account", "%s is any service account of the cluster", quote(v))
	case "any-namespace":
		l.add("any-namespace", Error, c.Position, "name the namespace: whoever may create one that matches may assume the role", "%s is in more than one namespace", quote(v))
	case "any-of-namespace":
		l.add("any-of-namespace", Warning, c.Position, "name the service account, if it is one", "%s is any service account of the namespace %s", quote(v), strings.Split(v, ":")[2])
	}
}

// oneIssuer finds conditions that no token can meet: each has the claims of one issuer.
func (l *linter) oneIssuer(s *iam.Statement, hosts []string) {
	first, at := "", iam.Position{}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		prefix, _ := conditionName(c.Key)
		if !isOneOf(hosts, prefix) || !isPositive(c.Operator) || hasLoophole(c.Operator) {
			continue
		}
		if first == "" {
			first, at = prefix, c.Position
		}
		if !strings.EqualFold(first, prefix) {
			l.add("several-issuers", Error, c.Position, "write one statement for each issuer", "a token has the claims of one issuer, and the conditions of a statement hold together: nobody meets these")
			return
		}
	}
	for _, host := range hosts {
		if first != "" && !strings.EqualFold(first, host) {
			l.add("several-issuers", Error, at, "write one statement for each issuer", "no token of %s has this claim, so that nobody of that issuer gets in", quote(host))
			return
		}
	}
}
