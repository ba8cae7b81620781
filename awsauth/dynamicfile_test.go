package awsauth

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dynamic is the example of aws-iam-authenticator's README, with a user id each.
const dynamic = `{
	"LastUpdatedDateTime": "2026-01-01T00:00:00Z",
	"Version": "2026-01-01",
	"ClusterID": "dev",
	"mapRoles": [
		{
			"rolearn": "arn:aws:iam::111122223333:role/r",
			"username": "r:{{SessionName}}",
			"groups": ["g"],
			"userid": "AROAONE"
		}
	],
	"mapUsers": [
		{"userarn": "arn:aws:iam::111122223333:user/ada", "username": "ada \ud83d\ude00", "groups": [], "userid": "AIDAONE"}
	],
	"mapAccounts": ["444455556666"]
}
`

func TestParseDynamicFile(t *testing.T) {
	t.Parallel()
	want := Document{Source: DynamicFile, Entries: []Entry{
		{Source: DynamicFile, Key: MapRoles, Line: 6, ARN: acct + "role/r", UserID: "AROAONE", Username: "r:{{SessionName}}", Groups: []string{"g"}},
		{Source: DynamicFile, Key: MapUsers, Line: 14, ARN: acct + "user/ada", UserID: "AIDAONE", Username: "ada 😀", Groups: []string{}},
		{Source: DynamicFile, Key: MapAccounts, Line: 16, Account: "444455556666"},
	}}
	if diff := cmp.Diff(want, ParseDynamicFile([]byte(dynamic), false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUserIDStrict(t *testing.T) {
	t.Parallel()
	table := NewTable(ParseDynamicFile([]byte(dynamic), true))
	for _, c := range []struct{ who, userID, want string }{
		{sess + "r/s", "AROAONE", "r:s"},
		{sess + "renamed/s", "AROAONE", "r:s"}, // the ARN does not count
		{sess + "r/s", "AROATWO", notMapped},   // created again
		{sess + "r/s", "", notMapped},
		{acct + "user/ada", "AIDAONE", "ada 😀"},
		{acct + "user/ada", "AIDATWO", notMapped},
		{other + "user/bob", "AIDABOB", other + "user/bob"}, // by account
	} {
		m, err := table.Map(identity(t, c.who, c.userID))
		got := m.Username
		if err != nil {
			got = notMapped
		}
		if got != c.want {
			t.Errorf("%s with %q: %q, want %q (%v)", c.who, c.userID, got, c.want, err)
		}
		if unmapped, ok := err.(*NotMappedError); ok && c.userID != "" {
			if hints := strings.Join(unmapped.Hints(), ""); !strings.Contains(hints, "only the user id counts; it is pinned to the user id") {
				t.Errorf("%s: hints %q", c.who, hints)
			}
		}
	}
}

func TestUserIDStrictRefuses(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		`{"rolearn": "arn:aws:iam::111122223333:role/r", "username": "x"}`:  "the entry has no userid, and nothing else counts here",
		`{"userid": "AROAONE:session", "username": "x"}`:                    `userid "AROAONE:session" has a session name`,
		`{"userid": "AROAONE", "sso": {"permissionSetName": "Admin"}}`:      "sso does not count here",
		`{"userid": ["AROAONE"], "username": "x"}`:                          "userid is a list, not a text",
		`{"userid": "AROAONE", "username": "{{Nobody}}"}`:                   "{{Nobody}} is not a template",
		`{"user_id": "AROAONE", "rolearn": "arn:aws:iam::111122223333:x"}`:  "did you mean userid?",
		`{"userid": "AROAONE", "userid": "AROATWO", "username": "x"}`:       `the key "userid" is there twice`,
		`{"userid": "AROAONE", "userarn": "arn:aws:iam::111122223333:x/y"}`: "userarn does not belong into mapRoles",
	} {
		d := ParseDynamicFile([]byte(`{"mapRoles": [`+entry+`]}`), true)
		if all := strings.Join(lines(d.Faults), "\n"); len(d.Entries) > 0 || len(d.Broken) > 0 || !strings.Contains(all, want) {
			t.Errorf("%s:\n got %s %+v\nwant %s", entry, all, d.Entries, want)
		}
	}
	twice := NewTable(ParseDynamicFile([]byte(`{"mapRoles": [{"userid": "A", "username": "x"}, {"userid": "A", "username": "y"}]}`), true))
	if s := twice.Shadowed(); len(s) != 1 || s[0].Entry.Username != "y" {
		t.Errorf("the same id twice: %v", s)
	}
}

func TestDynamicFileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                "the file is not JSON: it ends too early",
		"{\n\"mapRoles\": [\n":            "line 2: error: the file is not JSON: it ends too early",
		"{\n\"mapRoles\": [,]}":           "line 2: error: the file is not JSON: invalid character ','",
		"{} {}":                           "the file is not JSON: something follows the value",
		"mapRoles: []":                    "the file is not JSON",
		"[]":                              "the file is a list, not an object",
		`{"mapRoles": {}}`:                "mapRoles is a mapping, not a list",
		`{"mapRole": []}`:                 `the file has no key mapRoles, but "mapRole"; rename it to mapRoles`,
		`{"mapRoles": [], "maproles":[]}`: `the key "maproles" is there twice`,
		strings.Repeat("[", 40):           "too much in one another",
		strings.Repeat(" ", maxFile+1):    "the file is longer than",
	} {
		d := ParseDynamicFile([]byte(text), false)
		if all := strings.Join(lines(d.Faults), "\n"); len(d.Broken) == 0 || len(d.Entries) > 0 || !strings.Contains(all, want) {
			t.Errorf("%.40q:\n got %s\nwant %s", text, all, want)
		}
	}
}

func TestSilentDocuments(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{}`: true, `{"Version": "1"}`: true, `{"mapRoles": null}`: true,
		`{"mapRoles": []}`: false, dynamic: false, `{`: false,
	} {
		if got := ParseDynamicFile([]byte(text), false).Silent; got != want {
			t.Errorf("%q: silent %v", text, got)
		}
	}
	for _, c := range []struct {
		data map[string]string
		want bool
	}{
		{nil, true}, {map[string]string{MapRoles: " \n"}, true}, {map[string]string{"other": "x"}, true},
		{map[string]string{MapRoles: "[]"}, false}, {map[string]string{MapUsers: users("ada")}, false}, {map[string]string{"mapRole": "[]"}, false},
	} {
		if got := ParseConfigMap(c.data).Silent; got != c.want {
			t.Errorf("%q: silent %v", c.data, got)
		}
	}
}
