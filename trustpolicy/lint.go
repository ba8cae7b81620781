package trustpolicy

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/eksauth/eksauth/arn"
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
	l.denials(policy)
	l.size(doc)
	return l.findings
}

type linter struct{ findings []Finding }

func (l *linter) add(rule string, s Severity, at iam.Position, hint, format string, args ...any) {
	l.findings = append(l.findings, Finding{rule, s, at, fmt.Sprintf(format, args...), hint})
}

// sizeOf counts as IAM does: characters, and no white space.
func sizeOf(doc []byte) int {
	return utf8.RuneCountInString(strings.Join(strings.Fields(string(doc)), ""))
}

func (l *linter) size(doc []byte) {
	n := sizeOf(doc)
	switch {
	case n > maxQuota:
		l.add("too-long", Error, iam.Position{}, "fewer service accounts a role, or a pattern under StringLike", "the policy has %d characters, and IAM takes %d at most", n, maxQuota)
	case n > defaultQuota:
		l.add("too-long", Warning, iam.Position{}, "ask for a higher quota, ACLSizePerRole", "the policy has %d characters, and IAM takes %d unless the account's quota was raised", n, defaultQuota)
	}
}

// providers are the ARNs of the OIDC providers that a statement trusts.
func providers(s *iam.Statement) []string {
	var list []string
	for _, p := range s.Principals.Values {
		if p.Type == "Federated" && strings.Contains(p.Value, providerMarker) && !s.Principals.Not {
			list = append(list, p.Value)
		}
	}
	return list
}

// names reports whether a statement has an action in so many words.
func names(s *iam.Statement, action string) bool {
	return !s.Actions.Not && slices.ContainsFunc(s.Actions.Values, func(a string) bool { return strings.EqualFold(a, action) })
}

// allows reports whether it has the action in any way.
func allows(s *iam.Statement, action string) bool {
	return s.Actions.Not != slices.ContainsFunc(s.Actions.Values, func(a string) bool { return arn.Match(strings.ToLower(a), action) })
}

// namesAnyone reports whether a statement is for whoever there is, or for all but some.
func namesAnyone(s *iam.Statement) bool {
	return s.Principals.Not || slices.ContainsFunc(s.Principals.Values, func(p iam.Principal) bool { return p.Value == "*" })
}

func (l *linter) statement(s *iam.Statement) {
	if s.Effect != iam.Allow {
		return
	}
	trusted, anyone := providers(s), namesAnyone(s)
	l.federated(s)
	switch {
	case anyone && allows(s, webIdentity):
		severity := Error // unless the conditions ask for the claims of one issuer
		if slices.ContainsFunc(s.Conditions, func(c iam.Condition) bool { return narrows(&c, "sub", nil) }) {
			severity = Warning
		}
		l.add("any-provider", severity, s.Principals.Position, `write {"Federated": "arn:aws:iam::ACCOUNT:oidc-provider/ISSUER"}`, "every OIDC provider of the account is trusted, and not one")
	case len(trusted) == 0 && names(s, webIdentity):
		l.notFederated(s)
		return
	case len(trusted) > 0 && !allows(s, webIdentity) && names(s, assumeRole):
		l.add("wrong-action", Error, s.Actions.Position, "write sts:AssumeRoleWithWebIdentity", "a web identity does not call sts:AssumeRole")
	case len(trusted) == 0 || !allows(s, webIdentity):
		return
	}
	var hosts []string
	for _, provider := range trusted {
		_, host, _ := strings.Cut(provider, providerMarker)
		hosts = append(hosts, host)
	}
	if anyone { // any issuer's claims may be asked for
		hosts = nil
	}
	for i := range s.Conditions {
		l.condition(&s.Conditions[i], hosts)
	}
	l.oneIssuer(s, hosts)
	if allows(s, webIdentity) {
		l.scope(s, hosts)
	}
}

// denials finds the Deny statements that keep out all whom the others let in.
func (l *linter) denials(policy *iam.Policy) {
	var all map[int]iam.Position // of the statements that deny each request so far
	for _, r := range meant(policy) {
		decision := iam.Evaluate(policy, r)
		if decision.Effect != iam.Deny {
			return
		}
		these := map[int]iam.Position{}
		for _, reason := range decision.Reasons() {
			_, before := all[reason.Statement]
			if reason.Applies && reason.Effect == iam.Deny && (all == nil || before) && !dependsOnCall(&policy.Statements[reason.Statement]) {
				these[reason.Statement] = reason.Position
			}
		}
		all = these
	}
	for _, i := range slices.Sorted(maps.Keys(all)) {
		l.add("deny-all", Error, all[i], "deny those who are meant, or nobody: what no statement allows is denied anyhow", "this statement denies all whom the others let in")
	}
}

// dependsOnCall reports whether a statement may apply to one call and not to the next.
func dependsOnCall(s *iam.Statement) bool {
	return slices.ContainsFunc(s.Conditions, func(c iam.Condition) bool { return IsOfCall(c.Key) })
}

// federated finds what is wrong with the providers, as they are written.
func (l *linter) federated(s *iam.Statement) {
	for _, p := range s.Principals.Values {
		_, host, isProvider := strings.Cut(p.Value, providerMarker)
		at := s.Principals.Position
		switch {
		case p.Type != "Federated" || s.Principals.Not:
		case strings.Contains(p.Value, "://"):
			l.add("scheme-in-provider", Error, at, "leave out https://", "the provider's ARN has a scheme in it")
		case !isProvider && (!names(s, webIdentity) || isWellKnown(p.Value)): // SAML, or people
		case !isProvider || !isProviderARN(p.Value):
			l.add("provider-form", Error, at, "write arn:aws:iam::ACCOUNT:oidc-provider/ISSUER", "%s is not the ARN of an OIDC provider, so that nobody gets in by it", quote(p.Value))
		case strings.HasSuffix(host, "/"):
			l.add("slash-in-provider", Error, at, "leave it out, or is the provider's URL written so?", "the provider's ARN ends with a slash")
		case eksHostOrder().MatchString(host):
			l.add("host-order", Error, at, "write oidc.eks.REGION.amazonaws.com", "the issuers of EKS begin with oidc.eks.REGION, and not with oidc.REGION.eks")
		}
	}
}

// isWellKnown: the providers of people that IAM knows without an ARN ("AWS JSON policy
// elements: Principal", OIDC federated principals).
func isWellKnown(provider string) bool {
	switch provider {
	case "accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com", "www.amazon.com":
		return true
	}
	return false
}

func isProviderARN(value string) bool {
	a, err := arn.Parse(value)
	host, ok := strings.CutPrefix(a.Resource, "oidc-provider/")
	_, partition := arn.PartitionByID(a.Partition)
	return err == nil && ok && host != "" && partition && a.Service == "iam" && a.Region == "" && arn.IsAccountID(a.AccountID)
}

func (l *linter) notFederated(s *iam.Statement) {
	for _, p := range s.Principals.Values {
		if p.Type != "Federated" {
			l.add("not-federated", Error, s.Principals.Position, `write {"Federated": "arn:aws:iam::ACCOUNT:oidc-provider/ISSUER"}`, "a web identity is no %s principal, so that nobody gets in by it", p.Type)
			return
		}
	}
}

// eksHostOrder is an issuer of EKS with its words in the wrong order.
var eksHostOrder = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^oidc\.([a-z]{2,4}(?:-[a-z]+)+-\d)\.eks\.`)
})

func quote(s string) string {
	if len(s) > 100 {
		s = strings.ToValidUTF8(s[:100], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
