package doctor

import (
	"context"
	"fmt"
	"slices"
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
		"not mapped":                  {mapsAda, nil, admin, Bad, "\n# eksauth map add arn:aws:iam::111122223333:role/admin --username 'admin:{{SessionName}}' --group GROUP\n# EKS: there may be an access entry"},
		"nobody was asked":            {nil, nil, ada, Unknown, "the cluster has no aws-auth, and no IAMIdentityMappings, and nobody else was asked"},
		"no access entry, and a path": {nil, entries{mode: "API"}, admin, Bad, "--principal-arn arn:aws:iam::111122223333:role/team/admin --kubernetes-groups GROUP"},
		"no access entry of a session": {nil, entries{mode: "API"}, "arn:aws:sts::111122223333:assumed-role/admin/ada", Bad,
			`# role=$(aws iam get-role --role-name admin --query Role.Arn --output text) && aws eks create-access-entry --cluster-name dev --principal-arn "$role" --kubernetes-groups GROUP`},
		"an access policy": {nil, entries{"API", []accessentry.Entry{{PrincipalARN: admin, Policies: []accessentry.Association{{Policy: "AmazonEKSEditPolicy"}}}}}, admin, OK,
			"signs in; may list pods in default: no, everywhere: no, by RBAC; EKS decides by access policies besides"},
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

// What is printed to be pasted does what is meant, and what is wrong with aws-auth itself
// comes before what may only follow from it.
func TestSignInFixes(t *testing.T) {
	t.Parallel()
	const ada, of = "arn:aws:iam::111122223333:user/ada", "arn:aws:iam::111122223333:"
	for name, c := range map[string]struct {
		mapUsers, who string
		causes        string // ids
		says, fix     []string
		not           string
	}{
		"not YAML": {"- userarn: [oops", ada, "aws-auth",
			[]string{"EKSConfigMap mapUsers line 1: error: mapUsers is not YAML", "an authenticator that is running keeps the last good version of mapUsers", "could not check whether " + ada + " is mapped"},
			[]string{"# check the indentation and the quotes: kubectl -n kube-system edit configmap aws-auth", "eksauth map lint"}, "map add"},
		"nobody near": {"- userarn: " + of + "user/bob\n  username: bob\n", ada, "mapping", nil, []string{"# eksauth map add " + ada + " --username ada --group GROUP"}, "\neksauth map add"},
		"an account short": {"- userarn: arn:aws:iam::11112222333:user/ada\n  username: ada.l\n  groups: [dev, ops]\n", ada, "mapping",
			[]string{"an entry that is not used may be meant for it: EKSConfigMap mapUsers line 1: error:"},
			[]string{"eksauth map add " + ada + " --username ada.l --group dev --group ops", "eksauth map remove arn:aws:iam::11112222333:user/ada"}, "GROUP"},
		"no userarn": {"- usrarn: " + ada + "\n  username: ada\n", ada, "mapping", []string{"may be meant for it, by its username: EKSConfigMap mapUsers[0] (line 1)"}, nil, "map remove"},
		"a key that nobody reads": {"- userarn: " + ada + "\n  usernme: ada\n- userarn: " + of + "user/bob\n  username: bob\n", ada, "entry",
			[]string{"signs in as " + ada, `mapUsers line 2: warning: the key "usernme" is not known`}, []string{"# did you mean username?"}, ""},
		"another's such key": {"- userarn: " + ada + "\n  username: ada\n- userarn: " + of + "user/bob\n  usernme: bob\n", ada, "", []string{"signs in as ada"}, nil, "usernme"},
		"another path": {"- userarn: " + of + "user/grace\n  username: gh\n  groups: [dev, 'system:masters']\n", of + "user/eng/grace", "mapping", []string{"the path is another"},
			[]string{"eksauth map add " + of + "user/eng/grace --username gh --group dev --group system:masters", "eksauth map remove " + of + "user/grace"}, "GROUP"},
		"another path, no groups": {"- userarn: " + of + "user/grace\n  username: gh\n", of + "user/eng/grace", "mapping", nil,
			[]string{"eksauth map add " + of + "user/eng/grace --username gh", "eksauth map remove " + of + "user/grace"}, "GROUP"},
		"another account": {"- userarn: arn:aws:iam::444455556666:user/ada\n  username: ada\n  groups: [dev]\n", ada, "mapping", []string{"the account is another"},
			[]string{"eksauth map add " + ada + " --username ada --group dev"}, "map remove"},
		"a template that is none": {"- userarn: " + ada + "\n  username: '{{Oops}}'\n  groups: [dev]\n", ada, "mapping", []string{"it would match an entry that is not used"},
			[]string{"# eksauth map add " + ada + " --username ada --group GROUP"}, "--username '{{Oops"},
		"a session's name": {"- rolearn: x\n", of + "role/ada", "mapping", nil, []string{"# eksauth map add " + of + "role/ada --username 'ada:{{SessionName}}' --group GROUP"}, ""},
		"root": {"- userarn: " + of + "user/bob\n  username: bob\n", of + "root", "mapping", nil,
			[]string{"# eksauth map add " + of + "root --username root:111122223333 --group GROUP", "# that is the root user alone"}, "--username ''"},
	} {
		cl := cluster{objects: map[string]any{"configmap kube-system/aws-auth": map[string]any{"data": map[string]string{"mapUsers": c.mapUsers}}}}
		s := &SignIn{Cluster: cl, Access: rbac{}, Names: noNodes{}}
		r := s.User(t.Context(), c.who)
		var ids, fixes []string
		all := ""
		for _, check := range r.Checks {
			all += check.Said + "\n" + check.Cause + "\n" + strings.Join(check.Fix, "\n") + "\n"
			if check.Status == Bad {
				ids, fixes = append(ids, check.ID), append(fixes, check.Fix...)
			}
		}
		good := strings.Join(ids, " ") == c.causes && (c.not == "" || !strings.Contains(all, c.not))
		for _, want := range c.says {
			good = good && strings.Contains(all, want)
		}
		for _, want := range c.fix {
			good = good && slices.ContainsFunc(fixes, func(f string) bool { return f == want || strings.HasPrefix(want, "#") && strings.HasPrefix(f, want) })
		}
		if !good {
			t.Errorf("%s: %q\n%s", name, ids, all)
		}
	}
}

// A JWT is no EKS token. What to do is not to wait at a terminal, and the token is not
// repeated.
func TestTokenThatIsAJWT(t *testing.T) {
	t.Parallel()
	_, c, _, _ := healthy(t)
	raw, err := c.Token(t.Context(), "apps", "web", defaultAudience)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{raw, "a.b.c"} {
		r := (&SignIn{}).Token(t.Context(), raw, nil)
		causes := r.Causes()
		if len(causes) != 1 || len(causes[0].Fix) < 2 {
			t.Fatalf("%+v", r)
		}
		for _, f := range causes[0].Fix {
			if !strings.HasPrefix(f, "#") && strings.Contains(f, "inspect") || strings.Contains(f, raw) {
				t.Errorf("%q", f)
			}
		}
		if raw != "a.b.c" && !slices.Contains(causes[0].Fix, "eksauth doctor serviceaccount apps/web # whether it gets its role of AWS") {
			t.Errorf("%q", causes[0].Fix)
		}
	}
}

// people are an IAM with one user and one role.
type people struct {
	account string
	err     error
}

func (p people) Account(context.Context) (string, error) { return p.account, nil }
func (p people) Principal(_ context.Context, who arn.Principal) (found, id string, err error) {
	switch {
	case p.err != nil:
		return "", "", p.err
	case who.Kind == arn.User && who.Name == "ada":
		return "arn:aws:iam::111122223333:user/eng/ada", "AIDAADA", nil
	case who.Kind != arn.User && who.Name == "admin":
		return "arn:aws:iam::111122223333:role/team/admin", "AROAADMIN", nil
	}
	return "", "", fmt.Errorf("%w: nobody", ErrNotFound)
}

// Whoever is mapped may not exist.
func TestSignInOfNobody(t *testing.T) {
	t.Parallel()
	const of = "arn:aws:iam::111122223333:"
	mapped := map[string]any{"data": map[string]string{
		"mapUsers": "- userarn: " + of + "user/eng/ada\n  userid: AIDAADA\n  username: ada\n- userarn: " + of + "user/bob\n  username: bob\n",
		"mapRoles": "- rolearn: " + of + "role/admin\n  username: admin\n",
	}}
	for name, c := range map[string]struct {
		iam    Principals
		who    string
		exists string // status: what is said
		causes int
		says   string
	}{
		"there":              {people{account: "111122223333"}, of + "user/eng/ada", "ok: the user exists", 0, "signs in as ada"}, // by the id that IAM gives
		"a role":             {people{account: "111122223333"}, of + "role/team/admin", "ok: the role exists", 0, "signs in as admin"},
		"without its path":   {people{account: "111122223333"}, of + "role/admin", "ok: the role exists: it is " + of + "role/team/admin", 0, "signs in as admin"},
		"a session":          {people{account: "111122223333"}, "arn:aws:sts::111122223333:assumed-role/admin/x", "ok: the role exists", 0, "signs in as admin"},
		"nobody":             {people{account: "111122223333"}, of + "user/bob", "bad: there is no such user in account 111122223333", 1, "IAM has no user of the name bob"},
		"no role":            {people{account: "111122223333"}, of + "role/x", "bad: there is no such role in account 111122223333", 1, "aws iam list-roles"},
		"another path":       {people{account: "111122223333"}, of + "user/ada", "bad: there is no such user: the user ada is " + of + "user/eng/ada", 1, "eksauth doctor user " + of + "user/eng/ada"},
		"another account":    {people{account: "444455556666"}, of + "user/bob", "unknown: could not check that it exists, because it is in account 111122223333", 0, "signs in as bob"},
		"may not be asked":   {people{"111122223333", fmt.Errorf("your credentials lack iam:GetUser")}, of + "user/bob", "unknown: could not check that it exists, because your credentials lack iam:GetUser", 0, "signs in as bob"},
		"nobody to be asked": {nil, of + "user/bob", "unknown: could not check that it exists, because there are no AWS credentials", 0, "signs in as bob"},
		"root":               {people{account: "111122223333"}, of + "root", "", 1, "not mapped"},
	} {
		cl := cluster{objects: map[string]any{"configmap kube-system/aws-auth": mapped}}
		s := &SignIn{Cluster: cl, Access: rbac{}, Names: noNodes{}, IAM: c.iam, NoAWS: "there are no AWS credentials"}
		r := s.User(t.Context(), c.who)
		all := ""
		for _, check := range r.Checks {
			all += check.Said + "\n" + check.Cause + "\n" + strings.Join(check.Fix, "\n") + "\n"
		}
		if !strings.HasPrefix(said(r, "exists"), c.exists) || r.has("exists") != (c.exists != "") || len(r.Causes()) != c.causes || !strings.Contains(all, c.says) {
			t.Errorf("%s: %s\n%s", name, said(r, "exists"), all)
		}
	}
}

// Whoever is mapped by what can be read is let in, whatever else there is.
func TestSignInBesideWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	const ada = "arn:aws:iam::111122223333:user/ada"
	cl := cluster{objects: map[string]any{"configmap kube-system/aws-auth": map[string]any{"data": map[string]string{
		"mapUsers": "- userarn: " + ada + "\n  username: ada\n", "mapRoles": "- rolearn: [oops",
	}}}}
	s := &SignIn{Cluster: cl, Access: rbac{}, Names: noNodes{}}
	r := s.User(t.Context(), ada)
	if len(r.Causes()) > 0 || !strings.HasPrefix(said(r, "mapping"), "ok: signs in as ada") || !strings.HasPrefix(said(r, "aws-auth"), "unknown: could not check all mappings, because EKSConfigMap mapRoles line 1: error: ") {
		t.Errorf("%+v", r.Checks)
	}
	broken := awsauth.Document{Source: awsauth.MountedFile, Broken: []string{awsauth.MapUsers}, Faults: []awsauth.Fault{
		{Source: awsauth.MountedFile, Key: awsauth.MapUsers, Severity: awsauth.Error, Rule: awsauth.Readable, Message: "mapUsers is a text, not a list"},
	}}
	s.Config = &broken
	r = s.User(t.Context(), "arn:aws:iam::111122223333:user/bob")
	if causes := r.Causes(); len(causes) != 2 || causes[0].ID != "config" || strings.Contains(strings.Join(causes[0].Fix, " "), "aws-auth") || causes[1].ID != "aws-auth" {
		t.Errorf("%+v", r.Causes())
	}
}
