package doctor

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/accessentry"
	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
)

// entries are an EKS that has these.
type entries struct {
	mode string
	list []accessentry.Entry
}

func (e entries) Mode(context.Context) (string, error) { return e.mode, nil }
func (e entries) Entries(_ context.Context, p arn.Principal) (found []accessentry.Entry, err error) {
	for _, entry := range e.list {
		if q, err := arn.ParsePrincipal(entry.PrincipalARN); err == nil && q.Canonical() == p.Canonical() {
			found = append(found, entry)
		}
	}
	return found, nil
}

// rbac allows nothing.
type rbac struct{}

func (rbac) Allowed(context.Context, string, []string, string, string, string) (bool, error) {
	return false, nil
}

// noNodes asks nobody.
type noNodes struct{ awsauth.NodeNames }

func TestSignIn(t *testing.T) {
	t.Parallel()
	const (
		ada   = "arn:aws:iam::111122223333:user/ada"
		admin = "arn:aws:iam::111122223333:role/team/admin"
	)
	mapsAda := map[string]any{"data": map[string]string{"mapUsers": "- userarn: " + ada + "\n  username: ada\n"}}
	for name, c := range map[string]struct {
		aws    any // aws-auth; nil if there is none
		eks    EKS
		who    string
		status Status // of the mapping
		says   string // in the report
	}{
		"mapped":                      {mapsAda, nil, ada, OK, "signs in as ada in no groups"},
		"not mapped":                  {mapsAda, nil, admin, Bad, "eksauth map add arn:aws:iam::111122223333:role/admin --username 'admin:{{SessionName}}' --group GROUP\n# EKS: there may be an access entry"},
		"nobody was asked":            {nil, nil, ada, Unknown, "the cluster has no aws-auth, and no IAMIdentityMappings, and nobody else was asked"},
		"no access entry, and a path": {nil, entries{mode: "API"}, admin, Bad, "--principal-arn arn:aws:iam::111122223333:role/team/admin --kubernetes-groups GROUP"},
		"no access entry of a session": {nil, entries{mode: "API"}, "arn:aws:sts::111122223333:assumed-role/admin/ada", Bad,
			`role=$(aws iam get-role --role-name admin --query Role.Arn --output text) && aws eks create-access-entry --cluster-name dev --principal-arn "$role" --kubernetes-groups GROUP`},
		"an access policy": {nil, entries{"API", []accessentry.Entry{{PrincipalARN: admin, Policies: []accessentry.Association{{Policy: "AmazonEKSEditPolicy"}}}}}, admin, OK,
			"may not list pods in default, nor list pods everywhere by RBAC; EKS decides by access policies besides"},
		"an administrator by access policy": {nil, entries{"API", []accessentry.Entry{{PrincipalARN: admin, Policies: []accessentry.Association{{Policy: "AmazonEKSClusterAdminPolicy"}}}}}, admin, OK,
			"is an administrator: AmazonEKSClusterAdminPolicy"},
	} {
		cl := cluster{objects: map[string]any{}}
		if c.aws != nil {
			cl.objects["configmap kube-system/aws-auth"] = c.aws
		}
		s := &SignIn{Cluster: cl, Access: rbac{}, Names: noNodes{}, EKS: c.eks, ClusterName: "dev"}
		r := s.User(t.Context(), c.who)
		var all strings.Builder
		for _, check := range r.Checks {
			all.WriteString(check.Said + "\n" + strings.Join(check.Fix, "\n") + "\n")
		}
		if !strings.HasPrefix(said(r, "mapping"), string(c.status)+": ") || !strings.Contains(all.String(), c.says) {
			t.Errorf("%s: %s\n%s", name, said(r, "mapping"), all.String())
		}
	}
}

// hidden is a cluster whose custom resources may not be listed.
type hidden struct{ cluster }

func (hidden) List(context.Context, string, string) ([]byte, error) {
	return nil, fmt.Errorf("%w: iamidentitymappings", ErrForbidden)
}

// Whoever is not mapped by what may be read may be by what may not.
func TestSignInByWhatMayNotBeRead(t *testing.T) {
	t.Parallel()
	c := cluster{objects: map[string]any{"configmap kube-system/aws-auth": map[string]any{"data": map[string]string{
		"mapUsers": "- userarn: arn:aws:iam::111122223333:user/bob\n  username: bob\n",
	}}}}
	s := &SignIn{Cluster: hidden{c}, Access: rbac{}, Names: noNodes{}}
	for who, want := range map[string]string{"ada": "unknown: ", "bob": "ok: signs in as bob"} {
		r := s.User(t.Context(), "arn:aws:iam::111122223333:user/"+who)
		if len(r.Causes()) > 0 || !strings.HasPrefix(said(r, "mapping"), want) {
			t.Errorf("%+v", r.Checks)
		}
	}
}
