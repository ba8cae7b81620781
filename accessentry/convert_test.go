package accessentry

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
)

func tableOf(mapRoles, mapUsers, mapAccounts string) *awsauth.Table {
	return awsauth.NewTable(awsauth.ParseConfigMap(map[string]string{"mapRoles": mapRoles, "mapUsers": mapUsers, "mapAccounts": mapAccounts}))
}

func TestFromTable(t *testing.T) {
	t.Parallel()
	const admin = "- rolearn: arn:aws:iam::111122223333:role/admin\n  username: "
	for _, test := range []struct {
		mapRoles string
		want     Entry
		left     string // the reason
	}{
		{admin + "admin:{{SessionName}}\n  groups: [ops, system:masters, ops]\n",
			Entry{Username: "admin:{{SessionName}}", Groups: []string{"ops"}, Policies: []Association{{Policy: clusterAdmin}}}, ""},
		{admin + "arn:aws:sts::111122223333:assumed-role/admin/{{SessionName}}\n", Entry{}, ""},
		{admin + "\"\"\n", Entry{Username: "arn:aws:iam::111122223333:role/admin"}, ""},
		{admin + "system:node:{{EC2PrivateDNSName}}\n  groups: [system:nodes, system:bootstrappers]\n", Entry{Type: EC2Linux}, ""},
		{admin + "system:node:{{EC2PrivateDNSName}}\n  groups: [eks:kube-proxy-windows, system:nodes]\n", Entry{Type: EC2Windows}, ""},
		{admin + "system:node:{{SessionName}}\n  groups: [system:bootstrappers, system:nodes, system:node-proxier]\n", Entry{Type: FargateLinux}, ""},
		{admin + "system:node:{{SessionName}}\n  groups: [system:bootstrappers, system:nodes]\n", Entry{Type: HybridLinux}, ""},

		{admin + "system:node:{{SessionName}}\n  groups: [system:nodes, ops]\n", Entry{}, "cannot start with"},
		{admin + "x\n  groups: [system:nodes]\n", Entry{}, "group name system:nodes is invalid"},
		{admin + "x\n  groups: ['team-{{SessionName}}']\n", Entry{}, "can't have templates: team-{{SessionName}}"},
		{admin + "x:{{AccessKeyID}}:{{SessionName}}\n", Entry{}, "can't have {{AccessKeyID}}"},
		{admin + "'{{SessionName}}'\n", Entry{}, "colon before"},
		{admin + "x\n  userid: AROAAWESOMEAWESOMEAWE\n", Entry{}, "pins a user id"},
		{"- sso: {permissionSetName: Admins, accountID: \"111122223333\"}\n  username: x\n", Entry{}, "one role"},
	} {
		entries, left := FromTable(tableOf(test.mapRoles, "", ""))
		if test.left != "" {
			if len(entries) != 0 || len(left) != 1 || !strings.Contains(left[0].Why, test.left) {
				t.Errorf("%s: %+v, left %+v, not for %q", test.mapRoles, entries, left, test.left)
			}
			continue
		}
		test.want.PrincipalARN = "arn:aws:iam::111122223333:role/admin"
		if len(left) != 0 || len(entries) != 1 {
			t.Errorf("%s: %+v, left %+v", test.mapRoles, entries, left)
		} else if got := entries[0]; got.PrincipalARN != test.want.PrincipalARN || got.Type != test.want.Type || got.Username != test.want.Username ||
			!slices.Equal(got.Groups, test.want.Groups) || len(got.Policies) != len(test.want.Policies) {
			t.Errorf("%s: %+v, not %+v", test.mapRoles, got, test.want)
		}
	}

	twice := admin + "a\n" + admin + "never\n"
	if entries, left := FromTable(tableOf(twice, "", "- \"444455556666\"\n")); len(entries) != 1 || entries[0].Username != "a" || len(left) != 1 || left[0].Entry.Account != "444455556666" {
		t.Errorf("%+v, left %+v", entries, left)
	}
}

type node struct{}

func (node) PrivateDNSName(context.Context, string) (string, error) { return "ip-10-0-0-1", nil }

// Whatever is converted is allowed, and signs its principal in as before.
func FuzzFromTable(f *testing.F) {
	f.Add("- rolearn: arn:aws:iam::111122223333:role/admin\n  username: admin:{{SessionName}}\n  groups: [system:masters, a]\n", "- {userarn: \"arn:aws:iam::111122223333:user/ada\", username: ada}\n")
	f.Add("- rolearn: arn:aws:iam::111122223333:role/nodes\n  username: system:node:{{EC2PrivateDNSName}}\n  groups: [system:bootstrappers, system:nodes]\n", "")
	f.Add("- rolearn: arn:aws-cn:iam::111122223333:role/x\n  username: \"{{AccountID}}:{{SessionNameRaw}}\"\n- rolearn: arn:aws:iam::111122223333:role/X\n", "- userarn: arn:aws:iam::111122223333:root\n")
	f.Fuzz(func(t *testing.T, mapRoles, mapUsers string) {
		before := tableOf(mapRoles, mapUsers, "")
		entries, _ := FromTable(before)
		after := awsauth.NewTable(Document(entries))
		for _, e := range entries {
			p, err := arn.ParsePrincipal(e.PrincipalARN)
			if err != nil {
				t.Fatal(err)
			}
			if problem := e.Check(p.AccountID); problem != "" {
				t.Fatalf("%+v: %s", e, problem)
			}
			if p.Kind == arn.Role {
				if p, err = arn.ParsePrincipal("arn:" + p.Partition + ":sts::" + p.AccountID + ":assumed-role/" + p.Name + "/i-0123456789abcdef0"); err != nil {
					t.Skip("no session of such a name")
				}
			}
			was, err := before.MapWith(t.Context(), arn.Identity{Principal: p}, node{})
			if err != nil {
				continue // refused before; it may be the username that comes out empty
			}
			is, err := after.MapWith(t.Context(), arn.Identity{Principal: p}, node{})
			if err != nil || was.Username != is.Username || !slices.Equal(Equivalent(was.Groups), Equivalent(is.Groups)) {
				t.Fatalf("%+v: %q in %q became %q in %q, %v", e, was.Username, was.Groups, is.Username, is.Groups, err)
			}
		}
	})
}
