package symptom_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/doctor/symptom"
)

// wording is a message, and what must be recognised in it.
type wording struct {
	ids  []string
	text string
}

// wordings reads testdata/wordings.txt: "== ID…", then the message.
func wordings(t testing.TB) []wording {
	t.Helper()
	data, err := os.ReadFile("testdata/wordings.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []wording
	for block := range strings.SplitSeq("\n"+string(data), "\n== ") {
		ids, text, _ := strings.Cut(block, "\n")
		text, _, _ = strings.Cut(text, "\nMore than one problem")
		all = append(all, wording{strings.Fields(ids), strings.TrimSpace(text)})
	}
	if all = all[1:]; len(all) < 150 {
		t.Fatalf("%d wordings read", len(all))
	}
	return all
}

func ids(matches []symptom.Match) []string {
	var all []string
	for _, m := range matches {
		all = append(all, m.ID)
	}
	return all
}

func TestWordings(t *testing.T) {
	for _, w := range wordings(t) {
		if got := ids(symptom.Recognise(w.text)); !slices.Equal(got, w.ids) {
			t.Errorf("recognised %q, want %q, in\n%s", got, w.ids, w.text)
		}
	}
}

// Each message is held by two wordings at least, has causes, and says for each
// what to do.
func TestEveryMessageIsWhole(t *testing.T) {
	count := map[string]int{}
	for _, w := range wordings(t) {
		count[w.ids[0]]++
	}
	known := symptom.Known()
	if len(known) < 60 {
		t.Errorf("%d messages are known", len(known))
	}
	seen := map[string]bool{}
	for _, m := range known {
		if seen[m.ID] || m.ID == "" || m.Title == "" || m.Means == "" || m.Excerpt == "" || len(m.Causes) == 0 {
			t.Errorf("%q is there twice, or is not whole: %+v", m.ID, m)
		}
		seen[m.ID] = true
		if count[m.ID] < 2 {
			t.Errorf("%s has %d wordings", m.ID, count[m.ID])
		}
		for _, c := range m.Causes {
			if c.Why == "" || c.Fix == "" || c.Check == "" {
				t.Errorf("%s has a cause without a reason, a check or a fix: %+v", m.ID, c)
			}
		}
	}
}

// What says nothing that is known is not taken for something that is.
func TestUnknown(t *testing.T) {
	for _, text := range []string{
		"", "hello", "panic: runtime error: index out of range", "sts:AssumeRole", "AccessDenied: Access Denied",
		"ExpiredTokenException", "pod/api-7d9 created", "configmaps \"other\" not found", "Permission denied (publickey)",
		"x509: certificate has expired or is not yet valid", "dial tcp 10.0.0.1:5432: connect: connection refused",
		strings.Repeat("x", symptom.MaxText) + "error: You must be logged in to the server (Unauthorized)",
	} {
		if got := ids(symptom.Recognise(text)); len(got) != 0 {
			t.Errorf("recognised %q in %.60q", got, text)
		}
	}
}
