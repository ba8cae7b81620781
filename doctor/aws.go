package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/doctor/symptom"
	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/trustpolicy"
)

// claims are what a service account's token says, or would say.
type claims struct {
	issuer, subject, audience string
	keyID                     string // "" if no token could be made
	raw                       string
	unread                    bool // the issuer's keys, from here
}

// asksFor reports whether an annotation asks for the audience.
func (t claims) asksFor() bool { return t.audience != defaultAudience }

// conditionPrefix begins the condition keys of a provider: its URL without a scheme.
func conditionPrefix(provider string) string {
	_, host, _ := strings.Cut(provider, ":oidc-provider/")
	return host
}

// providerARN is that of an issuer in an account.
func providerARN(role arn.Principal, issuer string) string {
	return "arn:" + role.Partition + ":iam::" + role.AccountID + ":oidc-provider/" + strings.TrimPrefix(issuer, "https://")
}

// examineAWS walks the AWS half of the chain: provider, role, trust policy, STS.
func (d *Doctor) examineAWS(ctx context.Context, r *Report, role arn.Principal, t claims) {
	if t.issuer == "" {
		r.unknown("provider", "the OIDC provider", "the cluster's issuer is not known")
		return
	}
	var asks []string
	if why := d.blind(ctx, role); why != "" {
		for _, c := range [][2]string{{"provider", "the OIDC provider"}, {"role", "the role"}, {"trust-policy", "the trust policy"}} {
			r.unknown(c[0], c[1], why)
		}
	} else {
		provider := providerARN(role, t.issuer)
		d.examineProvider(ctx, r, provider, t)
		asks = d.examineRole(ctx, r, role, provider, t)
	}
	d.askSTS(ctx, r, role, t, asks)
}

// blind is why IAM cannot be read for a role; "" if it can.
func (d *Doctor) blind(ctx context.Context, role arn.Principal) string {
	if d.STS == nil {
		return d.NoAWS
	}
	account, err := d.STS.Account(ctx)
	switch {
	case err != nil:
		return err.Error()
	case account != role.AccountID:
		return "the role is in account " + role.AccountID + ", and the credentials here are of " + account
	}
	return ""
}

func (d *Doctor) examineProvider(ctx context.Context, r *Report, provider string, t claims) {
	p, err := d.IAM.Provider(ctx, provider)
	switch {
	case errors.Is(err, ErrNotFound):
		r.bad("provider", "the account has no OIDC provider for "+t.issuer,
			"the role's account does not know this cluster's issuer",
			command("aws", "iam", "create-open-id-connect-provider", "--url", t.issuer, "--client-id-list", t.audience))
	case err != nil:
		r.unknown("provider", "the OIDC provider", err.Error())
	case !slices.Contains(p.ClientIDs, t.audience) && t.asksFor() && slices.Contains(p.ClientIDs, defaultAudience):
		r.bad("provider", fmt.Sprintf("the annotation %s/audience asks for tokens for %s, and the OIDC provider takes %q", d.AnnotationPrefix, quote(t.audience), p.ClientIDs),
			"the service account asks for an audience that the OIDC provider does not take", withoutAudience)
	case !slices.Contains(p.ClientIDs, t.audience):
		r.bad("provider", fmt.Sprintf("the OIDC provider takes the audiences %q, and not %s", p.ClientIDs, t.audience),
			"the OIDC provider does not take the audience of the token",
			command("aws", "iam", "add-client-id-to-open-id-connect-provider", "--open-id-connect-provider-arn", provider, "--client-id", t.audience))
	default:
		r.ok("provider", "the account has the OIDC provider, for the audience "+t.audience)
	}
}

// examineRole returns the condition keys on which the trust policy rests that are about
// the call.
func (d *Doctor) examineRole(ctx context.Context, r *Report, role arn.Principal, provider string, t claims) (asks []string) {
	found, err := d.IAM.Role(ctx, role.Name)
	switch {
	case errors.Is(err, ErrNotFound):
		r.bad("role", "the role "+role.Name+" does not exist", "the role of the annotation does not exist in account "+role.AccountID,
			command(slices.Concat([]string{"aws", "iam", "create-role", "--role-name", role.Name}, pathOption(role), []string{"--assume-role-policy-document", compact(statementFor(provider, t), nil)})...))
		return nil
	case err != nil:
		r.unknown("role", "the role", err.Error())
		r.unknown("trust-policy", "the trust policy", "the role could not be read")
		return nil
	case found.ARN != role.String() && strings.EqualFold(found.ARN, role.String()):
		r.bad("role", "the role "+role.Name+" is "+found.ARN, "the annotation writes the role in another case than it has: STS tells capital letters from small ones", annotate+found.ARN)
	case found.ARN != role.String():
		r.bad("role", "the role "+role.Name+" is "+found.ARN, "the annotation gives the role another path than it has", annotate+found.ARN)
	default:
		r.ok("role", "the role "+role.Name+" exists")
	}
	return d.examineTrust(r, role, found.TrustPolicy, provider, t)
}

func pathOption(role arn.Principal) []string {
	if role.Path == "/" || role.Path == "" {
		return nil
	}
	return []string{"--path", role.Path}
}

func (d *Doctor) examineTrust(r *Report, role arn.Principal, document, provider string, t claims) (asks []string) {
	policy, err := iam.Parse([]byte(document), iam.TrustPolicy)
	if err != nil { // IAM took it: to replace it would lose what it says
		r.unknown("trust-policy", "the trust policy", err.Error())
		return nil
	}
	decision := iam.Evaluate(policy, trustRequest(provider, t))
	if decision.Allowed() {
		r.ok("trust-policy", "the trust policy lets "+t.subject+" in")
		return nil
	}
	usual := t
	if usual.audience = defaultAudience; t.asksFor() && r.isBad("provider") && iam.Evaluate(policy, trustRequest(provider, usual)).Allowed() {
		r.follows("trust-policy", "the trust policy is not for the audience "+quote(t.audience), "")
		return nil
	}
	if keys := openQuestions(policy, decision); len(keys) > 0 {
		r.unknown("trust-policy", "whether the trust policy lets "+t.subject+" in", "that depends on the call: "+strings.Join(keys, ", "))
		return keys
	}
	said := "the trust policy does not let " + t.subject + " in: " + decision.String()
	if decision.Effect == iam.Deny {
		r.bad("trust-policy", said, "the trust policy denies this service account, and a Deny wins over every Allow", "# take that statement out of the trust policy, if it is not meant")
		return nil
	}
	cause, mended := mend(provider, t, []byte(document))
	fix := []string{updateTrust(role, mended)}
	for _, f := range trustpolicy.Lint([]byte(mended)) {
		if f.Rule == "too-long" {
			fix = append(fix, "# "+f.Message+": "+f.Hint)
		}
	}
	r.add(Check{
		ID: "trust-policy", Status: Bad, Said: said, Cause: cause, Fix: fix,
		Was: string(trustpolicy.Format([]byte(document))), Becomes: string(trustpolicy.Format([]byte(mended))),
	})
	return nil
}

// openQuestions are the condition keys on which alone a refusal rests, where they are
// about the call, such as its address: what they will be nobody can say here.
func openQuestions(policy *iam.Policy, refusal iam.Decision) []string {
	var keys []string
	certain := map[int]bool{} // Allow statements that do not apply whatever the call is
	possible := map[int]bool{}
	for _, reason := range refusal.Reasons() {
		n, about := reason.Statement, reason.Element == "Condition" && trustpolicy.IsOfCall(reason.Key)
		switch {
		case reason.Effect == iam.Deny && reason.Applies:
			ofCall := keysOfCall(&policy.Statements[n])
			if len(ofCall) == 0 {
				return nil
			}
			keys = append(keys, ofCall...)
		case reason.Effect == iam.Deny:
		case reason.Applies, about:
			possible[n] = true
		default:
			certain[n] = true
		}
	}
	maps.DeleteFunc(possible, func(n int, _ bool) bool { return certain[n] })
	for n := range possible {
		keys = append(keys, keysOfCall(&policy.Statements[n])...)
	}
	if len(possible) == 0 {
		return nil
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func keysOfCall(s *iam.Statement) []string {
	var keys []string
	for _, c := range s.Conditions {
		if trustpolicy.IsOfCall(c.Key) {
			keys = append(keys, c.Key)
		}
	}
	return keys
}

// mend finds the mistake that keeps a service account out, and the policy without it;
// if there is none that can be mended, the policy gets one statement more.
func mend(provider string, t claims, document []byte) (cause, mended string) {
	cause = "the trust policy is not for this service account, issuer and audience"
	corrected := trustpolicy.Correct(document)
	policy, err := iam.Parse(corrected, iam.TrustPolicy)
	if err != nil || !iam.Evaluate(policy, trustRequest(provider, t)).Allowed() {
		return cause, compact(statementFor(provider, t), document)
	}
	left := trustpolicy.Lint(corrected)
	for _, f := range trustpolicy.Lint(document) {
		if f.Severity == trustpolicy.Error && !slices.ContainsFunc(left, func(o trustpolicy.Finding) bool { return o.Rule == f.Rule && o.Message == f.Message }) {
			cause += ": " + f.Message
			break
		}
	}
	var b bytes.Buffer
	if json.Compact(&b, corrected) != nil { // it was parsed
		return cause, string(corrected)
	}
	return cause, b.String()
}

func updateTrust(role arn.Principal, document string) string {
	return command("aws", "iam", "update-assume-role-policy", "--role-name", role.Name, "--policy-document", document)
}

// statementFor lets one service account in, and nobody else.
func statementFor(provider string, t claims) map[string]any {
	prefix := conditionPrefix(provider)
	return map[string]any{
		"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
		"Principal": map[string]any{"Federated": provider},
		"Condition": map[string]any{"StringEquals": map[string]any{prefix + ":sub": t.subject, prefix + ":aud": t.audience}},
	}
}

// compact is a policy of the statements that old has, and one more.
func compact(statement map[string]any, old []byte) string {
	policy := map[string]any{"Version": iam.Version2012}
	var was map[string]any
	decoder := json.NewDecoder(bytes.NewReader(old))
	decoder.UseNumber()
	if decoder.Decode(&was) == nil && was != nil {
		policy = was
	}
	var statements []any
	switch s := policy["Statement"].(type) {
	case []any:
		statements = s
	case map[string]any:
		statements = []any{s}
	}
	policy["Statement"] = append(slices.Clip(statements), statement)
	text, err := json.Marshal(policy)
	if err != nil { // it was JSON
		return ""
	}
	var b bytes.Buffer
	if json.Compact(&b, trustpolicy.Format(text)) != nil {
		return ""
	}
	return b.String()
}

// askSTS has the last word.
func (d *Doctor) askSTS(ctx context.Context, r *Report, role arn.Principal, t claims, asks []string) {
	switch {
	case d.STS == nil:
		r.unknown("sts", "what STS says", d.NoAWS)
		return
	case t.raw == "":
		r.unknown("sts", "what STS says", "no token could be made")
		return
	}
	switch err := d.STS.Assume(ctx, role.String(), t.raw); {
	case errors.Is(err, ErrNoAnswer):
		r.unknown("sts", "what STS says", err.Error())
		return
	case err != nil:
		cause, fix := refusal(err.Error(), role, t, asks, trustUnread(r))
		r.follows("sts", "STS says: "+err.Error(), cause, fix...)
		return
	}
	r.ok("sts", "STS gives the role")
	if t.unread { // STS could
		r.excuse("issuer", Unknown)
	}
}

// trustUnread reports whether the trust policy could not be examined.
func trustUnread(r *Report) bool {
	return slices.ContainsFunc(r.Checks, func(c Check) bool { return c.ID == "trust-policy" && c.Status == Unknown })
}

// refusal is why STS refuses where nothing else was found: what is known of its message,
// and what to look at next. That is all comments: part of it is in other hands, such as
// those of the role's account. asks is what the trust policy asks of the call, and
// unread whether it could not be examined.
func refusal(said string, role arn.Principal, t claims, asks []string, unread bool) (cause string, fix []string) {
	asked := ""
	inThePod := []string{"# the call from here need not have what the pod's has; in the pod: eksauth doctor self"}
	if len(asks) > 0 {
		asked = ": the trust policy asks for " + strings.Join(asks, ", ") + " of the call, and the call from here may not have it"
	}
	known := symptom.Recognise(said + "\n" + role.String() + " " + providerARN(role, t.issuer) + " " + t.subject)
	if len(known) == 0 || known[0].ID == "web-identity-failed" {
		if asked != "" {
			return "STS refuses" + asked, inThePod
		}
		return "STS refuses, and nothing that can be seen from here says why", nil
	}
	m := known[0]
	if m.ID == "web-identity-denied" { // which says little
		switch {
		case asked != "":
			return m.Title + asked, inThePod
		case !unread: // its causes were looked for
			return m.Title + ", though as IAM has it it should: STS may not have seen a change yet, or a policy of the organization denies it",
				[]string{"# try again in a minute; then see the service and resource control policies of account " + role.AccountID}
		}
	}
	cause = m.Title + ": " + sentence(m.Means)
	for i, c := range m.Causes[:min(3, len(m.Causes))] {
		fix = append(fix, fmt.Sprintf("# %d. %s", i+1, c.Why))
		if c.Check != "" {
			fix = append(fix, "#    check: "+c.Check)
		}
		fix = append(fix, "#    fix: "+c.Fix)
	}
	return cause, append(fix, "# in AWS, with credentials of account "+role.AccountID)
}

// sentence is one without its end, as part of another.
func sentence(s string) string {
	s = strings.TrimSuffix(s, ".")
	if len(s) > 1 && 'A' <= s[0] && s[0] <= 'Z' && 'a' <= s[1] && s[1] <= 'z' || strings.HasPrefix(s, "A ") {
		s = strings.ToLower(s[:1]) + s[1:]
	}
	return s
}

// guess finds the one role whose trust policy names the service account, for whoever has
// to write it into an annotation; "" if there is none, or more than one. A policy that
// lets it in by a wildcard is for others, too. name is the role's, with its path, or "".
func (d *Doctor) guess(ctx context.Context, name string, t claims) string {
	if d.IAM == nil || t.issuer == "" {
		return ""
	}
	roles, err := d.IAM.Roles(ctx)
	if err != nil {
		return ""
	}
	var found []string
	for _, role := range roles {
		p, err := arn.ParsePrincipal(role.ARN)
		if err != nil || name != "" && p.Path+p.Name != "/"+name {
			continue
		}
		policy, err := iam.Parse([]byte(role.TrustPolicy), iam.TrustPolicy)
		provider := providerARN(p, t.issuer)
		if err == nil && iam.Evaluate(policy, trustRequest(provider, t)).Allowed() && names(policy, provider, t.subject) {
			found = append(found, role.ARN)
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// names reports whether a trust policy has the service account's name in a condition, in
// full, as one that it is to let in.
func names(policy *iam.Policy, provider, subject string) bool {
	return slices.ContainsFunc(policy.Statements, func(s iam.Statement) bool {
		return s.Effect == iam.Allow && slices.ContainsFunc(s.Conditions, func(c iam.Condition) bool {
			return strings.EqualFold(c.Key, conditionPrefix(provider)+":sub") && strings.Contains(c.Operator, "String") && !strings.Contains(c.Operator, "Not") && slices.Contains(c.Values, subject)
		})
	})
}
