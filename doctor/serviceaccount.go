package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/internal/shell"
	"github.com/eksauth/eksauth/irsa"
	"github.com/eksauth/eksauth/oidc"
)

const (
	// DefaultPrefix is that of the annotations on EKS.
	DefaultPrefix   = "eks.amazonaws.com"
	defaultAudience = "sts.amazonaws.com"
)

// serviceAccount is what is read of one.
type serviceAccount struct {
	Metadata objectMeta `json:"metadata"`
}

type objectMeta struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace"`
	Annotations       map[string]string `json:"annotations"`
	Labels            map[string]string `json:"labels"`
	CreationTimestamp time.Time         `json:"creationTimestamp"`
	OwnerReferences   []ownerReference  `json:"ownerReferences"`
	ManagedFields     []struct {
		Time     time.Time       `json:"time"`
		FieldsV1 json.RawMessage `json:"fieldsV1"`
	} `json:"managedFields"`
}

type ownerReference struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Controller bool   `json:"controller"`
}

// changed is when an annotation was set last, as far as its managers tell; zero if
// they do not.
func (m objectMeta) changed(annotation string) time.Time {
	var last time.Time
	for _, f := range m.ManagedFields {
		if strings.Contains(string(f.FieldsV1), `"f:`+annotation+`"`) && f.Time.After(last) {
			last = f.Time
		}
	}
	return last
}

// ServiceAccount examines a service account, with or without pods.
func (d *Doctor) ServiceAccount(ctx context.Context, namespace, name string) Report {
	r := Report{Subject: "serviceaccount " + namespace + "/" + name}
	_, role, given := d.examineAccount(ctx, &r, namespace, name, nil)
	if !r.isBad("service-account") {
		d.examineWebhook(ctx, &r, rehearsal{namespace: namespace, account: name, role: given.RoleARN})
	}
	if r.has("pod-identity") {
		r.excuse("annotation", OK)
		return r
	}
	t := d.examineToken(ctx, &r, namespace, name, given)
	if role.Name != "" {
		d.examineAWS(ctx, &r, role, t)
	}
	return d.finish(ctx, r, namespace, name, t, func(string) []string { return nil })
}

// examineAccount reads a service account and its annotations. p is a pod of it, or nil.
func (d *Doctor) examineAccount(ctx context.Context, r *Report, namespace, name string, p *pod) (account serviceAccount, role arn.Principal, given irsa.ServiceAccount) {
	raw, err := d.Cluster.Get(ctx, "serviceaccount", namespace, name)
	switch {
	case errors.Is(err, ErrNotFound):
		r.bad("service-account", "there is no service account "+namespace+"/"+name, "the service account does not exist", command("kubectl", "create", "serviceaccount", "-n", namespace, name))
		return account, role, given
	case err == nil:
		err = json.Unmarshal(raw, &account)
	}
	if err != nil {
		r.unknown("service-account", "the service account", err.Error())
		return account, role, given
	}
	r.ok("service-account", "the service account exists")
	given = irsa.FromAnnotations(d.AnnotationPrefix, account.Metadata.Annotations)
	if given.RoleARN == "" {
		d.noAnnotation(r, account.Metadata, name, p)
		return account, role, given
	}
	if trimmed := strings.TrimSpace(given.RoleARN); trimmed != given.RoleARN && isRole(trimmed) {
		r.bad("annotation", "the annotation is "+quote(given.RoleARN), "the annotation has a blank before or after the ARN, which counts: STS says ValidationError, or the pod gets nothing",
			annotate+trimmed)
		return account, arn.Principal{}, given
	}
	role, err = arn.ParsePrincipal(given.RoleARN)
	if err != nil && !strings.HasPrefix(given.RoleARN, "arn:") {
		if made, ok := d.expanded(ctx, given.RoleARN, namespace, name, p); ok {
			r.ok("annotation", "annotated with "+quote(given.RoleARN)+", of which the webhook makes "+made.String())
			given.RoleARN = made.String()
			return account, made, given
		}
	}
	if err != nil || role.Kind != arn.Role {
		why := "it is not the ARN of a role"
		if err != nil {
			why = err.Error()
		}
		fix := annotate
		if bare := strings.Trim(given.RoleARN, " /"); isPlain(bare) && isRole("arn:aws:iam::111122223333:role/"+bare) && !strings.Contains(bare, ":") {
			fix += bare
		}
		r.bad("annotation", "the annotation is "+quote(given.RoleARN)+": "+why, "the annotation is not the ARN of a role: STS says ValidationError, or the pod gets nothing", fix)
		return account, arn.Principal{}, given
	}
	r.ok("annotation", "annotated with "+role.String())
	return account, role, given
}

// expanded is the ARN that a webhook with an account id (--account-id) makes of a role's
// name: as a pod gets that is made now, or if that is not known, as p has.
func (d *Doctor) expanded(ctx context.Context, name, namespace, account string, p *pod) (role arn.Principal, ok bool) {
	about, pods := rehearsal{namespace: namespace, account: account, seen: p}, []pod{}
	if p != nil {
		pods = append(pods, *p)
	}
	var made pod
	if answer, err := d.Cluster.TryPod(ctx, namespace, about.pod()); err == nil && json.Unmarshal(answer, &made) == nil {
		pods = slices.Insert(pods, 0, made)
	}
	for _, p := range pods {
		for _, c := range p.containers() {
			if value, ok := c.variable("AWS_ROLE_ARN"); ok {
				role, err := arn.ParsePrincipal(value)
				return role, err == nil && role.Kind == arn.Role && role.Path+role.Name == "/"+strings.TrimPrefix(name, "/")
			}
		}
	}
	return arn.Principal{}, false
}

// noAnnotation looks for one that was meant. default is the service account of all that
// have none of their own: it gets a role only if its own annotation says so.
func (d *Doctor) noAnnotation(r *Report, m objectMeta, name string, p *pod) {
	said, fix := "it has no annotation "+d.roleAnnotation(), annotate
	cause := "the service account is not annotated, so that its pods get no credentials"
	for _, key := range slices.Sorted(maps.Keys(m.Annotations)) {
		value := m.Annotations[key]
		if !isRole(value) {
			continue
		}
		said += "; " + key + " is not read"
		if ours := strings.HasPrefix(key, d.AnnotationPrefix+"/"); ours || fix == annotate && name != "default" {
			fix = annotate + value
		}
	}
	if p != nil && p.Metadata.Annotations[d.roleAnnotation()] != "" {
		value := strings.TrimSpace(p.Metadata.Annotations[d.roleAnnotation()])
		said += "; the pod has one, " + quote(value)
		cause = "the annotation is on the pod; it counts on the service account only"
		if isRole(value) && name != "default" {
			fix = annotate + value
		}
	}
	r.bad("annotation", said, cause, fix)
}

func isRole(s string) bool {
	p, err := arn.ParsePrincipal(s)
	return err == nil && p.Kind == arn.Role
}

func (d *Doctor) roleAnnotation() string { return d.AnnotationPrefix + "/role-arn" }

// examineToken finds out what the service account's tokens say, and whether whoever
// verifies them can.
func (d *Doctor) examineToken(ctx context.Context, r *Report, namespace, name string, given irsa.ServiceAccount) claims {
	t := claims{subject: "system:serviceaccount:" + namespace + ":" + name, audience: defaultAudience}
	if given.Audience != "" {
		t.audience = given.Audience
	}
	raw, err := d.Cluster.Token(ctx, namespace, name, t.audience)
	if err != nil {
		r.unknown("token", "what a token says", err.Error())
		return t
	}
	said, err := oidc.Inspect(raw, d.Now())
	switch {
	case err != nil:
		r.bad("token", "the API server's token is no JWT: "+err.Error(), "the API server makes tokens that STS cannot read")
		return t
	case !slices.Contains(said.Audience, t.audience):
		r.bad("token", fmt.Sprintf("tokens are for %q", said.Audience), "the API server gives tokens another audience than it is asked for")
		return t
	}
	t.issuer, t.keyID, t.raw = said.Issuer, said.KeyID, raw
	if !strings.HasPrefix(t.issuer, "https://") {
		r.bad("token", "tokens are issued by "+quote(t.issuer), "the cluster's issuer is not an https URL: start kube-apiserver with --service-account-issuer=https://…")
		return t
	}
	r.ok("token", "tokens are of "+t.subject+", for "+t.audience+", by "+t.issuer)
	t.unread = !d.examineIssuer(ctx, r, t)
	return t
}

// examineIssuer asks the issuer for its keys, as STS does, and reports whether they
// could be read.
func (d *Doctor) examineIssuer(ctx context.Context, r *Report, t claims) (read bool) {
	keys, err := d.Issuer.PublishedKeys(ctx, t.issuer)
	var untrusted *UntrustedError
	switch {
	case errors.As(err, &untrusted):
		r.unknown("issuer", "the issuer's documents", err.Error())
	case err != nil:
		r.bad("issuer", "the issuer's keys cannot be read: "+err.Error(), "STS cannot read the issuer's keys: it says InvalidIdentityToken, or that it couldn't retrieve the verification key",
			command("curl", strings.TrimSuffix(t.issuer, "/")+"/.well-known/openid-configuration"))
	case !slices.Contains(keys, t.keyID):
		r.bad("issuer", fmt.Sprintf("the issuer publishes the keys %q, and tokens are signed by %q", keys, t.keyID),
			"the published keys are not those of the cluster: it has another signing key, or they are old", command("curl", strings.TrimSuffix(t.issuer, "/")+"/openid/v1/jwks"))
	default:
		r.ok("issuer", "the issuer publishes the key that signs")
	}
	return err == nil
}

// UntrustedError is an issuer whose certificate this machine does not trust, which
// says nothing about AWS.
type UntrustedError struct{ Err error }

func (e *UntrustedError) Error() string {
	return "this machine does not trust the issuer's certificate: " + e.Err.Error()
}
func (e *UntrustedError) Unwrap() error { return e.Err }

// annotate begins a fix that becomes commands at the end, when it is known which role
// is meant: the ARN behind it, or the one of the name behind it, or, if there is nothing,
// any.
const annotate = "annotate:"

// withoutAudience is a fix that becomes a command at the end, too.
const withoutAudience = "annotate-audience:"

// finish puts what is known only at the end into the fixes: the role that is meant,
// and how to have the pod made anew, if there is one.
func (d *Doctor) finish(ctx context.Context, r Report, namespace, account string, t claims, again func(role string) []string) Report {
	for i, c := range r.Checks {
		var fix []string
		for _, line := range c.Fix {
			role, ok := strings.CutPrefix(line, annotate)
			switch {
			case line == withoutAudience:
				fix = append(fix, command("kubectl", "annotate", "serviceaccount", "-n", namespace, account, d.AnnotationPrefix+"/audience-"))
				fix = append(fix, again("")...)
			case ok:
				fix = append(fix, d.annotation(ctx, namespace, account, role, t, again)...)
			default:
				fix = append(fix, line)
			}
		}
		r.Checks[i].Fix = fix
	}
	return r
}

// annotation is how to annotate a service account with the role that is meant. What is
// not known is left to whoever knows it: then it is all comments.
func (d *Doctor) annotation(ctx context.Context, namespace, account, role string, t claims, again func(role string) []string) []string {
	set := func(role string) string {
		return command("kubectl", "annotate", "serviceaccount", "-n", namespace, account, "--overwrite", d.roleAnnotation()+"="+role)
	}
	if strings.HasPrefix(role, "arn:") {
		return append([]string{set(role)}, again(role)...)
	}
	var found string
	if account != "default" { // nobody gives it a role by chance
		found = d.guess(ctx, role, t)
	}
	if found == "" {
		fix := []string{"# if its pods need a role, and you know which:", "# " + set("arn:aws:iam::ACCOUNT:role/NAME")}
		if account == "default" {
			fix[0] = "# if its pods need a role, give them a service account of their own; with this one, every pod without its own gets the role:"
		}
		if len(again("")) > 0 {
			fix = append(fix, "# and make the pod anew")
		}
		return fix
	}
	return append([]string{"# " + found + ": its trust policy lets this service account in, by its name", set(found)}, again(found)...)
}

// command is words that a shell reads back as they are, whatever is in them: much of
// what they are made of was written by others. What a terminal would obey is not in a
// command at all.
func command(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		if strings.ContainsFunc(w, unicode.IsControl) {
			return "# by hand: one of the names has control characters in it, " + quote(w)
		}
		quoted[i] = shell.Word(w)
	}
	return strings.Join(quoted, " ")
}

func quote(s string) string {
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
