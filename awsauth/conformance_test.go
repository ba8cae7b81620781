package awsauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/arn"
	"github.com/google/go-cmp/cmp"
)

// syntaxes are the sources of mappings. A new one is a parser and a line here.
var syntaxes = []struct {
	source string
	parse  func(testing.TB, listing) *Document // nil: it has no way to say it
	lacks  int                                 // cases that it has no way to say
}{
	{EKSConfigMap, parseAsConfigMap, 0},
	{MountedFile, parseAsConfig, 0},
	{DynamicFile, parseAsDynamicFile, 0},
	{CRD, parseAsCustomResources, 27},
}

// listing is a document without a syntax: entries as keys and values.
type listing struct {
	roles, users []map[string]any
	accounts     []string
}

func parseAsConfigMap(_ testing.TB, l listing) *Document {
	doc := ParseConfigMap(map[string]string{
		MapRoles: yamlList(l.roles, ""), MapUsers: yamlList(l.users, ""), MapAccounts: yamlList(l.accounts, ""),
	})
	return &doc
}

func parseAsConfig(t testing.TB, l listing) *Document {
	// Users before roles: their order in the file must not matter.
	file := "clusterID: dev\nserver:\n" +
		"  mapUsers:\n" + yamlList(l.users, "  ") +
		"  mapRoles:\n" + yamlList(l.roles, "  ") +
		"  mapAccounts:\n" + yamlList(l.accounts, "  ")
	c, err := ParseConfig([]byte(file))
	if err != nil {
		t.Fatalf("ParseConfig: %v\n%s", err, file)
	}
	return &c.Mappings
}

func parseAsDynamicFile(t testing.TB, l listing) *Document {
	text, err := json.Marshal(map[string]any{
		MapUsers: l.users, MapRoles: l.roles, MapAccounts: l.accounts,
		"LastUpdatedDateTime": "2026-01-01T00:00:00Z", "Version": "2026-01-01", "ClusterID": "dev",
	})
	if err != nil {
		t.Fatal(err)
	}
	doc := ParseDynamicFile(text, false)
	return &doc
}

// parseAsCustomResources gives nil for what they can't say: anything but ARN,
// username and groups, and an order in which the kind does not count.
func parseAsCustomResources(_ testing.TB, l listing) *Document {
	misplaced := func(list []map[string]any, key string) bool {
		return slices.ContainsFunc(list, func(m map[string]any) bool { return m[key] != nil })
	}
	if len(l.accounts) > 0 || misplaced(l.roles, "userarn") || misplaced(l.users, "rolearn") {
		return nil
	}
	var list []IdentityMapping
	for _, fields := range slices.Concat(l.roles, l.users) {
		m := IdentityMapping{Name: fmt.Sprint("object-", len(list)), Created: minute(len(list))}
		for key, value := range fields {
			switch key {
			case "rolearn", "userarn":
				m.ARN = value.(string)
			case "username":
				m.Username = value.(string)
			case "groups":
				m.Groups, _ = value.([]string)
			default:
				return nil
			}
		}
		list = append(list, m)
	}
	slices.Reverse(list) // their age counts, not their order
	doc := ParseIdentityMappings(list)
	return &doc
}

func yamlList[T any](items []T, indent string) string {
	var b strings.Builder
	for _, item := range items {
		text, err := json.Marshal(item) // JSON is YAML
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&b, "%s- %s\n", indent, text)
	}
	return b.String()
}

func role(arn, username string, groups ...string) map[string]any {
	return map[string]any{"rolearn": arn, "username": username, "groups": groups}
}

func user(arn, username string, groups ...string) map[string]any {
	return map[string]any{"userarn": arn, "username": username, "groups": groups}
}

func sso(set, account, username string) map[string]any {
	return map[string]any{"sso": map[string]any{"permissionSetName": set, "accountID": account}, "username": username}
}

func with(m map[string]any, key string, value any) map[string]any {
	m[key] = value
	return m
}

// identity is what GetCallerIdentity would say for an ARN.
func identity(t testing.TB, s, userID string) arn.Identity {
	t.Helper()
	p, err := arn.ParsePrincipal(s)
	if err != nil {
		t.Fatal(err)
	}
	return arn.Identity{Principal: p, UserID: userID, AccessKeyID: "ASIAEXAMPLE"}
}

const (
	acct  = "arn:aws:iam::111122223333:"
	sess  = "arn:aws:sts::111122223333:assumed-role/"
	other = "arn:aws:iam::444455556666:"
)

type conformanceCase struct {
	name   string
	given  listing
	who    string // an ARN
	userID string
	want   string // the username, or the kind of refusal
	groups []string
	how    How
}

// The kinds of refusal.
const (
	notMapped = "not mapped"
	cannotBe  = "cannot be rendered"
	leftOut   = "not mapped, entry left out"
)

func conformance() []conformanceCase {
	roles := func(m ...map[string]any) listing { return listing{roles: m} }
	users := func(m ...map[string]any) listing { return listing{users: m} }
	return []conformanceCase{
		{name: "a user", given: users(user(acct+"user/ada.lovelace", "ada.lovelace", "awesome-app-admin")), who: acct + "user/ada.lovelace", want: "ada.lovelace", groups: []string{"awesome-app-admin"}, how: ByARN},
		{name: "a role's session", given: roles(role(acct+"role/awesome.role", "awesome.role", "a", "b")), who: sess + "awesome.role/ada", want: "awesome.role", groups: []string{"a", "b"}, how: ByARN},
		{name: "nobody", given: users(user(acct+"user/ada", "ada")), who: acct + "user/bob", want: notMapped},
		{name: "another account", given: users(user(acct+"user/ada", "ada")), who: other + "user/ada", want: notMapped},
		{name: "another partition", given: users(user(acct+"user/ada", "ada")), who: "arn:aws-cn:iam::111122223333:user/ada", want: notMapped},
		{name: "a role of a user's name", given: users(user(acct+"user/ada", "ada")), who: sess + "ada/x", want: notMapped},
		{name: "case of IAM names does not count", given: users(user(acct+"user/Ada", "ada")), who: acct + "user/aDA", want: "ada", how: ByARN},
		{name: "case of the ARN does not count", given: users(user("ARN:AWS:IAM::111122223333:USER/ada", "ada")), who: acct + "user/ada", want: "ada", how: ByARN},
		{name: "case of federated names counts", given: users(user("arn:aws:sts::111122223333:federated-user/Ada", "ada")), who: "arn:aws:sts::111122223333:federated-user/ada", want: notMapped},
		{name: "a federated user", given: users(user("arn:aws:sts::111122223333:federated-user/Ada", "ada")), who: "arn:aws:sts::111122223333:federated-user/Ada", want: "ada", how: ByARN},
		{name: "a user's path counts", given: users(user(acct+"user/team/ada", "ada")), who: acct + "user/team/ada", want: "ada", how: ByARN},
		{name: "a user of another path", given: users(user(acct+"user/team/ada", "ada")), who: acct + "user/ada", want: notMapped},
		{name: "root is root", given: users(user(acct+"root", "root")), who: acct + "root", want: "root", how: ByARN},
		{name: "root is not its account", given: users(user(acct+"root", "root")), who: acct + "user/ada", want: notMapped},
		{name: "a role's path is dropped", given: roles(role(acct+"role/team/dev/builder", "b")), who: sess + "builder/x", want: "b", how: ByRoleName},
		{name: "an SSO role's path is dropped", given: roles(role(acct+"role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123456789abcdef", "admin")), who: sess + "AWSReservedSSO_Admin_0123456789abcdef/ada", want: "admin", how: ByRoleName},
		{name: "a session ARN stands for its role", given: roles(role(sess+"builder/one", "b")), who: sess + "builder/two", want: "b", how: BySession},
		{name: "a user under mapRoles", given: roles(role(acct+"user/ada", "ada")), who: acct + "user/ada", want: "ada", how: ByARN},
		{name: "a role under mapUsers", given: users(user(acct+"role/builder", "b")), who: sess + "builder/x", want: "b", how: ByARN},
		{name: "roles before users", given: listing{roles: []map[string]any{role(acct+"user/ada", "first")}, users: []map[string]any{user(acct+"user/ada", "second")}}, who: acct + "user/ada", want: "first", how: ByARN},
		{name: "the first of two", given: roles(role(acct+"role/r", "first"), role(acct+"role/r", "second")), who: sess + "r/x", want: "first", how: ByARN},

		{name: "SSO", given: roles(sso("Admin", "111122223333", "a")), who: sess + "AWSReservedSSO_Admin_0123456789abcdef/ada", want: "a", how: BySSO},
		{name: "SSO with an underscore", given: roles(sso("My_Set", "111122223333", "a")), who: sess + "AWSReservedSSO_My_Set_0123456789abcdef/ada", want: "a", how: BySSO},
		{name: "SSO of another set that begins alike", given: roles(sso("Admin", "111122223333", "a")), who: sess + "AWSReservedSSO_Admin_Extra_0123456789abcdef/ada", want: notMapped},
		{name: "SSO of another account", given: roles(sso("Admin", "444455556666", "a")), who: sess + "AWSReservedSSO_Admin_0123456789abcdef/ada", want: notMapped},
		{name: "SSO suffix too short", given: roles(sso("Admin", "111122223333", "a")), who: sess + "AWSReservedSSO_Admin_0123456789abcde/ada", want: notMapped},
		{name: "SSO suffix not hexadecimal", given: roles(sso("Admin", "111122223333", "a")), who: sess + "AWSReservedSSO_Admin_0123456789abcdeg/ada", want: notMapped},
		{name: "SSO suffix not set apart", given: roles(sso("Admin", "111122223333", "a")), who: sess + "AWSReservedSSO_Admin-0123456789abcdef/ada", want: notMapped},
		{name: "SSO is for roles", given: roles(sso("Admin", "111122223333", "a")), who: acct + "user/AWSReservedSSO_Admin_0123456789abcdef", want: notMapped},
		{name: "SSO in a named partition", given: roles(with(sso("Admin", "111122223333", "a"), "sso", map[string]any{"permissionSetName": "Admin", "accountID": "111122223333", "partition": "aws-us-gov"})), who: "arn:aws-us-gov:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/ada", want: "a", how: BySSO},
		{name: "SSO before the exact role", given: roles(sso("A", "111122223333", "sso"), role(acct+"role/AWSReservedSSO_A_0123456789abcdef", "exact")), who: sess + "AWSReservedSSO_A_0123456789abcdef/x", want: "sso", how: BySSO},
		{name: "the exact role before SSO", given: roles(role(acct+"role/AWSReservedSSO_A_0123456789abcdef", "exact"), sso("A", "111122223333", "sso")), who: sess + "AWSReservedSSO_A_0123456789abcdef/x", want: "exact", how: ByARN},

		{name: "a wildcard", given: roles(role(acct+"role/dev-*", "d")), who: sess + "dev-one/x", want: "d", how: ByPattern},
		{name: "a wildcard does not care for case", given: roles(role(acct+"role/Dev-*", "d")), who: sess + "dEV-one/x", want: "d", how: ByPattern},
		{name: "a wildcard is for its account", given: roles(role(acct+"role/dev-*", "d")), who: "arn:aws:sts::444455556666:assumed-role/dev-one/x", want: notMapped},
		{name: "a wildcard is for its kind", given: roles(role(acct+"role/dev-*", "d")), who: acct + "user/dev-one", want: notMapped},
		{name: "? is exactly one", given: roles(role(acct+"role/dev?", "d")), who: sess + "dev/x", want: notMapped},
		{name: "a wildcard in a user's path", given: users(user(acct+"user/team-*/ada", "ada")), who: acct + "user/team-a/ada", want: "ada", how: ByPattern},
		{name: "* goes beyond a slash, as in IAM", given: users(user(acct+"user/team*", "t")), who: acct + "user/team/dev/ada", want: "t", how: ByPattern},
		{name: "a role's path with a wildcard is dropped", given: roles(role(acct+"role/team*dev/builder", "b")), who: sess + "builder/x", want: "b", how: ByRoleName},
		{name: "a role's path before a wildcard is dropped", given: roles(role(acct+"role/team/dev-*", "d")), who: sess + "dev-one/x", want: "d", how: ByPattern},
		{name: "a wildcard before the exact role", given: roles(role(acct+"role/dev-*", "first"), role(acct+"role/dev-one", "second")), who: sess + "dev-one/x", want: "first", how: ByPattern},
		{name: "the exact role before a wildcard", given: roles(role(acct+"role/dev-one", "first"), role(acct+"role/dev-*", "second")), who: sess + "dev-one/x", want: "first", how: ByARN},

		{name: "the pinned user", given: users(with(user(acct+"user/ada", "ada"), "userid", "AIDAONE")), who: acct + "user/ada", userID: "AIDAONE", want: "ada", how: ByARN},
		{name: "another user of the same name", given: users(with(user(acct+"user/ada", "ada"), "userid", "AIDAONE")), who: acct + "user/ada", userID: "AIDATWO", want: notMapped},
		{name: "a pinned user without an id", given: users(with(user(acct+"user/ada", "ada"), "userid", "AIDAONE")), who: acct + "user/ada", want: notMapped},
		{name: "after a pin that does not hold", given: users(with(user(acct+"user/ada", "old"), "userid", "AIDAONE"), user(acct+"user/ada", "new")), who: acct + "user/ada", userID: "AIDATWO", want: "new", how: ByARN},
		{name: "a pinned SSO role", given: roles(with(sso("A", "111122223333", "sso"), "userid", "AROAONE")), who: sess + "AWSReservedSSO_A_0123456789abcdef/x", userID: "AROATWO", want: notMapped},

		{name: "an account", given: listing{accounts: []string{"111122223333"}}, who: sess + "builder/x", want: acct + "role/builder", how: ByAccount},
		{name: "another account than listed", given: listing{accounts: []string{"444455556666"}}, who: acct + "user/ada", want: notMapped},
		{name: "an entry before its account", given: listing{users: []map[string]any{user(acct+"user/ada", "ada")}, accounts: []string{"111122223333"}}, who: acct + "user/ada", want: "ada", how: ByARN},
		{name: "the account is no way around an error", given: listing{roles: []map[string]any{role(acct+"role/node", "system:node:{{EC2PrivateDNSName}}")}, accounts: []string{"111122223333"}}, who: sess + "node/i-0123456789abcdef0", want: cannotBe},

		{name: "templates", given: roles(role(acct+"role/r", "{{AccountID}}/{{SessionName}}/{{SessionNameRaw}}/{{AccessKeyID}}", "g-{{AccountID}}", "static")), who: sess + "r/ada@example.com", want: "111122223333/ada-example.com/ada@example.com/ASIAEXAMPLE", groups: []string{"g-111122223333", "static"}, how: ByARN},
		{name: "no username", given: roles(map[string]any{"rolearn": acct + "role/r", "groups": []string{"g"}}), who: sess + "r/x", want: acct + "role/r", groups: []string{"g"}, how: ByARN},
		{name: "a group without a name", given: roles(role(acct+"role/r", "r", "a", "", "b")), who: sess + "r/x", want: "r", groups: []string{"a", "b"}, how: ByARN},
		{name: "keys in another case", given: roles(map[string]any{"roleARN": acct + "role/r", "UserName": "r", "gRoUpS": []string{"g"}}), who: sess + "r/x", want: "r", groups: []string{"g"}, how: ByARN},
		{name: "a key that is not known", given: roles(with(role(acct+"role/r", "r"), "comment", "x")), who: sess + "r/x", want: "r", how: ByARN},

		{name: "an unknown template", given: roles(role(acct+"role/r", "{{Session}}")), who: sess + "r/x", want: leftOut},
		{name: "an unknown template in a group", given: roles(role(acct+"role/r", "r", "{{Team}}")), who: sess + "r/x", want: leftOut},
		{name: "a session name that users do not have", given: users(user(acct+"user/ada", "u:{{SessionName}}")), who: acct + "user/ada", want: leftOut},
		{name: "nothing but a wildcard", given: roles(role(acct+"role/*", "r")), who: sess + "r/x", want: leftOut},
		{name: "nothing but a wildcard for one character", given: roles(role(acct+"role/?", "r")), who: sess + "r/x", want: leftOut},
		{name: "an ARN and sso", given: roles(with(sso("A", "111122223333", "a"), "rolearn", acct+"role/r")), who: sess + "r/x", want: leftOut},
		{name: "a user's key under mapRoles", given: roles(user(acct+"user/ada", "ada")), who: acct + "user/ada", want: leftOut},
		{name: "a role's key under mapUsers", given: users(role(acct+"user/ada", "ada")), who: acct + "user/ada", want: leftOut},
		{name: "a pin that is misspelt", given: users(with(user(acct+"user/ada", "ada"), "user_id", "AIDAONE")), who: acct + "user/ada", userID: "AIDAONE", want: leftOut},
		{name: "a role pinned to one session", given: roles(with(role(acct+"role/r", "r"), "userid", "AROAONE:x")), who: sess + "r/x", userID: "AROAONE", want: leftOut},
		{name: "an instance profile", given: roles(role(acct+"instance-profile/r", "r")), who: sess + "r/x", want: leftOut},
	}
}

func TestEverySourceGivesTheSameAnswer(t *testing.T) {
	t.Parallel()
	for _, syntax := range syntaxes {
		lacks := 0
		for _, c := range conformance() {
			if syntax.parse(t, c.given) == nil {
				lacks++
			}
		}
		if lacks != syntax.lacks {
			t.Errorf("%s has no way to say %d cases, want %d", syntax.source, lacks, syntax.lacks)
		}
		for _, c := range conformance() {
			t.Run(syntax.source+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				said := syntax.parse(t, c.given)
				if said == nil {
					t.Skip("this source has no way to say it")
				}
				doc := *said
				if len(doc.Broken) > 0 {
					t.Fatalf("broken: %v, %v", doc.Broken, doc.Faults)
				}
				m, err := NewTable(doc).Map(identity(t, c.who, c.userID))
				c.check(t, doc, m, err)
				if err == nil && m.Entry.Source != syntax.source {
					t.Errorf("the entry's source is %q, want %q", m.Entry.Source, syntax.source)
				}
			})
		}
	}
}

func (c conformanceCase) check(t *testing.T, doc Document, m Mapping, err error) {
	t.Helper()
	var unmapped *NotMappedError
	var render *RenderError
	switch c.want {
	case notMapped, leftOut:
		if !errors.As(err, &unmapped) {
			t.Fatalf("Map: %+v, %v; want a NotMappedError", m, err)
		}
		if c.want == leftOut && (len(doc.Entries) > 0 || countFaults(doc.Faults, Error) == 0) {
			t.Errorf("the entry was not left out with an error: %v", doc.Faults)
		}
		return
	case cannotBe:
		if !errors.As(err, &render) {
			t.Fatalf("Map: %+v, %v; want a RenderError", m, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if m.Username != c.want || m.How != c.how {
		t.Errorf("Map: %q by %v, want %q by %v", m.Username, m.How, c.want, c.how)
	}
	if diff := cmp.Diff(c.groups, append([]string(nil), m.Groups...)); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

func countFaults(faults []Fault, s Severity) int {
	n := 0
	for _, f := range faults {
		if f.Severity == s {
			n++
		}
	}
	return n
}
