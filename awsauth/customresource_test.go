package awsauth

import (
	"slices"
	"strings"
	"testing"
)

func TestIdentityMappingsAreInOrderOfAge(t *testing.T) {
	t.Parallel()
	mapping := func(name string, age int, username string) IdentityMapping {
		return IdentityMapping{Name: name, Created: minute(age), ARN: acct + "user/ada", Username: username}
	}
	d := ParseIdentityMappings([]IdentityMapping{mapping("a-new", 2, "third"), mapping("c", 1, "second"), mapping("b", 1, "first")})
	table := NewTable(d)
	m, err := table.Map(identity(t, acct+"user/ada", ""))
	if err != nil || m.Username != "first" || m.Reason() != "CRD b, by ARN" {
		t.Errorf("%+v, %v", m, err)
	}
	if got := lines(table.Faults()); len(got) != 2 || !strings.HasPrefix(got[0], "CRD c: warning: the entry is never used: CRD b comes first") {
		t.Errorf("%q", got)
	}
}

func TestFaultsOfIdentityMappingsNameThem(t *testing.T) {
	t.Parallel()
	d := ParseIdentityMappings([]IdentityMapping{{Name: "bad", ARN: "x", Username: "x"}, {Name: "none", Username: "x"}})
	want := []string{
		`CRD bad: error: "x" does not begin with "arn:"; write it as arn:aws:iam::111122223333:role/NAME`,
		"CRD none: error: the entry does not say whom it is for; give spec.arn",
	}
	if got := lines(d.Faults); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// An object that turns faulty keeps what it was; one that is deleted is gone,
// whatever others are.
func TestLiveKeepsAnIdentityMappingThatTurnsFaulty(t *testing.T) {
	t.Parallel()
	mapping := func(name, user string) IdentityMapping {
		return IdentityMapping{Name: name, Created: minute(0), ARN: acct + "user/" + user, Username: user}
	}
	bad := IdentityMapping{Name: "one", Created: minute(0), ARN: "x", Username: "x"}
	l := NewLive(Source{Name: CRD})
	update(t, l, CRD, ParseIdentityMappings([]IdentityMapping{mapping("one", "ada"), mapping("two", "bob")}))
	update(t, l, CRD, ParseIdentityMappings([]IdentityMapping{bad, mapping("two", "bob")}))
	if who(t, l, "ada") != "ada" || who(t, l, "bob") != "bob" || len(l.State()[0].Kept) != 1 {
		t.Errorf("one is faulty: %s, %s, %+v", who(t, l, "ada"), who(t, l, "bob"), l.State()[0])
	}
	update(t, l, CRD, ParseIdentityMappings([]IdentityMapping{bad})) // two is deleted
	if who(t, l, "ada") != "ada" || who(t, l, "bob") != "not mapped" {
		t.Errorf("two is deleted: %s, %s", who(t, l, "ada"), who(t, l, "bob"))
	}
	renamed := bad
	renamed.Name = "other"
	update(t, l, CRD, ParseIdentityMappings([]IdentityMapping{renamed})) // one is deleted, another is faulty
	if who(t, l, "ada") != "not mapped" {
		t.Errorf("one is deleted: %s", who(t, l, "ada"))
	}
	update(t, l, CRD, ParseIdentityMappings([]IdentityMapping{mapping("one", "ada")}))
	update(t, l, CRD, ParseIdentityMappings([]IdentityMapping{bad, mapping("two", "ada")})) // moved to another object
	if m := l.State()[0]; who(t, l, "ada") != "ada" || len(m.Kept) != 0 {
		t.Errorf("moved: %+v", m)
	}
}
