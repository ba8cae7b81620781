package awsauth_test

import (
	"testing"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
)

// Whatever the table, the one verdict that is Used is the entry that Map uses.
func TestVerdictsAgreeWithMap(t *testing.T) {
	table := awsauth.NewTable(awsauth.ParseConfigMap(map[string]string{
		"mapRoles": `
- {rolearn: "arn:aws:iam::111122223333:role/a", username: pinned, userid: AROAPINNED}
- {rolearn: "arn:aws:iam::111122223333:role/team/a", username: a}
- {sso: {permissionSetName: Admin, accountID: "111122223333"}, username: sso}
- {rolearn: "arn:aws:iam::111122223333:role/AWSReservedSSO_Admin_0123456789abcdef", username: exact}
`,
		"mapUsers":    `[{userarn: "arn:aws:iam::111122223333:user/u", username: u}]`,
		"mapAccounts": `["111122223333"]`,
	}))
	for _, test := range []struct {
		arn, userID string
		used        int // -1: none
		matching    int
	}{
		{"arn:aws:sts::111122223333:assumed-role/a/s", "AROAPINNED", 0, 3},
		{"arn:aws:sts::111122223333:assumed-role/a/s", "AROAOTHER", 1, 2},
		{"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/s", "", 2, 3},
		{"arn:aws:iam::111122223333:user/u", "", 4, 2},
		{"arn:aws:iam::111122223333:root", "", 5, 1},
		{"arn:aws:iam::444455556666:user/u", "", -1, 0},
	} {
		p, err := arn.ParsePrincipal(test.arn)
		if err != nil {
			t.Fatal(err)
		}
		id := arn.Identity{Principal: p, UserID: test.userID}
		m, err := table.Map(id)
		if (err == nil) != (test.used >= 0) {
			t.Errorf("%s: %v", test.arn, err)
		}
		used, matching := -1, 0
		for i, v := range table.Verdicts(id) {
			if v.Used {
				used = i
				if v.Entry.String() != m.Entry.String() || !v.Matches {
					t.Errorf("%s: %v is used, but Map uses %s", test.arn, v, m.Entry)
				}
			}
			if v.Matches {
				matching++
			}
			if v.Why == "" {
				t.Errorf("%s: %s has no reason", test.arn, v.Entry)
			}
		}
		if used != test.used || matching != test.matching {
			t.Errorf("%s: entry %d is used and %d match, want %d and %d", test.arn, used, matching, test.used, test.matching)
		}
	}
}

// Until every source has been read, an account may yet be somebody's by name.
func TestVerdictsOfAnUnreadSource(t *testing.T) {
	live := awsauth.NewLive(awsauth.Source{Name: awsauth.EKSConfigMap}, awsauth.Source{Name: awsauth.CRD})
	if err := live.Update(awsauth.EKSConfigMap, awsauth.ParseConfigMap(map[string]string{"mapAccounts": `["111122223333"]`})); err != nil {
		t.Fatal(err)
	}
	p, err := arn.ParsePrincipal("arn:aws:iam::111122223333:root")
	if err != nil {
		t.Fatal(err)
	}
	v := live.Table().Verdicts(arn.Identity{Principal: p})
	if len(v) != 1 || !v[0].Matches || v[0].Used || v[0].Why != "the mappings of CRD, which may come first, have not been read yet" {
		t.Errorf("%+v", v)
	}
}
