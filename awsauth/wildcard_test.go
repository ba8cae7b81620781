package awsauth

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/arn"
)

func TestPatternsAreBounded(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"arn:aws:iam::111122223333:role/*":                    "has nothing but wildcards for a name; for every principal of the account, use mapAccounts",
		"arn:aws:iam::111122223333:role/team/*":               "has nothing but wildcards for a name",
		"arn:aws:iam::111122223333:role/*/?*":                 "has nothing but wildcards for a name",
		"arn:aws:iam::111122223333:user/*/*":                  "has nothing but wildcards for a name",
		"arn:aws:iam::*:role/admin":                           "has a wildcard where partition and account are",
		"arn:aws:iam::11112222333?:role/admin":                "has a wildcard where partition and account are",
		"arn:*:iam::111122223333:role/admin":                  "has a wildcard where partition and account are",
		"arn:aws:iam::111122223333:*":                         "",
		"arn:aws:iam::111122223333:r*/admin":                  "",
		"*":                                                   "",
		"arn:aws:iam::1111:role/a*":                           "has no account id of twelve digits",
		"arn:aws:sts::111122223333:assumed-role/admin/*":      "is neither a role nor a user; every session of a role matches the role's own ARN",
		"arn:aws:sts::111122223333:federated-user/a*":         "is neither a role nor a user",
		"arn:aws:iam::111122223333:instance-profile/a*":       "is an instance profile",
		"arn:aws:iam::111122223333:role/a*\n  userid: AROA12": "the entry is for one user id, and for any principal of a pattern",
	} {
		d := ParseConfigMap(map[string]string{MapRoles: "- username: x\n  rolearn: '" + strings.Replace(text, "\n", "'\n", 1) + quoteIf(text)})
		if len(d.Entries) > 0 || len(d.Broken) > 0 {
			t.Errorf("%s: %+v", text, d)
		}
		if all := strings.Join(lines(d.Faults), "\n"); !strings.Contains(all, want) {
			t.Errorf("%s:\n got %s\nwant %s", text, all, want)
		}
	}
}

func quoteIf(text string) string {
	if strings.Contains(text, "\n") {
		return ""
	}
	return "'"
}

func TestPatternsSayWhatIsBetter(t *testing.T) {
	t.Parallel()
	for arn, want := range map[string]string{
		acct + "role/AWSReservedSSO_Admin_*":                                 "write sso: {permissionSetName",
		acct + "role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Admin*": "write sso: {permissionSetName",
		acct + "role/team*dev/builder":                                       "write it without the path",
		acct + "role/?/builder":                                              "write it without the path",
		acct + "role/team/dev-*":                                             "write it without the path",
		acct + "role/dev-*":                                                  "",
	} {
		d := ParseConfigMap(map[string]string{MapRoles: yamlList([]map[string]any{role(arn, "x")}, "")})
		if len(d.Entries) != 1 || countFaults(d.Faults, Error) > 0 || (len(d.Faults) > 0) != (want != "") || !strings.Contains(strings.Join(lines(d.Faults), ""), want) {
			t.Errorf("%s: %+v", arn, d)
		}
	}
}

// What shadows what, as far as wildcards go: the second entry by the first.
func TestPatternsShadow(t *testing.T) {
	t.Parallel()
	ssoRole := acct + "role/AWSReservedSSO_Admin_0123456789abcdef"
	for _, c := range []struct {
		first, second map[string]any
		want          bool
	}{
		{role(acct+"role/dev-*", "x"), role(acct+"role/dev-one", "y"), true},
		{role(acct+"role/dev-*", "x"), role(acct+"role/DEV-*", "y"), true},
		{role(acct+"role/dev-*", "x"), role(acct+"role/dev-a*", "y"), true},
		{role(acct+"role/*-dev", "x"), role(acct+"role/a?-dev", "y"), true},
		{role(acct+"role/dev-a*", "x"), role(acct+"role/dev-*", "y"), false},
		{role(acct+"role/dev-?", "x"), role(acct+"role/dev-*", "y"), false},
		{role(acct+"role/dev-?", "x"), role(acct+"role/dev-?", "y"), true},
		{role(acct+"role/dev-one", "x"), role(acct+"role/dev-*", "y"), false},
		{role(acct+"role/dev-*", "x"), role(other+"role/dev-one", "y"), false},
		{role(acct+"role/AWSReservedSSO_Admin_*", "x"), sso("Admin", "111122223333", "y"), true},
		{role(acct+"role/AWSReservedSSO_*", "x"), sso("Admin", "111122223333", "y"), true},
		{role(acct+"role/AWSReservedSSO_Admin_0*", "x"), sso("Admin", "111122223333", "y"), false},
		{role(acct+"role/AWSReservedSSO_Admin_*", "x"), role(ssoRole, "y"), true},
		{sso("Admin", "111122223333", "y"), role(acct+"role/AWSReservedSSO_Admin_*", "x"), false},
	} {
		table := NewTable(ParseConfigMap(map[string]string{MapRoles: yamlList([]map[string]any{c.first, c.second}, "")}))
		if table.Len() != 2 || (len(table.Shadowed()) == 1) != c.want {
			t.Errorf("%v, %v: shadowed %v, want %v", c.first, c.second, table.Shadowed(), c.want)
		}
	}
}

// The index must find what trying all patterns one after the other finds.
func TestPatternsAreFoundLikeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	texts := []string{"a*", "ab*", "*b", "a?c*", "?bc", "ab?*", "abc*", "*a*", "b*a?", "ba*", "a-very-long-name-that-goes-on-and-on-until-it-is-longer-than-sixty-four-*"}
	names := []string{"a", "ab", "abc", "abcd", "b", "ba", "bab", "xbc", "axcz", "bca", "c"}
	for n := range 1 << len(texts) {
		var doc Document
		for i, text := range texts {
			if n>>i&1 == 1 {
				doc.Add(Entry{Key: MapRoles, Index: i, ARN: acct + "role/" + text, Username: text})
			}
		}
		table := NewTable(doc)
		for _, name := range names {
			want := ""
			for i, text := range texts {
				if n>>i&1 == 1 && arn.Match(text, name) {
					want = text
					break
				}
			}
			if m, _ := table.Map(identity(t, sess+name+"/s", "")); m.Username != want {
				t.Fatalf("%b: %s is %q, want %q", n, name, m.Username, want)
			}
		}
	}
}

func TestPatternHints(t *testing.T) {
	t.Parallel()
	table := NewTable(ParseConfigMap(map[string]string{MapRoles: yamlList([]map[string]any{role(acct+"role/dev-*", "x")}, "")}))
	for who, want := range map[string]string{
		"arn:aws:sts::444455556666:assumed-role/dev-one/s":    "the account is another",
		"arn:aws-cn:sts::111122223333:assumed-role/dev-one/s": "the partition is another",
		acct + "user/dev-one":                                 "that is for a role, this is a user",
		sess + "prod/s":                                       "",
	} {
		_, err := table.Map(identity(t, who, ""))
		unmapped, ok := err.(*NotMappedError)
		if !ok {
			t.Fatalf("%s: %v", who, err)
		}
		if got := strings.Join(unmapped.Hints(), ""); (got != "") != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", who, got, want)
		}
	}
}

func BenchmarkMapPatterns(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var doc Document
			for i := range n {
				doc.Add(Entry{Key: MapRoles, Index: i, ARN: fmt.Sprintf("%srole/team-%06d-*", acct, i), Username: "x"})
			}
			table := NewTable(doc)
			id := identity(b, fmt.Sprintf("%steam-%06d-dev/s", sess, n/2), "")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := table.Map(id); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
