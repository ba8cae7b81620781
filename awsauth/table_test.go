package awsauth

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/arn"
	"github.com/google/go-cmp/cmp"
)

// document makes a document of entries, as a parser would.
func document(source string, entries ...Entry) Document {
	d := Document{Source: source}
	for i, e := range entries {
		e.Index, e.Line = i, i+1
		d.Add(e)
	}
	return d
}

func userEntry(name, username string) Entry {
	return Entry{Key: MapUsers, ARN: acct + "user/" + name, Username: username}
}

func TestSourcesAreSearchedInOrder(t *testing.T) {
	t.Parallel()
	first := document("first", userEntry("ada", "one"), Entry{Key: MapAccounts, Account: "111122223333"})
	second := document("second", userEntry("ada", "two"), userEntry("bob", "bob"))
	for who, want := range map[string]string{
		"user/ada": "first mapUsers[0] (line 1), by ARN",
		// An account of an earlier source does not win over an entry of a later one.
		"user/bob": "second mapUsers[1] (line 2), by ARN",
		"user/cid": "first mapAccounts[1] (line 2), by account",
	} {
		m, err := NewTable(first, second).Map(identity(t, acct+who, ""))
		if err != nil || m.Reason() != want {
			t.Errorf("%s: %q, %v; want %q", who, m.Reason(), err, want)
		}
	}
	if m, _ := NewTable(second, first).Map(identity(t, acct+"user/ada", "")); m.Username != "two" {
		t.Errorf("the other way round: %+v", m)
	}
}

func TestShadowedEntriesAreNamed(t *testing.T) {
	t.Parallel()
	ssoRole := acct + "role/AWSReservedSSO_A_0123456789abcdef"
	ssoA := &SSO{PermissionSetName: "A", AccountID: "111122223333"}
	for name, c := range map[string]struct {
		entries []Entry
		want    []string // shadowed by what, as indexes
	}{
		"the same twice":                  {[]Entry{{ARN: acct + "user/a"}, {ARN: acct + "user/A"}}, []string{"1 by 0"}},
		"three times":                     {[]Entry{{ARN: acct + "user/a"}, {ARN: acct + "user/a"}, {ARN: acct + "user/a"}}, []string{"1 by 0", "2 by 0"}},
		"different":                       {[]Entry{{ARN: acct + "user/a"}, {ARN: acct + "role/a"}, {ARN: other + "user/a"}}, nil},
		"a path makes no other role":      {[]Entry{{ARN: acct + "role/x/a"}, {ARN: acct + "role/y/a"}}, []string{"1 by 0"}},
		"a session is its role":           {[]Entry{{ARN: acct + "role/a"}, {ARN: sess + "a/s"}}, []string{"1 by 0"}},
		"a pin after none":                {[]Entry{{ARN: acct + "user/a"}, {ARN: acct + "user/a", UserID: "U"}}, []string{"1 by 0"}},
		"none after a pin":                {[]Entry{{ARN: acct + "user/a", UserID: "U"}, {ARN: acct + "user/a"}}, nil},
		"two pins":                        {[]Entry{{ARN: acct + "user/a", UserID: "U"}, {ARN: acct + "user/a", UserID: "V"}, {ARN: acct + "user/a", UserID: "U"}}, []string{"2 by 0"}},
		"the role after its set":          {[]Entry{{SSO: ssoA}, {ARN: ssoRole}}, []string{"1 by 0"}},
		"the set after its role":          {[]Entry{{ARN: ssoRole}, {SSO: ssoA}}, nil},
		"the set twice":                   {[]Entry{{SSO: ssoA}, {SSO: &SSO{PermissionSetName: "a", AccountID: "111122223333", Partition: "aws"}}}, []string{"1 by 0"}},
		"the role after its pinned set":   {[]Entry{{SSO: ssoA, UserID: "U"}, {ARN: ssoRole}}, nil},
		"the pinned role after such set":  {[]Entry{{SSO: ssoA, UserID: "U"}, {ARN: ssoRole, UserID: "U"}}, []string{"1 by 0"}},
		"the pinned role after every set": {[]Entry{{SSO: ssoA}, {ARN: ssoRole, UserID: "U"}}, []string{"1 by 0"}},
		"accounts":                        {[]Entry{{Account: "111122223333"}, {Account: "444455556666"}, {Account: "111122223333"}}, []string{"2 by 0"}},
		"an account shadows nobody":       {[]Entry{{Account: "111122223333"}, {ARN: acct + "user/a"}}, nil},
	} {
		for i := range c.entries {
			c.entries[i].Username = "x"
		}
		table := NewTable(document("test", c.entries...))
		var got []string
		for _, s := range table.Shadowed() {
			got = append(got, string('0'+rune(s.Entry.Index))+" by "+string('0'+rune(s.By.Index)))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if len(table.Faults()) != len(got) || countFaults(table.Faults(), Warning) != len(got) {
			t.Errorf("%s: faults %q", name, lines(table.Faults()))
		}
	}
}

func TestShadowedEntriesSayWhatThePeerWouldDo(t *testing.T) {
	t.Parallel()
	one := document("one", userEntry("a", "x"), userEntry("a", "y"))
	two := document("two", userEntry("a", "z"))
	want := []string{
		"one mapUsers line 2: warning: the entry is never used: one mapUsers[0] (line 1) comes first and is for the same; remove one of the two; aws-iam-authenticator would use the last",
		"two mapUsers line 1: warning: the entry is never used: one mapUsers[0] (line 1) comes first and is for the same; remove one of the two",
	}
	if diff := cmp.Diff(want, lines(NewTable(one, two).Faults())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Entries that no parser has checked get the same checks.
func TestNewTableLeavesOutWhatAddWouldNotTake(t *testing.T) {
	t.Parallel()
	table := NewTable(Document{Source: "test", Entries: []Entry{
		{Source: "test", ARN: acct + "user/a", Username: "{{Nope}}"},
		{Source: "test", Username: "nobody"},
		{Source: "test", ARN: acct + "user/b", Username: "b", Groups: []string{"", "g"}},
	}})
	if table.Len() != 1 || table.Entries()[0].Username != "b" || !slices.Equal(table.Entries()[0].Groups, []string{"g"}) {
		t.Errorf("%+v", table.Entries())
	}
	if countFaults(table.Faults(), Error) != 2 {
		t.Errorf("%q", lines(table.Faults()))
	}
	if _, err := table.Map(identity(t, acct+"user/a", "")); err == nil {
		t.Error("an entry with an unknown template maps")
	}
}

func TestAppendingToGroupsDoesNotReachTheTable(t *testing.T) {
	t.Parallel()
	groups := append(make([]string, 0, 8), "a", "b")
	table := NewTable(document("test", Entry{ARN: acct + "user/ada", Username: "ada", Groups: groups}))
	one, err := table.Map(identity(t, acct+"user/ada", ""))
	two, err2 := table.Map(identity(t, acct+"user/ada", ""))
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	first, second := append(one.Groups, "one"), append(two.Groups, "two")
	if first[2] != "one" || second[2] != "two" {
		t.Errorf("%v and %v share memory", first, second)
	}
}

func TestNoIdentityIsNotMapped(t *testing.T) {
	t.Parallel()
	table := NewTable(document("test", Entry{Account: "111122223333"}))
	for _, id := range []arn.Identity{
		{},
		{Principal: arn.Principal{AccountID: "111122223333"}},
		{Principal: arn.Principal{Kind: 99, AccountID: "111122223333"}},
		{Principal: arn.Principal{Kind: arn.User}},
	} {
		m, err := table.Map(id)
		var unmapped *NotMappedError
		if !errors.As(err, &unmapped) {
			t.Errorf("%+v: %+v, %v", id, m, err)
		}
		unmapped.Hints()
	}
	if hints := (&NotMappedError{}).Hints(); hints != nil {
		t.Errorf("%q", hints)
	}
}

func TestHintsNameTheNearestEntries(t *testing.T) {
	t.Parallel()
	bad := ParseConfigMap(map[string]string{"mapUsers": "- userarn: arn:aws:iam::111122223333:user/bad\n  username: '{{Nope}}'\n"})
	table := NewTable(document("t",
		userEntry("ada", "ada"),
		Entry{ARN: acct + "user/team/pat", Username: "x"},
		Entry{ARN: acct + "user/pin", Username: "x", UserID: "AIDAOLD"},
		Entry{ARN: acct + "role/AWSReservedSSO_My_Set_0123456789abcdef", Username: "x"},
		Entry{SSO: &SSO{PermissionSetName: "Dev", AccountID: "111122223333"}, Username: "x", UserID: "AROAOLD"},
		Entry{ARN: "arn:aws:sts::111122223333:federated-user/Fed", Username: "x"},
		Entry{Account: "777788889999"},
	), bad)
	for _, c := range []struct{ who, userID, want string }{
		{other + "user/ada", "", "t mapUsers[0] (line 1) is for arn:aws:iam::111122223333:user/ada: the account is another"},
		{"arn:aws-cn:iam::111122223333:user/ada", "", "t mapUsers[0] (line 1) is for arn:aws:iam::111122223333:user/ada: the partition is another"},
		{sess + "ada/x", "", "t mapUsers[0] (line 1) is for arn:aws:iam::111122223333:user/ada: that is a user, this is a role"},
		{acct + "user/pat", "", "t [1] (line 2) is for arn:aws:iam::111122223333:user/team/pat: the path is another: write arn:aws:iam::111122223333:user/pat"},
		{acct + "user/pin", "AIDANEW", `t [2] (line 3) is for arn:aws:iam::111122223333:user/pin: it is pinned to the user id "AIDAOLD", and this is "AIDANEW": was it deleted and created again?`},
		{sess + "AWSReservedSSO_My_Set_fedcba9876543210/x", "", `t [3] (line 4) is for arn:aws:iam::111122223333:role/AWSReservedSSO_My_Set_0123456789abcdef: it is the role of the same permission set with another suffix: in place of rolearn write sso: {permissionSetName: My_Set, accountID: "111122223333"}, which does not depend on it`},
		{"arn:aws:sts::444455556666:assumed-role/AWSReservedSSO_Dev_0123456789abcdef/x", "", "t [4] (line 5) is for arn:aws:iam::111122223333:role/AWSReservedSSO_Dev_*: the account is another"},
		{"arn:aws-cn:sts::111122223333:assumed-role/AWSReservedSSO_Dev_0123456789abcdef/x", "", "t [4] (line 5) is for arn:aws:iam::111122223333:role/AWSReservedSSO_Dev_*: the partition is another"},
		{sess + "AWSReservedSSO_Dev_0123456789abcdef/x", "AROANEW", `t [4] (line 5) is for arn:aws:iam::111122223333:role/AWSReservedSSO_Dev_*: it is pinned to the user id "AROAOLD", and this is "AROANEW": was it deleted and created again?`},
		{"arn:aws:sts::111122223333:federated-user/fed", "", "t [5] (line 6) is for arn:aws:sts::111122223333:federated-user/Fed: the case of letters counts in the names of federated users"},
		{acct + "user/bad", "", "it would match an entry that is not used: EKSConfigMap mapUsers line 1: error: username: {{Nope}} is not a template; known here: AccountID, SessionName, SessionNameRaw, AccessKeyID, EC2PrivateDNSName"},
		{acct + "user/stranger", "", ""},
		{sess + "stranger/ada", "", ""},
		{acct + "root", "", ""},
	} {
		id := identity(t, c.who, c.userID)
		_, err := table.Map(id)
		var unmapped *NotMappedError
		if !errors.As(err, &unmapped) {
			t.Fatalf("%s: %v", c.who, err)
		}
		if want := id.Canonical() + " is not mapped"; err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
		var want []string
		if c.want != "" {
			want = []string{c.want}
		}
		if diff := cmp.Diff(want, unmapped.Hints()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.who, diff)
		}
	}
}

func TestHintsAreAtMostFive(t *testing.T) {
	t.Parallel()
	var entries []Entry
	for _, partition := range []string{"aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"} {
		entries = append(entries, Entry{ARN: "arn:" + partition + ":iam::444455556666:user/ada", Username: "x"})
	}
	_, err := NewTable(document("t", entries...)).Map(identity(t, acct+"user/ada", ""))
	var unmapped *NotMappedError
	if !errors.As(err, &unmapped) || len(unmapped.Hints()) != maxHints {
		t.Errorf("%v", unmapped.Hints())
	}
}

// A slip of the pen in an ARN leaves nobody's: the name in it tells whose it was to be.
func TestRejectedEntriesThatAreMeantForSomebody(t *testing.T) {
	doc := ParseConfigMap(map[string]string{MapUsers: `
- {userarn: "arn:aws:iam::11112222333:user/ada", username: a}
- {userarn: "arn:aws:iam:111122223333:user/ADA", username: b}
- {userarn: "arn:aws:iam::111122223333:user/bob", username: "{{Oops}}"}
- {userarnn: "arn:aws:iam::111122223333:user/x", username: ada}
- {userarn: "arn:aws:iam::111122223333:user/rad*/ada[", username: "{{"}
`})
	p, err := arn.ParsePrincipal("arn:aws:iam::111122223333:user/ada")
	if err != nil {
		t.Fatal(err)
	}
	id := arn.Identity{Principal: p}
	var places []int
	for _, e := range doc.Meant(id) {
		places = append(places, e.Index)
	}
	if !slices.Equal(places, []int{0, 1, 3}) {
		t.Errorf("%v of %+v", places, doc.Rejected)
	}
	_, err = NewTable(doc).Map(id)
	var unmapped *NotMappedError
	if !errors.As(err, &unmapped) || len(unmapped.Hints()) != 2 || !strings.Contains(unmapped.Hints()[0], "may be meant for it: EKSConfigMap mapUsers line 2: error: ") {
		t.Errorf("%v %q", err, unmapped.Hints())
	}
}
