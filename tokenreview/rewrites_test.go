package tokenreview_test

import (
	"net/http"
	"testing"
	"time"
)

// Two sessions that become one user are let in, and the log says that they are one.
func TestTwoSessionsThatAreOneUserAreSeen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		username string
		first    string
		second   string
		seen     bool
	}{
		"one user":              {"aws:{{SessionName}}", "ada@example.com", "ada-example.com", true},
		"the other way round":   {"aws:{{SessionName}}", "ada-example.com", "ada@example.com", true},
		"two users":             {"aws:{{SessionName}}", "ada@example.com", "bob@example.com", false},
		"the same session":      {"aws:{{SessionName}}", "ada@example.com", "ada@example.com", false},
		"as it is":              {"aws:{{SessionNameRaw}}", "ada@example.com", "ada-example.com", false},
		"one for all of a role": {"static", "ada@example.com", "ada-example.com", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.update(t, map[string]string{"mapRoles": "- rolearn: " + roleARN + "\n  username: \"" + c.username + "\"\n"})
			signIn := func(name string) map[string]any {
				who := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					identify(w, "arn:aws:sts::111122223333:assumed-role/awesome.role/"+name, roleID+":"+name)
				})
				r.sts.instead.Store(&who)
				r.clock.advance(time.Second) // another second is another token
				if a := r.review(t, r.mint(t, session, cluster)); !a.Status.Authenticated {
					t.Fatalf("%s is refused: %s", name, a.Text)
				}
				return r.lastLine(t)
			}
			if line := signIn(c.first); line["username_also_of_session"] != nil || line["level"] != "INFO" {
				t.Errorf("the first: %v", line)
			}
			line := signIn(c.second)
			if (line["username_also_of_session"] == c.first) != c.seen || (line["level"] == "WARN") != c.seen {
				t.Errorf("the second: %v", line)
			}
		})
	}
}
