package authtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/iam"
)

// What is said of everybody cannot be found out by asking for some. It is read off
// the trust policy, statement by statement: each Allow must, by itself, admit
// nobody but those allowed. Deny statements, which could only help, and actions are
// left out of account. So a proof may be missed, and then the test fails; none is
// made up.

// allowance is who may be let in.
type allowance struct {
	subjects   []string // of service accounts: HOST/PATH: and system:serviceaccount:NS:NAME
	principals []string // ARNs and service names, as trust policies write them
	accounts   []string
	// issuers, with their prefixes, whose service accounts are all let in.
	issuers []string
}

func (g *stage) only(t *Test) (failure, reason string) {
	var a allowance
	for _, s := range t.Only {
		if err := g.allow(&a, t.Cluster, s); err != nil {
			return "cannot tell: " + err.Error(), ""
		}
	}
	return g.prove(t.Role, a)
}

func (g *stage) nobodyOutside(t *Test) (failure, reason string) {
	a := allowance{accounts: t.NobodyOutside}
	for _, s := range t.Except {
		if err := g.allow(&a, t.Cluster, s); err != nil {
			return "cannot tell: " + err.Error(), ""
		}
	}
	clusters, err := g.store.Clusters()
	if err != nil {
		return "cannot tell: " + err.Error(), ""
	}
	for _, c := range clusters {
		if slices.Contains(t.NobodyOutside, c.AccountID) {
			a.issuers = append(a.issuers, prefix(c.OIDCIssuer))
		}
	}
	return g.prove(t.Role, a)
}

func prefix(issuer string) string { return strings.TrimPrefix(issuer, "https://") + ":" }

// allow adds one whom a test allows.
func (g *stage) allow(a *allowance, cluster, s string) error {
	switch {
	case arn.IsAccountID(s):
		a.accounts = append(a.accounts, s)
	case strings.HasPrefix(s, "arn:"), strings.HasSuffix(s, ".amazonaws.com"), strings.HasSuffix(s, ".amazonaws.com.cn"):
		a.principals = append(a.principals, s)
	case strings.HasPrefix(s, "user/"), strings.HasPrefix(s, "role/"):
		a.principals = append(a.principals, "arn:aws:iam::"+g.accountID()+":"+s)
	default:
		account, at, _ := strings.Cut(s, "@")
		namespace, name, ok := strings.Cut(account, "/")
		if !ok || namespace == "" || name == "" {
			return fmt.Errorf("%q is no service account (NAMESPACE/NAME), ARN, account or service", s)
		}
		c, err := g.cluster(orElse(at, cluster))
		if err != nil {
			return err
		}
		a.subjects = append(a.subjects, prefix(c.OIDCIssuer)+"system:serviceaccount:"+namespace+":"+name)
	}
	return nil
}

func (g *stage) prove(role string, a allowance) (failure, reason string) {
	r, err := g.role(role)
	if err != nil {
		return "cannot tell: " + err.Error(), ""
	}
	policy, err := g.trustPolicy(r)
	if err != nil {
		return "cannot tell: " + err.Error(), ""
	}
	for i := range policy.Statements {
		s := &policy.Statements[i]
		if s.Effect != iam.Allow {
			continue
		}
		if why := a.admits(s); why != "" {
			return fmt.Sprintf("Statement[%d] (line %d) %s", s.Index, s.Position.Line, why), ""
		}
	}
	return "", "each statement that allows names nobody else"
}

// admits says whom else a statement lets in, or that it cannot be told; "" if
// nobody.
func (a allowance) admits(s *iam.Statement) string {
	if s.Principals.Not {
		return "has NotPrincipal, which lets in everybody but a few"
	}
	for _, p := range s.Principals.Values {
		if why := a.admitsPrincipal(s, p); why != "" {
			return why
		}
	}
	return ""
}

func (a allowance) admitsPrincipal(s *iam.Statement, p iam.Principal) string {
	switch {
	case p.Type == "Federated":
		return a.admitsFederated(s, p.Value)
	case slices.Contains(a.principals, p.Value):
		return ""
	case p.Type == "Service":
		return "lets in the service " + p.Value
	case p.Value == "*":
		if a.conditioned(s, "aws:PrincipalAccount", a.accounts) || a.conditioned(s, "aws:PrincipalArn", a.principals) || a.subjectConditioned(s, "") {
			return ""
		}
		return "lets in everybody: its principal is *, and no condition on aws:PrincipalAccount, aws:PrincipalArn or a token's sub leaves only those"
	case arn.IsAccountID(p.Value):
		return a.admitsAccount(s, p.Value)
	}
	who, err := arn.ParsePrincipal(p.Value)
	switch {
	case err != nil:
		return "names " + p.Value + ", of which nobody can tell who it is"
	case who.Kind == arn.Root:
		return a.admitsAccount(s, who.AccountID)
	case slices.Contains(a.accounts, who.AccountID):
		return ""
	}
	return "lets in " + p.Value
}

func (a allowance) admitsAccount(s *iam.Statement, account string) string {
	if slices.Contains(a.accounts, account) || a.conditioned(s, "aws:PrincipalArn", a.principals) {
		return ""
	}
	return "lets in whomever the account " + account + " allows"
}

func (a allowance) admitsFederated(s *iam.Statement, provider string) string {
	_, host, ok := strings.Cut(provider, ":oidc-provider/")
	if !ok {
		return "lets in the users of the identity provider " + provider
	}
	if slices.Contains(a.issuers, host+":") || a.subjectConditioned(s, host+":") {
		return ""
	}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		if strings.EqualFold(c.Key, host+":sub") {
			return fmt.Sprintf("lets in others of %s: its condition is %s %q: %q", host, c.Operator, c.Key, c.Values)
		}
	}
	return fmt.Sprintf("lets in every identity of %s: it has no condition on %q", host, host+":sub")
}

// conditioned says whether a condition of the statement holds for the values only.
// Only operators that compare whole texts prove that, and only without patterns and
// variables; …IfExists and ForAllValues hold without the key.
func (a allowance) conditioned(s *iam.Statement, key string, values []string) bool {
	return slices.ContainsFunc(s.Conditions, func(c iam.Condition) bool {
		return strings.EqualFold(c.Key, key) && exact(c) && len(c.Values) > 0 &&
			!slices.ContainsFunc(c.Values, func(v string) bool { return !slices.Contains(values, v) })
	})
}

// subjectConditioned says whether a condition on the sub of tokens leaves only
// service accounts that are allowed: of one issuer, or with "" of any.
func (a allowance) subjectConditioned(s *iam.Statement, issuer string) bool {
	return slices.ContainsFunc(s.Conditions, func(c iam.Condition) bool {
		of, ok := strings.CutSuffix(c.Key, "sub")
		if !ok || !strings.HasSuffix(of, ":") || issuer != "" && of != issuer || !exact(c) || len(c.Values) == 0 {
			return false
		}
		return !slices.ContainsFunc(c.Values, func(v string) bool { return !slices.Contains(a.subjects, of+v) })
	})
}

func exact(c iam.Condition) bool {
	if c.Operator != "StringEquals" && c.Operator != "StringLike" && c.Operator != "ArnEquals" && c.Operator != "ArnLike" {
		return false
	}
	return !slices.ContainsFunc(c.Values, func(v string) bool { return strings.ContainsAny(v, "*?$") })
}
