package trustpolicy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/eksauth/eksauth/iam"
)

// Severity says what a mistake does.
type Severity string

// An Error keeps everybody out, or lets in whom nobody meant; a Warning is doubtful.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is a mistake.
type Finding struct {
	Rule     string // a stable word
	Severity Severity
	Position iam.Position // zero for the whole document
	Message  string
	Hint     string
}

// Quotas of the length of a trust policy, in characters without white space
// ("IAM and AWS STS quotas": ACLSizePerRole).
const (
	defaultQuota = 2048
	maxQuota     = 4096
)

const (
	webIdentity    = "sts:assumerolewithwebidentity" // actions do not depend on case
	assumeRole     = "sts:assumerole"
	subjectPrefix  = "system:serviceaccount:"
	providerMarker = ":oidc-provider/"
)

// Lint finds the mistakes in a trust policy, in the order of the document.
func Lint(doc []byte) []Finding {
	l := &linter{}
	policy, err := iam.Parse(doc, iam.TrustPolicy)
	if err != nil {
		var malformed *iam.MalformedError
		at := iam.Position{}
		if errors.As(err, &malformed) {
			at = malformed.Position
		}
		l.add("malformed", Error, at, "IAM refuses it: see the message", "%s", err)
		return l.findings
	}
	for i := range policy.Statements {
		l.statement(&policy.Statements[i])
	}
	l.size(doc)
	return l.findings
}

type linter struct{ findings []Finding }

func (l *linter) add(rule string, s Severity, at iam.Position, hint, format string, args ...any) {
	l.findings = append(l.findings, Finding{rule, s, at, fmt.Sprintf(format, args...), hint})
}

// size counts as IAM does: without white space.
func (l *linter) size(doc []byte) {
	n := len(strings.Join(strings.Fields(string(doc)), ""))
	switch {
	case n > maxQuota:
		l.add("too-long", Error, iam.Position{}, "fewer service accounts a role, or a pattern under StringLike", "the policy has %d characters, and IAM takes %d at most", n, maxQuota)
	case n > defaultQuota:
		l.add("too-long", Warning, iam.Position{}, "ask for a higher quota, ACLSizePerRole", "the policy has %d characters, and IAM takes %d unless the account's quota was raised", n, defaultQuota)
	}
}

// providers are the OIDC providers that a statement trusts, without "arn:…/".
func providers(s *iam.Statement) []string {
	var list []string
	for _, p := range s.Principals.Values {
		if _, host, ok := strings.Cut(p.Value, providerMarker); ok && p.Type == "Federated" {
			list = append(list, host)
		}
	}
	return list
}

func (l *linter) statement(s *iam.Statement) {
	does := func(action string) bool {
		return slices.ContainsFunc(s.Actions.Values, func(a string) bool { return strings.EqualFold(a, action) })
	}
	trusted := providers(s)
	if s.Effect != iam.Allow || s.Principals.Not || len(trusted) == 0 && !does(webIdentity) {
		return
	}
	switch {
	case len(trusted) > 0 && !does(webIdentity) && does(assumeRole):
		l.add("wrong-action", Error, s.Actions.Position, "write sts:AssumeRoleWithWebIdentity", "a web identity does not call sts:AssumeRole")
	case len(trusted) == 0:
		l.notFederated(s)
		return
	}
	for _, host := range trusted {
		l.provider(s, host)
	}
	for i := range s.Conditions {
		l.condition(&s.Conditions[i], trusted)
	}
	l.scope(s)
}

func (l *linter) notFederated(s *iam.Statement) {
	for _, p := range s.Principals.Values {
		if p.Type != "Federated" {
			l.add("not-federated", Error, s.Principals.Position, `write {"Federated": "arn:aws:iam::ACCOUNT:oidc-provider/ISSUER"}`, "a web identity is no %s principal, so that nobody gets in by it", orAnybody(p.Type))
			return
		}
	}
}

func orAnybody(kind string) string {
	if kind == "" {
		return `"*"`
	}
	return kind
}

// eksHostOrder is an issuer of EKS with its words in the wrong order.
var eksHostOrder = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^oidc\.([a-z]{2}(?:-[a-z]+)+-\d)\.eks\.`)
})

func (l *linter) provider(s *iam.Statement, host string) {
	at := s.Principals.Position
	switch {
	case strings.Contains(host, "://"):
		l.add("scheme-in-provider", Error, at, "leave out https://", "the provider's ARN has a scheme in it")
	case strings.HasSuffix(host, "/"):
		l.add("slash-in-provider", Error, at, "leave it out, or is the provider's URL written so?", "the provider's ARN ends with a slash")
	case eksHostOrder().MatchString(host):
		l.add("host-order", Error, at, "write oidc.eks.REGION.amazonaws.com", "the issuers of EKS begin with oidc.eks.REGION, and not with oidc.REGION.eks")
	}
}

// conditionName takes a key apart: HOST/PATH:sub.
func conditionName(key string) (prefix, name string) {
	i := strings.LastIndexByte(key, ':')
	if i < 0 {
		return key, ""
	}
	return key[:i], strings.ToLower(key[i+1:])
}

func (l *linter) condition(c *iam.Condition, trusted []string) {
	prefix, name := conditionName(c.Key)
	if strings.HasPrefix(strings.ToLower(c.Key), "aws:") || strings.HasPrefix(strings.ToLower(c.Key), "sts:") {
		return
	}
	switch {
	case strings.Contains(prefix, "://"):
		l.add("scheme-in-key", Error, c.Position, "write "+strings.SplitN(prefix, "://", 2)[1]+":"+name, "a condition key has no scheme, so that this one is never there")
	case strings.HasPrefix(prefix, "arn:"):
		l.add("arn-in-key", Error, c.Position, "write what follows oidc-provider/, and :"+name, "a condition key is not the provider's ARN, so that this one is never there")
	case eksHostOrder().MatchString(prefix):
		l.add("host-order", Error, c.Position, "write oidc.eks.REGION.amazonaws.com", "the issuers of EKS begin with oidc.eks.REGION, and not with oidc.REGION.eks")
	case !slices.ContainsFunc(trusted, func(host string) bool { return strings.EqualFold(host, prefix) }):
		l.add("other-issuer", Error, c.Position, "write "+trusted[0]+":"+name, "the condition is about another issuer than the one that is trusted")
	}
	l.values(c, name)
}

// isExact reports whether an operator compares without wildcards.
func isExact(operator string) bool {
	operator = strings.ToLower(operator)
	return strings.Contains(operator, "stringequals") && !strings.Contains(operator, "not")
}

func (l *linter) values(c *iam.Condition, name string) {
	if strings.HasPrefix(strings.ToLower(c.Operator), "forallvalues:") && (name == "sub" || name == "aud") {
		l.add("for-all-values", Error, c.Position, "take ForAllValues: away", "ForAllValues holds for a token that has no %s at all", name)
	}
	for _, v := range c.Values {
		isSubject := strings.HasPrefix(strings.ToLower(v), subjectPrefix)
		switch {
		case isExact(c.Operator) && strings.ContainsAny(v, "*?"):
			l.add("wildcard-equals", Error, c.Position, "put it under StringLike", "%s has a wildcard, and %s compares it letter for letter: nobody is called so", quote(v), c.Operator)
		case name == "aud" && isSubject:
			l.add("subject-as-audience", Error, c.Position, "write :sub", "%s is a subject, and stands under :aud", quote(v))
		case name == "sub" && isSubject && !strings.HasPrefix(v, subjectPrefix):
			l.add("subject-case", Error, c.Position, "write "+subjectPrefix, "%s is not written in lower case, which counts", quote(v))
		case name == "sub" && !isSubject && strings.Trim(v, "*?") != "":
			l.add("subject-form", Error, c.Position, "write "+subjectPrefix+"NAMESPACE:NAME", "%s is not the subject of a service account", quote(v))
		case name == "sub" && isSubject && strings.Count(v, ":") != 3 && !strings.Contains(v, "*"):
			l.add("subject-form", Error, c.Position, "write "+subjectPrefix+"NAMESPACE:NAME", "%s does not name a namespace and a service account", quote(v))
		}
	}
}

// scope finds whom a statement lets in beside those who were meant.
func (l *linter) scope(s *iam.Statement) {
	var subjects, audiences []iam.Condition
	for _, c := range s.Conditions {
		switch _, name := conditionName(c.Key); name {
		case "sub":
			subjects = append(subjects, c)
		case "aud":
			audiences = append(audiences, c)
		}
	}
	if len(subjects) == 0 {
		l.add("any-service-account", Error, s.Position, "add a condition on ISSUER:sub", "any service account of the cluster may assume the role")
	}
	if len(audiences) == 0 {
		l.add("no-audience", Warning, s.Position, `add "ISSUER:aud": "sts.amazonaws.com"`, "tokens for any audience that the provider takes are good")
	}
	for _, c := range subjects {
		for _, v := range c.Values {
			l.subjectScope(c, v)
		}
	}
}

func (l *linter) subjectScope(c iam.Condition, v string) {
	if isExact(c.Operator) || strings.Contains(strings.ToLower(c.Operator), "not") {
		return
	}
	rest, ok := strings.CutPrefix(v, subjectPrefix)
	namespace, name, both := strings.Cut(rest, ":")
	switch {
	case !ok && strings.Trim(v, "*?") == "", ok && !both && strings.Contains(rest, "*"):
		l.add("any-service-account", Error, c.Position, "name the service account", "%s is any service account of the cluster", quote(v))
	case ok && strings.ContainsAny(namespace, "*?"):
		l.add("any-namespace", Error, c.Position, "name the namespace: whoever may create one that matches may assume the role", "%s is in more than one namespace", quote(v))
	case ok && strings.Trim(name, "*?") == "":
		l.add("any-of-namespace", Warning, c.Position, "name the service account, if it is one", "%s is any service account of the namespace %s", quote(v), namespace)
	}
}

func quote(s string) string {
	if len(s) > 100 {
		s = strings.ToValidUTF8(s[:100], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
