package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/irsa"
)

// Everything is what there is to say of a whole cluster.
type Everything struct {
	Cluster  Report           `json:"cluster"`  // what all service accounts share, and aws-auth
	Accounts []AccountVerdict `json:"accounts"` // those that are annotated, or meant to be
}

// AccountVerdict is how one service account is doing.
type AccountVerdict struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	RoleARN   string `json:"roleArn"`
	Status    Status `json:"status"`
	Said      string `json:"said"`
}

// Failing reports whether anything is wrong.
func (e Everything) Failing() bool {
	return len(e.Cluster.Causes()) > 0 || slices.ContainsFunc(e.Accounts, func(a AccountVerdict) bool { return a.Status == Bad })
}

// Everything examines all annotated service accounts of a cluster, and its aws-auth.
// It asks a number of questions that does not grow with the service accounts, but for
// the pages of IAM's roles.
func (d *Doctor) Everything(ctx context.Context) Everything {
	e := Everything{Cluster: Report{Subject: "cluster"}, Accounts: []AccountVerdict{}}
	r := &e.Cluster
	d.examineMappings(ctx, r)
	raw, err := d.Cluster.List(ctx, "serviceaccounts", "")
	var list struct {
		Items []serviceAccount `json:"items"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &list)
	}
	if err != nil {
		r.unknown("service-accounts", "the service accounts", err.Error())
		return e
	}
	slices.SortFunc(list.Items, func(a, b serviceAccount) int {
		return cmp.Or(cmp.Compare(a.Metadata.Namespace, b.Metadata.Namespace), cmp.Compare(a.Metadata.Name, b.Metadata.Name))
	})
	for _, a := range list.Items {
		if v, ok := d.misspelt(a.Metadata); ok {
			e.Accounts = append(e.Accounts, v)
		}
	}
	annotated := slices.DeleteFunc(list.Items, func(a serviceAccount) bool {
		return irsa.FromAnnotations(d.AnnotationPrefix, a.Metadata.Annotations).RoleARN == ""
	})
	if len(annotated) == 0 {
		r.ok("service-accounts", "no service account is annotated with a role")
		return e
	}
	first := annotated[0].Metadata
	uncovered, untried := d.examineCoverage(ctx, r, annotated)
	d.expandAll(ctx, annotated)
	t := d.examineToken(ctx, r, first.Namespace, first.Name, irsa.ServiceAccount{})
	w := d.newWard(ctx, r, t, annotated)
	for _, a := range annotated {
		v := w.look(d.AnnotationPrefix, a.Metadata)
		if cause := uncovered[v.Namespace]; cause != "" && v.Status != Bad {
			v.Status, v.Said = Bad, cause
		} else if untried[v.Namespace] && v.Status == OK {
			v.Status, v.Said = Unknown, "the webhook was not tried for its namespace"
		}
		e.Accounts = append(e.Accounts, v)
	}
	if t.unread && d.STS != nil && d.STS.Assume(ctx, irsa.FromAnnotations(d.AnnotationPrefix, first.Annotations).RoleARN, t.raw) == nil {
		r.excuse("issuer", Unknown) // STS could read it
	}
	slices.SortStableFunc(e.Accounts, func(a, b AccountVerdict) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return e
}

// expandAll writes the ARN in place of a role's name, where the webhook is seen to make
// one of it (--account-id). One pod that is not created tells of all.
func (d *Doctor) expandAll(ctx context.Context, annotated []serviceAccount) {
	var like arn.Principal
	for i := range annotated {
		m := &annotated[i].Metadata
		name := strings.TrimPrefix(irsa.FromAnnotations(d.AnnotationPrefix, m.Annotations).RoleARN, "/")
		if name == "" || strings.HasPrefix(name, "arn:") || strings.ContainsFunc(name, unicode.IsSpace) {
			continue
		}
		if like.Name == "" {
			var ok bool
			if like, ok = d.expanded(ctx, name, m.Namespace, m.Name, nil); !ok {
				return
			}
		}
		role := like
		path, last, _ := cutLast("/"+name, "/")
		role.Path, role.Name = path+"/", last
		m.Annotations = maps.Clone(m.Annotations)
		m.Annotations[d.roleAnnotation()] = role.String()
	}
}

// misspelt is the verdict on a service account whose role is under a key that nobody
// reads, though it begins as those that are read.
func (d *Doctor) misspelt(m objectMeta) (v AccountVerdict, ok bool) {
	if irsa.FromAnnotations(d.AnnotationPrefix, m.Annotations).RoleARN != "" {
		return v, false
	}
	for _, key := range slices.Sorted(maps.Keys(m.Annotations)) {
		role, err := arn.ParsePrincipal(strings.TrimSpace(m.Annotations[key]))
		if err == nil && role.Kind == arn.Role && strings.HasPrefix(key, d.AnnotationPrefix+"/") {
			return AccountVerdict{
				Namespace: m.Namespace, Name: m.Name, RoleARN: role.String(), Status: Bad,
				Said: "the annotation " + key + " is not read; it is " + d.roleAnnotation(),
			}, true
		}
	}
	return v, false
}

// examineMappings looks for what is wrong with aws-auth itself.
func (d *Doctor) examineMappings(ctx context.Context, r *Report) {
	raw, err := d.Cluster.Get(ctx, "configmap", "kube-system", "aws-auth")
	switch {
	case errors.Is(err, ErrNotFound):
		r.ok("aws-auth", "there is no aws-auth")
		return
	case err != nil:
		r.unknown("aws-auth", "aws-auth", err.Error())
		return
	}
	var object struct{ Data map[string]string }
	if err := json.Unmarshal(raw, &object); err != nil {
		r.unknown("aws-auth", "aws-auth", err.Error())
		return
	}
	doc := awsauth.ParseConfigMap(object.Data)
	table := awsauth.NewTable(doc)
	for _, f := range append(doc.Faults, table.Faults()...) {
		if f.Severity == awsauth.Error || f.Rule == awsauth.Reachable {
			cause := "an entry of aws-auth is not used"
			if f.Rule == awsauth.Readable {
				cause = "aws-auth cannot be read: an authenticator that runs keeps the last good version, and one that starts has none"
			}
			r.bad("aws-auth", f.String(), cause, "eksauth map lint")
		}
	}
	if !r.isBad("aws-auth") {
		r.ok("aws-auth", "aws-auth is read as it is written")
	}
}

// ward is what all service accounts of a cluster need of IAM, asked for once.
type ward struct {
	claims  claims
	account string          // of the credentials
	blind   string          // why IAM cannot be read; "" if it can
	roles   map[string]Role // by name, in lower case: IAM has no two that differ in case or path alone
	clients []string        // of the provider
	missing bool            // there is no provider
}

func (d *Doctor) newWard(ctx context.Context, r *Report, t claims, annotated []serviceAccount) *ward {
	w := &ward{claims: t, blind: d.NoAWS, roles: map[string]Role{}}
	if d.IAM == nil || t.issuer == "" {
		w.blind = cmp.Or(w.blind, "the cluster's issuer is not known")
		return w
	}
	var err error
	if w.account, err = d.STS.Account(ctx); err != nil {
		w.blind = err.Error()
		return w
	}
	roles, err := d.IAM.Roles(ctx)
	if err != nil {
		w.blind = err.Error()
		r.unknown("roles", "the roles", w.blind)
		return w
	}
	w.blind = ""
	for _, role := range roles {
		if p, err := arn.ParsePrincipal(role.ARN); err == nil {
			w.roles[strings.ToLower(p.Name)] = role
		}
	}
	if !slices.ContainsFunc(annotated, func(a serviceAccount) bool {
		role, err := arn.ParsePrincipal(irsa.FromAnnotations(d.AnnotationPrefix, a.Metadata.Annotations).RoleARN)
		return err == nil && role.AccountID == w.account
	}) {
		r.unknown("provider", "the OIDC provider", "no service account has a role of account "+w.account+", whose credentials are here")
		return w
	}
	p, err := d.IAM.Provider(ctx, providerARN(arn.Principal{Partition: partitionOf(roles), AccountID: w.account}, t.issuer))
	switch w.clients, w.missing = p.ClientIDs, errors.Is(err, ErrNotFound); {
	case w.missing:
		r.bad("provider", "account "+w.account+" has no OIDC provider for "+t.issuer, "the account does not know this cluster's issuer: no service account gets a role of it",
			command("aws", "iam", "create-open-id-connect-provider", "--url", t.issuer, "--client-id-list", t.audience))
	case err != nil:
		r.unknown("provider", "the OIDC provider", err.Error())
	default:
		r.ok("provider", "account "+w.account+" has the OIDC provider")
	}
	return w
}

// partitionOf is the AWS partition of an account, by its roles.
func partitionOf(roles []Role) string {
	for _, role := range roles {
		if p, err := arn.ParsePrincipal(role.ARN); err == nil {
			return p.Partition
		}
	}
	return "aws" // no service account has a role then
}

// look judges one service account by what is known.
func (w *ward) look(prefix string, m objectMeta) AccountVerdict {
	given := irsa.FromAnnotations(prefix, m.Annotations)
	v := AccountVerdict{Namespace: m.Namespace, Name: m.Name, RoleARN: given.RoleARN}
	is := func(s Status, said string) AccountVerdict {
		v.Status, v.Said = s, said
		return v
	}
	role, err := arn.ParsePrincipal(given.RoleARN)
	switch {
	case err != nil || role.Kind != arn.Role:
		return is(Bad, "the annotation is not the ARN of a role")
	case w.blind != "":
		return is(Unknown, w.blind)
	case role.AccountID != w.account:
		return is(Unknown, "the role is in account "+role.AccountID+", and the credentials here are of "+w.account)
	case w.missing:
		return is(Follows, "the account has no OIDC provider for the cluster")
	}
	t := w.claims
	t.subject, t.audience = "system:serviceaccount:"+m.Namespace+":"+m.Name, cmp.Or(given.Audience, defaultAudience)
	found, ok := w.roles[strings.ToLower(role.Name)]
	switch {
	case !slices.Contains(w.clients, t.audience):
		return is(Bad, "the OIDC provider does not take the audience "+t.audience)
	case !ok:
		return is(Bad, "the role does not exist")
	case found.ARN != role.String() && strings.EqualFold(found.ARN, role.String()):
		return is(Bad, "the role is "+found.ARN+", and the annotation writes it in another case")
	case found.ARN != role.String():
		return is(Bad, "the role "+role.Name+" is "+found.ARN+", and the annotation gives it another path")
	}
	policy, err := iam.Parse([]byte(found.TrustPolicy), iam.TrustPolicy)
	if err != nil {
		return is(Unknown, "the trust policy cannot be read: "+err.Error())
	}
	if decision := iam.Evaluate(policy, trustRequest(providerARN(role, t.issuer), t)); !decision.Allowed() {
		if keys := openQuestions(policy, decision); len(keys) > 0 {
			return is(Unknown, "whether the trust policy lets it in depends on the call: "+strings.Join(keys, ", "))
		}
		return is(Bad, "the trust policy does not let it in: "+decision.String())
	}
	return is(OK, "its pods get the role")
}
