package accessentry

import (
	"slices"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
)

const (
	account = "111122223333"
	role    = "arn:aws:iam::111122223333:role/team/admin"
	user    = "arn:aws:iam::111122223333:user/ada"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		entry Entry
		want  string // of the problem; "" for none
	}{
		{Entry{PrincipalARN: user}, ""},
		{Entry{PrincipalARN: role, Type: Standard, Username: "admin:{{SessionName}}", Groups: []string{"ops"}}, ""},
		{Entry{PrincipalARN: role, Username: "{{AccountID}}:{{SessionNameRaw}}"}, ""},
		{Entry{PrincipalARN: role, Type: EC2Linux}, ""},
		{Entry{PrincipalARN: role, Type: EC2, Policies: []Association{{Policy: "AmazonEKSViewPolicy"}}}, ""},
		{Entry{PrincipalARN: "arn:aws:iam::444455556666:role/other"}, ""},
		{Entry{PrincipalARN: user, Policies: []Association{{Policy: "AmazonEKSViewPolicy", Namespaces: []string{"team-*"}}}}, ""},

		{Entry{PrincipalARN: "nonsense"}, "invalid principal"},
		{Entry{PrincipalARN: "arn:aws:iam::111122223333:root"}, "invalid principal"},
		{Entry{PrincipalARN: "arn:aws:sts::111122223333:assumed-role/admin/ada"}, "invalid principal"},
		{Entry{PrincipalARN: role, Type: "ROBOT"}, "type is invalid: ROBOT"},
		{Entry{PrincipalARN: user, Type: EC2Linux}, "is for an IAM role"},
		{Entry{PrincipalARN: "arn:aws:iam::444455556666:role/other", Type: FargateLinux}, "role of the cluster's account"},
		{Entry{PrincipalARN: role, Type: EC2Linux, Username: "x"}, "parameter username can't be specified"},
		{Entry{PrincipalARN: role, Type: HybridLinux, Groups: []string{"x"}}, "parameter kubernetesGroups can't be specified"},
		{Entry{PrincipalARN: role, Type: EC2Linux, Policies: []Association{{Policy: "AmazonEKSViewPolicy"}}}, "can't be associated"},
		{Entry{PrincipalARN: user, Username: "system:admin"}, "cannot start with system:"},
		{Entry{PrincipalARN: user, Username: "iam:x"}, "cannot start with"},
		{Entry{PrincipalARN: role, Username: "x:{{AccessKeyID}}"}, "unknown template"},
		{Entry{PrincipalARN: role, Username: "{{SessionName}}"}, "colon before {{SessionName}}"},
		{Entry{PrincipalARN: role, Username: "x-{{SessionNameRaw}}:y"}, "colon before {{SessionNameRaw}}"},
		{Entry{PrincipalARN: user, Groups: []string{"system:masters"}}, "group name system:masters is invalid"},
		{Entry{PrincipalARN: user, Groups: []string{""}}, "group name"},
		{Entry{PrincipalARN: user, Policies: []Association{{Policy: "AmazonEKSRobotPolicy"}}}, "policyArn could not be found"},
		{Entry{PrincipalARN: user, Policies: []Association{{Policy: "AmazonEKSViewPolicy", Namespaces: []string{"A"}}}}, "namespace \"A\""},
		{Entry{PrincipalARN: user, Policies: []Association{{Policy: "AmazonEKSViewPolicy", Namespaces: make([]string, maxNamespaces+1)}}}, "at most 100"},
	} {
		got := test.entry.Check(account)
		if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
			t.Errorf("%+v: %q, not %q", test.entry, got, test.want)
		}
	}
}

// Entries give usernames and groups as EKS derives them, through the same table
// as every other mapping.
func TestDocument(t *testing.T) {
	t.Parallel()
	table := awsauth.NewTable(Document([]Entry{
		{PrincipalARN: user, Groups: []string{"ops"}},
		{PrincipalARN: role, Policies: []Association{{Policy: "AmazonEKSClusterAdminPolicy"}, {Policy: "AmazonEKSViewPolicy", Namespaces: []string{"a", "b"}}}},
		{PrincipalARN: "arn:aws:iam::111122223333:role/named", Username: "named:{{SessionName}}"},
		{PrincipalARN: "arn:aws:iam::111122223333:role/fargate", Type: FargateLinux},
	}))
	if faults := table.Faults(); len(faults) > 0 {
		t.Errorf("%v", faults)
	}
	for _, test := range []struct {
		arn, username string
		groups        []string
	}{
		{user, user, []string{"ops"}},
		{"arn:aws:sts::111122223333:assumed-role/admin/s", "arn:aws:sts::111122223333:assumed-role/admin/s", []string{
			GroupPrefix + "AmazonEKSClusterAdminPolicy", GroupPrefix + "AmazonEKSViewPolicy:a", GroupPrefix + "AmazonEKSViewPolicy:b",
		}},
		{"arn:aws:sts::111122223333:assumed-role/named/s", "named:s", nil},
		{"arn:aws:sts::111122223333:assumed-role/fargate/pod", "system:node:pod", []string{"system:bootstrappers", "system:nodes", "system:node-proxier"}},
		{"arn:aws:iam::111122223333:user/grace", "", nil},
	} {
		p, err := arn.ParsePrincipal(test.arn)
		if err != nil {
			t.Fatal(err)
		}
		got, err := table.Map(arn.Identity{Principal: p})
		if got.Username != test.username || !slices.Equal(got.Groups, test.groups) || (err != nil) != (test.username == "") {
			t.Errorf("%s is %q in %q, %v", test.arn, got.Username, got.Groups, err)
		}
	}
}

func TestGrants(t *testing.T) {
	t.Parallel()
	view := []Association{{Policy: "AmazonEKSViewPolicy", Namespaces: []string{"team-*"}}}
	got := Grants([]Entry{
		{PrincipalARN: user, Policies: view},
		{PrincipalARN: role, Policies: append(view, Association{Policy: "AmazonEKSClusterAdminPolicy"}, Association{Policy: "unknown"})},
	})
	want := []Grant{
		{GroupPrefix + "AmazonEKSClusterAdminPolicy", "cluster-admin", ""},
		{GroupPrefix + "AmazonEKSViewPolicy:team-*", "system:aggregate-to-view", "team-*"},
		{GroupPrefix + "AmazonEKSViewPolicy:team-*", "view", "team-*"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	for _, p := range Policies() {
		if again, ok := PolicyByARN("aws-cn", p.ARN("aws-cn")); !ok || again.Name != p.Name {
			t.Errorf("%s is not found by its ARN", p.Name)
		}
	}
}
