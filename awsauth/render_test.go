package awsauth

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/arn"
)

// nodeNames answers for one instance and counts the questions.
type nodeNames struct {
	name  string
	err   error
	asked []string
}

func (n *nodeNames) PrivateDNSName(_ context.Context, id string) (string, error) {
	n.asked = append(n.asked, id)
	return n.name, n.err
}

func roleTable(username string, groups ...string) *Table {
	d := Document{Source: "test"}
	d.Add(Entry{Key: MapRoles, ARN: acct + "role/r", Username: username, Groups: groups})
	return NewTable(d)
}

func TestValuesAreInsertedOnceAndNeverReadAgain(t *testing.T) {
	t.Parallel()
	// STS refuses braces in session names; the renderer must not rely on it.
	id := arn.Identity{Principal: arn.Principal{Kind: arn.AssumedRole, Partition: "aws", AccountID: "111122223333", Name: "r", Session: "{{AccountID}}{{SessionNameRaw}}@{{"}}
	m, err := roleTable("{{SessionName}}|{{SessionNameRaw}}|{{AccountID}}").Map(id)
	want := "{{AccountID}}{{SessionNameRaw}}-{{|{{AccountID}}{{SessionNameRaw}}@{{|111122223333"
	if err != nil || m.Username != want {
		t.Errorf("got %q, %v; want %q", m.Username, err, want)
	}
}

func TestAValueThatIsNotThereRefuses(t *testing.T) {
	t.Parallel()
	role := arn.Identity{Principal: arn.Principal{Kind: arn.Role, Partition: "aws", AccountID: "111122223333", Name: "r"}}
	for username, want := range map[string]string{
		"u:{{SessionName}}":       `test mapRoles[0]: "u:{{SessionName}}": the identity has no session name`,
		"u:{{SessionNameRaw}}":    `test mapRoles[0]: "u:{{SessionNameRaw}}": the identity has no session name`,
		"u:{{AccessKeyID}}":       `test mapRoles[0]: "u:{{AccessKeyID}}": the access key id is not known`,
		"u:{{EC2PrivateDNSName}}": `test mapRoles[0]: "u:{{EC2PrivateDNSName}}": the session name is not an EC2 instance id`,
	} {
		for _, table := range []*Table{roleTable(username), roleTable("static", "static", username)} {
			m, err := table.Map(role)
			var render *RenderError
			if !errors.As(err, &render) || err.Error() != want || m.Username != "" || m.Groups != nil {
				t.Errorf("%s: %+v, %v", username, m, err)
			}
		}
	}
}

func TestPrivateDNSNameIsAskedForOnce(t *testing.T) {
	t.Parallel()
	table := roleTable("system:node:{{EC2PrivateDNSName}}", "system:nodes", "n:{{EC2PrivateDNSName}}")
	for _, session := range []string{"i-0123456789abcdef0", "i-01234567"} {
		names := &nodeNames{name: "ip-10-0-0-1.ec2.internal"}
		m, err := table.MapWith(t.Context(), identity(t, sess+"r/"+session, ""), names)
		if err != nil || m.Username != "system:node:ip-10-0-0-1.ec2.internal" || !slices.Equal(m.Groups, []string{"system:nodes", "n:ip-10-0-0-1.ec2.internal"}) {
			t.Errorf("%+v, %v", m, err)
		}
		if !slices.Equal(names.asked, []string{session}) {
			t.Errorf("asked for %v", names.asked)
		}
	}
}

func TestPrivateDNSNameRefusesWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	table := roleTable("system:node:{{EC2PrivateDNSName}}")
	down := errors.New("throttled")
	for name, c := range map[string]struct {
		session string
		names   NodeNames
		want    string
	}{
		"nobody to ask":   {"i-0123456789abcdef0", nil, "EC2 cannot be asked for private DNS names here"},
		"an error":        {"i-0123456789abcdef0", &nodeNames{err: down}, "EC2 private DNS name of i-0123456789abcdef0: throttled"},
		"an empty name":   {"i-0123456789abcdef0", &nodeNames{}, "EC2 has no private DNS name for i-0123456789abcdef0"},
		"no instance":     {"ada", &nodeNames{name: "x"}, "the session name is not an EC2 instance id"},
		"too short":       {"i-0123456", &nodeNames{name: "x"}, "the session name is not an EC2 instance id"},
		"not hexadecimal": {"i-0123456z", &nodeNames{name: "x"}, "the session name is not an EC2 instance id"},
	} {
		_, err := table.MapWith(t.Context(), identity(t, sess+"r/"+c.session, ""), c.names)
		var render *RenderError
		if !errors.As(err, &render) || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "an error" && !errors.Is(err, down) {
			t.Error("the cause is not in the error's chain")
		}
	}
}

func TestReservedPrefixesHoldForTheRenderedUsername(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		entry    Entry
		who      string
		reserved string // "" if it is allowed
	}{
		{Entry{ARN: acct + "role/r", Username: "system:x"}, sess + "r/s", "system:"},
		{Entry{ARN: acct + "role/r", Username: "{{SessionName}}"}, sess + "r/eks-x", "eks-"},
		{Entry{ARN: acct + "role/r", Username: "my-system:x"}, sess + "r/s", ""},
		{Entry{ARN: acct + "role/r"}, sess + "r/s", "arn:"},
		{Entry{Account: "111122223333"}, sess + "r/s", "arn:"},
	} {
		d := Document{Source: "test", ReservedPrefixes: []string{"", "system:", "eks-", "arn:"}}
		d.Add(c.entry)
		_, err := NewTable(d).Map(identity(t, c.who, ""))
		var reserved *ReservedError
		if c.reserved == "" && err != nil || c.reserved != "" && (!errors.As(err, &reserved) || reserved.Prefix != c.reserved) {
			t.Errorf("%+v: %v, want prefix %q refused", c.entry, err, c.reserved)
		}
	}
}

// The prefixes are those of the source of the entry that matched, and a later
// source is no way around them.
func TestReservedPrefixesAreTheSources(t *testing.T) {
	t.Parallel()
	free, bound := Document{Source: "free"}, Document{Source: "bound", ReservedPrefixes: []string{"system:"}}
	free.Add(Entry{ARN: acct + "user/free", Username: "system:a"})
	free.Add(Entry{ARN: acct + "user/both", Username: "system:b"})
	bound.Add(Entry{ARN: acct + "user/both", Username: "system:c"})
	free.Add(Entry{Account: "111122223333"})
	table := NewTable(bound, free)
	if m, err := table.Map(identity(t, acct+"user/free", "")); err != nil || m.Username != "system:a" {
		t.Errorf("%+v, %v", m, err)
	}
	m, err := table.Map(identity(t, acct+"user/both", ""))
	if want := `bound [0]: username "system:c" begins with "system:", which is reserved there`; err == nil || err.Error() != want {
		t.Errorf("%+v, %v; want %s", m, err, want)
	}
	if got := lines(table.Faults()); len(got) != 2 || !strings.Contains(got[0], "whoever matches is refused") {
		t.Errorf("faults: %q", got)
	}
}
