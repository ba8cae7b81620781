package tokenreview_test

import (
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/token"
)

// This server's clock jumps by ten minutes and back, while those of STS and of all
// clients are right.
func TestTheClockJumps(t *testing.T) {
	t.Parallel()
	mint := func(c sigv4.Credentials, at time.Duration) string {
		raw, _, err := token.New(c, token.Options{ClusterID: cluster, Region: "us-east-1", Time: start.Add(at)})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for name, jump := range map[string]time.Duration{"ahead": 10 * time.Minute, "back": -10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.clock.advance(time.Minute)
			known := mint(ada, 0)
			if a := r.review(t, known); !a.Status.Authenticated {
				t.Fatalf("before: %d %s", a.HTTP, a.Text)
			}
			r.clock.advance(jump)
			// A clock that is behind sees tokens from the future, and that is what the
			// log says.
			stranger, wanted := mint(session, time.Minute), jump > 0
			for who, raw := range map[string]string{"who was verified before": known, "somebody new": stranger} {
				if a := r.review(t, raw); a.Status.Authenticated != wanted {
					t.Errorf("%s: %d %s", who, a.HTTP, a.Text)
				}
			}
			if log := r.log.String(); !wanted && !strings.Contains(log, "compare the clocks") {
				t.Errorf("the log does not speak of a clock:\n%s", log)
			}
			r.clock.advance(-jump)
			r.clock.advance(time.Minute) // what was refused is remembered briefly
			for who, raw := range map[string]string{"who was verified before": known, "who came meanwhile": stranger, "somebody new": mint(ada, 2*time.Minute)} {
				if a := r.review(t, raw); !a.Status.Authenticated {
					t.Errorf("%s, when the clock is right again: %d %s", who, a.HTTP, a.Text)
				}
			}
			// What was learned with a wrong clock outlives no token.
			r.clock.advance(15 * time.Minute)
			for who, raw := range map[string]string{"who was verified before": known, "who came meanwhile": stranger} {
				if a := r.review(t, raw); a.Status.Authenticated {
					t.Errorf("%s is let in with a token of %s ago", who, r.clock.now().Sub(start))
				}
			}
		})
	}
}
