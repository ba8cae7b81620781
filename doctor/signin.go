package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eksauth/eksauth/accessentry"
	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/oidc"
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

// Principals reads the users and roles of the account of the user's credentials.
type Principals interface {
	Account(ctx context.Context) (string, error)
	// Principal looks a user up by its name, or a role, also of a session: its ARN, and
	// its unique id. It may be ErrNotFound.
	Principal(ctx context.Context, p arn.Principal) (found, id string, err error)
}

// SignIn examines the way in of an IAM user or role.
type SignIn struct {
	ClusterID string // that EKS tokens are for; "" if that does not matter
	Cluster   Cluster
	Access    Access
	Names     awsauth.NodeNames // stands for the names of nodes
	// EKS is nil where nobody asks it; ClusterName is its name of the cluster.
	EKS         EKS
	ClusterName string
	// IAM is nil where nobody asks it; NoAWS says why.
	IAM   Principals
	NoAWS string
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
	r.ok("arn", "the ARN is well-formed; its kind: "+p.Kind.String())
	id := arn.Identity{Principal: p}
	if p.Kind == arn.Role { // whoever signs in is a session of it
		session, err := arn.ParsePrincipal("arn:" + p.Partition + ":sts::" + p.AccountID + ":assumed-role/" + p.Name + "/session")
		if err == nil {
			id.Principal = session
		}
	}
	given, userID := s.exists(ctx, &r, p)
	if len(r.Causes()) > 0 {
		return r // to map nobody is no fix
	}
	id.UserID = userID
	s.mapping(ctx, &r, id, given)
	return r
}

// exists asks IAM for a principal. What is returned has the path that it really has, if
// that can be known: it is p otherwise, without an id.
func (s *SignIn) exists(ctx context.Context, r *Report, p arn.Principal) (really arn.Principal, id string) {
	kind := arn.Role
	switch p.Kind {
	case arn.User:
		kind = arn.User
	case arn.Role, arn.AssumedRole:
	default: // root does, and what a federated user is IAM does not know
		return p, ""
	}
	if why := s.blind(ctx, p); why != "" {
		r.unknown("exists", "that it exists", why)
		return p, ""
	}
	found, id, err := s.IAM.Principal(ctx, p)
	if errors.Is(err, ErrNotFound) {
		said := fmt.Sprintf("there is no such %s in account %s", kind, p.AccountID)
		r.bad("exists", said, fmt.Sprintf("IAM has no %s of the name %s: the ARN has a slip in it, or it was deleted", kind, p.Name),
			map[arn.Kind]string{
				arn.User: "aws iam list-users --query 'Users[].Arn' --output text",
				arn.Role: "aws iam list-roles --query 'Roles[].Arn' --output text",
			}[kind])
		return p, ""
	}
	if err == nil {
		really, err = arn.ParsePrincipal(found)
	}
	switch {
	case err != nil:
		r.unknown("exists", "that it exists", err.Error())
		return p, ""
	case kind == arn.User && !strings.EqualFold(really.Path, p.Path):
		r.bad("exists", "there is no such user: the user "+p.Name+" is "+found, "the ARN has not the path that the user has", command("eksauth", "doctor", "user", found))
		return p, ""
	case really.Path != p.Path && p.Kind == arn.Role:
		r.ok("exists", "the role exists: it is "+found+", and its sessions do not show the path")
	default:
		r.ok("exists", "the "+kind.String()+" exists")
	}
	if p.Kind == arn.AssumedRole {
		return p, id
	}
	return really, id
}

// blind is why IAM cannot be asked for a principal; "" if it can.
func (s *SignIn) blind(ctx context.Context, p arn.Principal) string {
	if s.IAM == nil {
		return cmp.Or(s.NoAWS, "IAM is not asked")
	}
	account, err := s.IAM.Account(ctx)
	switch {
	case err != nil:
		return err.Error()
	case account != p.AccountID:
		return "it is in account " + p.AccountID + ", and the credentials here are of " + account
	}
	return ""
}

// Token examines an EKS token, and then whoever made it.
func (s *SignIn) Token(ctx context.Context, raw string, v Verifier) Report {
	r := Report{Subject: "token"}
	if strings.Count(raw, ".") == 2 && !strings.HasPrefix(raw, token.Prefix) {
		r.bad("token", "it is a JWT: a service account's token, or an identity provider's", "that is no EKS token: it signs in by itself, or is for AWS",
			s.insteadOf(raw)...)
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
		switch refused.Reason {
		case token.Credentials:
			fix = append(fix, "aws sts get-caller-identity # whether STS knows your credentials", s.newToken())
		case token.Malformed, token.Expired, token.Host, token.Signature:
			fix = append(fix, s.newToken())
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

// newToken makes another token for the cluster.
func (s *SignIn) newToken() string {
	return command("eksauth", "token", "-i", s.ClusterID, "--token-only") + " # makes a new one, by your AWS credentials"
}

// insteadOf says what is for whoever has a JWT. It is not repeated.
func (s *SignIn) insteadOf(raw string) []string {
	instead := []string{
		s.newToken(),
		"# what a JWT says of itself: eksauth inspect - < FILE",
	}
	said, err := oidc.Inspect(raw, time.Now())
	if err != nil {
		return instead
	}
	if account, ok := strings.CutPrefix(said.Subject, "system:serviceaccount:"); ok {
		return append(instead,
			command("eksauth", "doctor", "serviceaccount", strings.Replace(account, ":", "/", 1))+" # whether it gets its role of AWS",
			command("kubectl", "auth", "can-i", "--list", "--as", said.Subject)+" # what it may do in the cluster")
	}
	return instead
}

// mapping asks all that maps. given is who was asked about: a role's path is in it, which
// its sessions do not show.
func (s *SignIn) mapping(ctx context.Context, r *Report, id arn.Identity, given arn.Principal) {
	found, err := s.documents(ctx, r, id.Principal)
	docs := found.docs
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
			found.fix(given, nil)...)
		return
	}
	m, err := awsauth.NewTable(docs...).MapWith(ctx, id, s.Names)
	var unmapped *awsauth.NotMappedError
	switch {
	case errors.As(err, &unmapped):
		s.notMapped(r, found, unmapped, given)
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
	for _, f := range found.faultsOf(m.Entry) {
		r.bad("entry", f.String(), "the entry for it does not say all that is meant: "+f.Message, "# "+cmp.Or(f.Hint, "mend the entry"), "eksauth map lint")
	}
	for _, f := range found.broken() {
		r.unknown("aws-auth", "all mappings", f.String())
	}
	s.access(ctx, r, m)
}

// notMapped says why nobody is mapped. What cannot be read comes before what is not there:
// an authenticator may know more than it says now.
func (s *SignIn) notMapped(r *Report, found mappings, unmapped *awsauth.NotMappedError, given arn.Principal) {
	if broken := found.broken(); len(broken) > 0 {
		for _, f := range broken {
			id, name, fix := "aws-auth", "aws-auth", []string{"# " + cmp.Or(f.Hint, "mend it") + ": kubectl -n kube-system edit configmap aws-auth", "eksauth map lint"}
			if f.Source != awsauth.EKSConfigMap {
				id, name, fix = "config", "the configuration file", []string{"# " + cmp.Or(f.Hint, "mend it")}
			}
			r.bad(id, f.String(), name+" cannot be read: an authenticator that is running keeps the last good version of "+f.Key+", and one that starts now has none of it", fix...)
		}
		said := "a part of the mappings cannot be read"
		if hints := unmapped.Hints(); len(hints) > 0 {
			said += "; in what can be read, " + strings.Join(hints, "; ")
		}
		r.unknown("mapping", "whether "+unmapped.Identity.Canonical()+" is mapped", said)
		return
	}
	if found.unread != nil {
		r.unknown("mapping", "the mappings of the cluster", found.unread.Error())
		return
	}
	said := unmapped.Identity.Canonical() + " is not mapped by " + strings.Join(found.names, " or ")
	hints := unmapped.Hints()
	for _, doc := range found.docs {
		for _, e := range doc.Meant(unmapped.Identity) {
			if e.Subject() == "" {
				hints = append(hints, "an entry that is not used may be meant for it, by its username: "+e.String())
			}
		}
	}
	if len(hints) > 0 {
		said += "; " + strings.Join(hints, "; ")
	}
	fix := found.fix(given, found.like(unmapped))
	if s.EKS == nil {
		fix = append(fix, "# EKS: there may be an access entry for it, which the same with --cluster-name CLUSTER looks for; whoever made a cluster of the mode CONFIG_MAP needs no mapping")
	}
	r.bad("mapping", said, "no mapping is for this principal: the API server says Unauthorized", fix...)
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
	var may []string
	for _, where := range []string{"default", ""} {
		ok, err := s.Access.Allowed(ctx, m.Username, groups, "list", "pods", where)
		if err != nil {
			r.unknown("access", "what they may do", err.Error())
			return
		}
		answer := "in " + where + ": "
		if where == "" {
			answer = "everywhere: "
		}
		if ok {
			answer += "yes"
		} else {
			answer += "no"
		}
		may = append(may, answer)
	}
	see := []string{"kubectl", "auth", "can-i", "--list", "--as", m.Username}
	for _, g := range m.Groups {
		if !strings.HasPrefix(g, accessentry.GroupPrefix) {
			see = append(see, "--as-group", g)
		}
	}
	besides := ""
	if slices.ContainsFunc(m.Groups, func(g string) bool { return strings.HasPrefix(g, accessentry.GroupPrefix) }) {
		besides = ", by RBAC; EKS decides by access policies besides"
	}
	r.ok("access", "signs in; may list pods "+strings.Join(may, ", ")+besides+": see "+command(see...))
}
