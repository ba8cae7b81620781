package mapedit

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/awsauth"
)

const kept = `# who may do what
- rolearn: arn:aws:iam::111122223333:role/admin # the boss
  username: "admin"
  groups:   [ system:masters ]

# nodes; do not touch
-
  rolearn: 'arn:aws:iam::111122223333:role/node'
  username: node
  # within the entry
- {rolearn: "arn:aws:iam::111122223333:role/reader", username: reader}
# the end
`

var ada = awsauth.Entry{
	Key: awsauth.MapRoles, ARN: "arn:aws:iam::111122223333:role/ada",
	Username: "ada:{{SessionName}}", Groups: []string{"a", "true"},
}

const adaText = `- rolearn: arn:aws:iam::111122223333:role/ada
  username: ada:{{SessionName}}
  groups:
    - a
    - "true"
`

func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

func TestAdd(t *testing.T) {
	for _, test := range []struct{ before, after string }{
		{"", adaText},
		{"# only a comment", "# only a comment\n" + adaText},
		{"# only a comment\n[]\n", "# only a comment\n" + adaText},
		{kept, kept + adaText},
		{"  - rolearn: arn:aws:iam::111122223333:role/x", "  - rolearn: arn:aws:iam::111122223333:role/x\n" + indented(adaText)},
	} {
		if after, err := Add(test.before, ada); err != nil || after != test.after {
			t.Errorf("Add to\n%s\ngave\n%s\n%v", test.before, after, err)
		}
	}
}

func TestRemove(t *testing.T) {
	lines := strings.SplitAfter(kept, "\n")
	for index, cut := range [][2]int{{1, 4}, {6, 10}, {10, 11}} {
		want := strings.Join(slices.Delete(slices.Clone(lines), cut[0], cut[1]), "")
		if after, err := Remove(kept, awsauth.MapRoles, index); err != nil || after != want {
			t.Errorf("without %d:\n%s\nwant\n%s\n%v", index, after, want, err)
		}
	}
	if after, err := Remove("- rolearn: x\n# last", awsauth.MapRoles, 0); err != nil || after != "# last\n[]\n" {
		t.Errorf("%q %v", after, err)
	}
}

func TestRefusesWhatItCannotKeep(t *testing.T) {
	for _, text := range []string{
		"[ ]", `[{"rolearn": "arn:aws:iam::111122223333:role/x"}]`,
		"- rolearn: x\n---\n- rolearn: y\n", "- rolearn: x\n...\n", "''",
	} {
		if after, err := Add(text, ada); !errors.Is(err, ErrByHand) {
			t.Errorf("Add to %q: %q, %v", text, after, err)
		}
	}
	for _, text := range []string{
		`[{"rolearn": "x"}]`,
		"- &a {rolearn: x}\n- *a\n", // the other one needs it
		"--- [{rolearn: x}]\n",
	} {
		if after, err := Remove(text, awsauth.MapRoles, 0); !errors.Is(err, ErrByHand) && !strings.Contains(err.Error(), "cannot") {
			t.Errorf("Remove from %q: %q, %v", text, after, err)
		}
	}
	for _, text := range []string{"a: [", "a: b"} {
		if _, err := Add(text, ada); err == nil || !strings.Contains(err.Error(), "mapRoles cannot be read") {
			t.Errorf("%q: %v", text, err)
		}
		if _, err := Remove(text, awsauth.MapRoles, 0); err == nil {
			t.Errorf("%q: an entry was removed", text)
		}
	}
	if _, err := Remove(kept, awsauth.MapRoles, 3); err == nil || err.Error() != "mapRoles has no entry 3" {
		t.Error(err)
	}
	if _, err := Add("", awsauth.Entry{Key: awsauth.MapAccounts, Account: "111122223333"}); err == nil {
		t.Error("an account was written")
	}
}

// Whatever the text: an edit that is made gives the old entries and one more or
// one less, and no line outside of the entry changes.
func FuzzEdit(f *testing.F) {
	for _, text := range []string{kept, indented(kept), "", "- rolearn: |\n    # not a comment\n  username: x\n", "[]", "- a\n- - b\n", "- rolearn: x\n\n\n#c"} {
		f.Add(text, "ada", "group", uint8(0))
	}
	f.Fuzz(func(t *testing.T, text, username, group string, at uint8) {
		old := everyEntry(parse(awsauth.MapRoles, text))
		e := ada
		e.Username, e.Groups = username, []string{group}
		if after, err := Add(text, e); err == nil {
			if !strings.HasPrefix(after, withoutNone(text)) {
				t.Errorf("%q became %q", text, after)
			}
			now := everyEntry(parse(awsauth.MapRoles, after))
			if len(now) != len(old)+1 || !same(now[:len(old)], old) || now[len(old)].Username != username {
				t.Errorf("%q and %q: %v", text, username, now)
			}
		}
		index := int(at)
		after, err := Remove(text, awsauth.MapRoles, index)
		if err != nil {
			return
		}
		now := everyEntry(parse(awsauth.MapRoles, after))
		if !same(now, slices.Delete(old, index, index+1)) {
			t.Errorf("%q without %d: %v", text, index, now)
		}
		if len(now) == 0 {
			after = strings.TrimSuffix(after, none+"\n")
			text = text + "\n" // it may have had none at its end
		}
		if !isCutOf(text, after) {
			t.Errorf("%q without %d became %q", text, index, after)
		}
	})
}

// isCutOf reports whether after is before with one run of it taken out.
func isCutOf(before, after string) bool {
	if len(after) > len(before) {
		return false
	}
	head := 0
	for head < len(after) && before[head] == after[head] {
		head++
	}
	return strings.HasSuffix(before, after[head:])
}
