package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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

// SignIn examines the way in of an IAM user or role.
type SignIn struct {
	Cluster Cluster
	Access  Access
	Names   awsauth.NodeNames // stands for the names of nodes
}

const masters = "system:masters"

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
	s.mapping(ctx, &r, id)
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
	s.mapping(ctx, &r, verified.Identity)
	return r
}

// mapping asks the cluster's aws-auth and its custom resources.
func (s *SignIn) mapping(ctx context.Context, r *Report, id arn.Identity) {
	docs, sources, err := s.documents(ctx)
	if err != nil {
		r.unknown("mapping", "the mappings of the cluster", err.Error())
		return
	}
	if len(docs) == 0 {
		r.bad("mapping", "the cluster has no aws-auth, and no IAMIdentityMappings", "nobody is mapped by anything that can be seen in the cluster; it may use EKS access entries alone",
			"# aws eks list-access-entries --cluster-name CLUSTER")
		return
	}
	table := awsauth.NewTable(docs...)
	m, err := table.MapWith(ctx, id, s.Names)
	var unmapped *awsauth.NotMappedError
	switch {
	case errors.As(err, &unmapped):
		said := id.Canonical() + " is not mapped by " + strings.Join(sources, " or ")
		if hints := unmapped.Hints(); len(hints) > 0 {
			said += "; " + strings.Join(hints, "; ")
		}
		r.bad("mapping", said, "no mapping is for this principal: the API server says Unauthorized",
			command("eksauth", "map", "add", id.Canonical(), "--username", suggestedName(id), "--group", "GROUP"))
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
func suggestedName(id arn.Identity) string {
	if id.Kind == arn.AssumedRole || id.Kind == arn.Role {
		return id.Name + ":{{SessionName}}"
	}
	return id.Name
}

// documents are the mappings that can be seen in the cluster, and what they are
// called.
func (s *SignIn) documents(ctx context.Context) (docs []awsauth.Document, sources []string, err error) {
	raw, err := s.Cluster.Get(ctx, "configmap", "kube-system", "aws-auth")
	if err == nil {
		var object struct{ Data map[string]string }
		if err := json.Unmarshal(raw, &object); err != nil {
			return nil, nil, err
		}
		docs, sources = append(docs, awsauth.ParseConfigMap(object.Data)), append(sources, "aws-auth")
	} else if !errors.Is(err, ErrNotFound) {
		return nil, nil, err
	}
	raw, err = s.Cluster.List(ctx, "iamidentitymappings.iamauthenticator.k8s.aws", "")
	if err != nil { // most clusters do not know them
		return docs, sources, nil
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
		return nil, nil, err
	}
	var mappings []awsauth.IdentityMapping
	for _, o := range list.Items {
		mappings = append(mappings, awsauth.IdentityMapping{Name: o.Metadata.Name, Created: o.Metadata.CreationTimestamp, ARN: o.Spec.ARN, Username: o.Spec.Username, Groups: o.Spec.Groups})
	}
	if len(mappings) > 0 {
		docs, sources = append(docs, awsauth.ParseIdentityMappings(mappings)), append(sources, "the custom resources")
	}
	return docs, sources, nil
}

// access says what RBAC lets them do, by two examples. To be let in and to be let do
// nothing is a fault that looks like the one before.
func (s *SignIn) access(ctx context.Context, r *Report, m awsauth.Mapping) {
	if slices.Contains(m.Groups, masters) {
		r.ok("access", "is an administrator: "+masters+" may do everything")
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
	r.ok("access", strings.Join(said, "; ")+": see kubectl auth can-i --list --as "+quote(m.Username))
}
