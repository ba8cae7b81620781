package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eksauth/eksauth/accessentry"
	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/token"
)

// Access asks a cluster what a user may do: a SubjectAccessReview
// (authorization.k8s.io/v1).
type Access interface {
	Allowed(ctx context.Context, username string, groups []string, verb, resource, namespace string) (bool, error)
}

// Verifier finds out who made an EKS token. *token.Verifier is one.
type Verifier interface {
	Verify(ctx context.Context, raw string) (token.Verified, error)
}

// EKS reads what EKS has of a cluster.
type EKS interface {
	// Mode is the cluster's authentication mode: CONFIG_MAP, API or
	// API_AND_CONFIG_MAP.
	Mode(ctx context.Context) (string, error)
	// Entries are the access entries of a principal. A session does not show its
	// role's path, so there may be several.
	Entries(ctx context.Context, p arn.Principal) ([]accessentry.Entry, error)
}

// SignIn examines the way in of an IAM user or role.
type SignIn struct {
	Cluster Cluster
	Access  Access
	Names   awsauth.NodeNames // stands for the names of nodes
	// EKS is nil where nobody asks it; ClusterName is its name of the cluster.
	EKS         EKS
	ClusterName string
	// Config, if not nil, is what an authenticator's own configuration file maps.
	Config *awsauth.Document
}

const (
	masters      = "system:masters"
	clusterAdmin = "AmazonEKSClusterAdminPolicy"
)

// User examines whom an IAM principal signs in as, and what they may do.
func (s *SignIn) User(ctx context.Context, text string) Report {
	r := Report{Subject: "user " + text}
	p, err := arn.ParsePrincipal(text)
	if err != nil {
		r.bad("arn", err.Error(), "that is not the ARN of a principal that can sign in", "aws sts get-caller-identity --query Arn --output text")
		return r
	}
	r.ok("arn", "it is the ARN of a "+p.Kind.String())
	id := arn.Identity{Principal: p}
	if p.Kind == arn.Role { // whoever signs in is a session of it
		session, err := arn.ParsePrincipal("arn:" + p.Partition + ":sts::" + p.AccountID + ":assumed-role/" + p.Name + "/session")
		if err == nil {
			id.Principal = session
		}
	}
	s.mapping(ctx, &r, id, p)
	return r
}

// Token examines an EKS token, and then whoever made it.
func (s *SignIn) Token(ctx context.Context, raw string, v Verifier) Report {
	r := Report{Subject: "token"}
	if strings.Count(raw, ".") == 2 && !strings.HasPrefix(raw, token.Prefix) {
		r.bad("token", "it is a JWT: a service account's token, or an identity provider's", "that is no EKS token: it signs in by itself, or is for AWS",
			"eksauth inspect -")
		return r
	}
	verified, err := v.Verify(ctx, raw)
	var refused *token.Error
	switch {
	case errors.As(err, &refused) && refused.Transient():
		r.unknown("token", "the token", err.Error())
		return r
	case errors.As(err, &refused):
		fix := []string{}
		if refused.Hint != "" {
			fix = append(fix, "# "+refused.Hint)
		}
		r.bad("token", err.Error(), "the token is refused: "+string(refused.Reason), fix...)
		return r
	case err != nil:
		r.unknown("token", "the token", err.Error())
		return r
	}
	r.ok("token", "STS says that "+verified.Identity.String()+" made it; it is good until "+verified.Expiry.UTC().Format(time.RFC3339))
	s.mapping(ctx, &r, verified.Identity, verified.Identity.Principal)
	return r
}

// mapping asks all that maps. given is who was asked about: a role's path is in it, which
// its sessions do not show.
func (s *SignIn) mapping(ctx context.Context, r *Report, id arn.Identity, given arn.Principal) {
	found, err := s.documents(ctx, r, id.Principal)
	docs, sources := found.docs, found.names
	if err != nil {
		r.unknown("mapping", "the mappings of the cluster", err.Error())
		return
	}
	if len(docs) == 0 && s.EKS == nil {
		r.unknown("mapping", "the mappings of the cluster", "the cluster has no aws-auth, and no IAMIdentityMappings, and nobody else was asked: --cluster-name CLUSTER asks EKS for access entries, --config FILE reads an authenticator's own")
		return
	}
	if len(docs) == 0 {
		r.bad("mapping", "the cluster has no aws-auth, and no IAMIdentityMappings", "nobody is mapped by anything that can be seen",
			found.fix(given)...)
		return
	}
	table := awsauth.NewTable(docs...)
	m, err := table.MapWith(ctx, id, s.Names)
	var unmapped *awsauth.NotMappedError
	switch {
	case errors.As(err, &unmapped) && found.unread != nil:
		r.unknown("mapping", "the mappings of the cluster", found.unread.Error())
		return
	case errors.As(err, &unmapped):
		said := id.Canonical() + " is not mapped by " + strings.Join(sources, " or ")
		if hints := unmapped.Hints(); len(hints) > 0 {
			said += "; " + strings.Join(hints, "; ")
		}
		fix := found.fix(given)
		if s.EKS == nil {
			fix = append(fix, "# EKS: there may be an access entry for it, which the same with --cluster-name CLUSTER looks for; whoever made a cluster of the mode CONFIG_MAP needs no mapping")
		}
		r.bad("mapping", said, "no mapping is for this principal: the API server says Unauthorized", fix...)
		return
	case err != nil:
		r.bad("mapping", err.Error(), "the mapping of this principal cannot be used", "eksauth map lint")
		return
	}
	groups := "no groups"
	if len(m.Groups) > 0 {
		groups = "groups " + strings.Join(m.Groups, ", ")
	}
	r.ok("mapping", fmt.Sprintf("signs in as %s in %s, by %s", m.Username, groups, m.Reason()))
	s.access(ctx, r, m)
}

// suggestedName is a username that is nobody else's.
func suggestedName(p arn.Principal) string {
	if p.Kind == arn.AssumedRole || p.Kind == arn.Role {
		return p.Name + ":{{SessionName}}"
	}
	return p.Name
}

// mappings are what maps, in the order in which it is asked.
type mappings struct {
	docs    []awsauth.Document
	names   []string // of each
	cluster string   // of EKS, if aws-auth does not count there
	unread  error    // why custom resources, which come last, could not be read
}

func (m *mappings) add(name string, doc awsauth.Document) {
	m.docs, m.names = append(m.docs, doc), append(m.names, name)
}

// fix is how to map somebody. An access entry takes the ARN with its path, which a
// session does not show; aws-auth takes it without.
func (m mappings) fix(p arn.Principal) []string {
	entry := func(principal string) string {
		return command("aws", "eks", "create-access-entry", "--cluster-name", m.cluster, "--principal-arn") + " " + principal + " --kubernetes-groups GROUP"
	}
	switch {
	case m.cluster == "":
		return []string{command("eksauth", "map", "add", p.Canonical(), "--username", suggestedName(p), "--group", "GROUP")}
	case p.Kind == arn.AssumedRole:
		return []string{"role=$(" + command("aws", "iam", "get-role", "--role-name", p.Name, "--query", "Role.Arn", "--output", "text") + ") && " + entry(`"$role"`)}
	}
	return []string{entry(command(p.String()))}
}

// documents are the mappings that can be seen.
func (s *SignIn) documents(ctx context.Context, r *Report, p arn.Principal) (found mappings, err error) {
	configMap := s.addEntries(ctx, r, &found, p)
	if s.Config != nil {
		found.add("the configuration file", *s.Config)
	}
	if configMap {
		if err := s.addConfigMap(ctx, &found); err != nil {
			return found, err
		}
	}
	return found, s.addIdentityMappings(ctx, &found)
}

// addEntries asks EKS, and reports whether aws-auth counts besides.
func (s *SignIn) addEntries(ctx context.Context, r *Report, found *mappings, p arn.Principal) (configMap bool) {
	if s.EKS == nil {
		return true
	}
	mode, err := s.EKS.Mode(ctx)
	if err != nil {
		r.unknown("access-entries", "the cluster's access entries", err.Error())
		return true
	}
	if mode == "CONFIG_MAP" || mode == "" {
		r.ok("access-entries", "the cluster's authentication mode is CONFIG_MAP: access entries do not count")
		return true
	}
	configMap = mode != "API"
	entries, err := s.EKS.Entries(ctx, p)
	if err != nil {
		r.unknown("access-entries", "the cluster's access entries", err.Error())
		return configMap
	}
	if !configMap {
		found.cluster = s.ClusterName
	}
	said := "the cluster's authentication mode is " + mode + ", and there is no access entry for it"
	for _, e := range entries {
		said = "the access entry " + e.PrincipalARN + " is for it"
		if len(e.Policies) > 0 {
			said += ", with " + policies(e)
		}
	}
	r.ok("access-entries", said)
	found.add("access entries", accessentry.Document(entries))
	return configMap
}

func policies(e accessentry.Entry) string {
	var all []string
	for _, a := range e.Policies {
		where := "everywhere"
		if len(a.Namespaces) > 0 {
			where = "in " + strings.Join(a.Namespaces, ", ")
		}
		all = append(all, a.Policy+" "+where)
	}
	return strings.Join(all, "; ")
}

func (s *SignIn) addConfigMap(ctx context.Context, found *mappings) error {
	raw, err := s.Cluster.Get(ctx, "configmap", "kube-system", "aws-auth")
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	var object struct{ Data map[string]string }
	if err := json.Unmarshal(raw, &object); err != nil {
		return err
	}
	found.add("aws-auth", awsauth.ParseConfigMap(object.Data))
	return nil
}

func (s *SignIn) addIdentityMappings(ctx context.Context, found *mappings) error {
	raw, err := s.Cluster.List(ctx, "iamidentitymappings.iamauthenticator.k8s.aws", "")
	switch {
	case errors.Is(err, ErrForbidden): // there are such
		found.unread = err
		return nil
	case err != nil: // most clusters do not know them
		return nil
	}
	var list struct {
		Items []struct {
			Metadata objectMeta
			Spec     struct {
				ARN, Username string
				Groups        []string
			}
		}
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	var objects []awsauth.IdentityMapping
	for _, o := range list.Items {
		objects = append(objects, awsauth.IdentityMapping{Name: o.Metadata.Name, Created: o.Metadata.CreationTimestamp, ARN: o.Spec.ARN, Username: o.Spec.Username, Groups: o.Spec.Groups})
	}
	if len(objects) > 0 {
		found.add("the custom resources", awsauth.ParseIdentityMappings(objects))
	}
	return nil
}

// access says what RBAC lets them do, by two examples. To be let in and to be let do
// nothing is a fault that looks like the one before.
func (s *SignIn) access(ctx context.Context, r *Report, m awsauth.Mapping) {
	if slices.Contains(m.Groups, masters) {
		r.ok("access", "is an administrator: "+masters+" may do everything")
		return
	}
	if slices.Contains(m.Groups, accessentry.GroupPrefix+clusterAdmin) {
		r.ok("access", "is an administrator: "+clusterAdmin+" may do everything")
		return
	}
	groups := append(slices.Clone(m.Groups), "system:authenticated")
	var may, mayNot []string
	for _, where := range []string{"default", ""} {
		what := "list pods in " + where
		if where == "" {
			what = "list pods everywhere"
		}
		ok, err := s.Access.Allowed(ctx, m.Username, groups, "list", "pods", where)
		if err != nil {
			r.unknown("access", "what they may do", err.Error())
			return
		}
		if ok {
			may = append(may, what)
		} else {
			mayNot = append(mayNot, what)
		}
	}
	var said []string
	if len(may) > 0 {
		said = append(said, "may "+strings.Join(may, " and "))
	}
	if len(mayNot) > 0 {
		said = append(said, "may not "+strings.Join(mayNot, ", nor "))
	}
	see := []string{"kubectl", "auth", "can-i", "--list", "--as", m.Username}
	for _, g := range m.Groups {
		if !strings.HasPrefix(g, accessentry.GroupPrefix) {
			see = append(see, "--as-group", g)
		}
	}
	besides := ""
	if slices.ContainsFunc(m.Groups, func(g string) bool { return strings.HasPrefix(g, accessentry.GroupPrefix) }) {
		besides = " by RBAC; EKS decides by access policies besides"
	}
	r.ok("access", strings.Join(said, "; ")+besides+": see "+command(see...))
}
