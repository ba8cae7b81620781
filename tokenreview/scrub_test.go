package tokenreview_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/tokenreview"
)

// Somebody who is not mapped is told of entries that come near, but of none of an
// account that must not be named.
func TestHintsNameNoScrubbedAccount(t *testing.T) {
	t.Parallel()
	const hidden = "999988887777"
	r := newRig(t, func(_ *rig, c *tokenreview.Config) { c.ScrubbedAccounts = []string{hidden} })
	name := adaARN[strings.LastIndex(adaARN, "/")+1:]
	entry := func(account string) string {
		return "- userarn: arn:aws:iam::" + account + ":user/" + name + "\n  username: x\n"
	}
	r.update(t, map[string]string{"mapUsers": entry(hidden) + entry("444455556666")})
	if a := r.review(t, r.mint(t, ada, cluster)); a.Status.Authenticated {
		t.Fatal(a.Text)
	}
	line := fmt.Sprint(r.lastLine(t))
	if strings.Contains(line, hidden) || !strings.Contains(line, "444455556666") {
		t.Errorf("%s", line)
	}
}
