package tokenreview_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/tokenreview"
)

func TestAllows(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.review(t, r.mint(t, ada, cluster))
	want := answered{HTTP: 200, Text: a.Text, APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview"}
	want.Status.Authenticated = true
	want.Status.User.Username = "ada.lovelace"
	want.Status.User.UID = "aws-iam-authenticator:111122223333:" + adaID
	want.Status.User.Groups = []string{"awesome-app-admin"}
	want.Status.User.Extra = map[string][]string{
		"arn":          {adaARN},
		"canonicalArn": {adaARN},
		"sessionName":  {""},
		"accessKeyId":  {ada.AccessKeyID},
		"principalId":  {adaID},
		"sigs.k8s.io/aws-iam-authenticator/principalId": {adaID},
	}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
	line := r.lastLine(t)
	for key, want := range map[string]any{
		"level": "INFO", "outcome": "allowed", "reason": nil, "arn": adaARN, "access_key_id": ada.AccessKeyID,
		"username": "ada.lovelace", "entry": "EKSConfigMap mapUsers[0] (line 2), by ARN", "cached": false,
	} {
		if line[key] != want {
			t.Errorf("logged %s %v, want %v", key, line[key], want)
		}
	}
	if id, _ := line["id"].(string); len(id) != 16 {
		t.Errorf("logged id %q", id)
	}
	if _, ok := line["latency_ms"].(float64); !ok {
		t.Errorf("logged latency_ms %v", line["latency_ms"])
	}
	if diff := cmp.Diff([]string{"allowed"}, r.observed.reviews); diff != "" {
		t.Error(diff)
	}
}

func TestAllowsARoleSession(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.review(t, r.mint(t, session, cluster))
	u := a.Status.User
	if !a.Status.Authenticated || u.Username != "awesome:ada-example.com" || u.UID != "aws-iam-authenticator:111122223333:"+roleID {
		t.Errorf("%s", a.Text)
	}
	if diff := cmp.Diff([]string{"readers", "session:ada@example.com"}, u.Groups); diff != "" {
		t.Error(diff)
	}
	want := map[string][]string{
		"arn":          {"arn:aws:sts::111122223333:assumed-role/awesome.role/ada@example.com"},
		"canonicalArn": {roleARN},
		"sessionName":  {"ada@example.com"},
		"accessKeyId":  {session.AccessKeyID},
		"principalId":  {roleID},
		"sigs.k8s.io/aws-iam-authenticator/principalId": {roleID},
	}
	if diff := cmp.Diff(want, u.Extra); diff != "" {
		t.Error(diff)
	}
	if got := r.lastLine(t)["session"]; got != "ada@example.com" {
		t.Errorf("logged session %v", got)
	}
}

func TestEchoesTheVersionAsked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, v := range []string{"authentication.k8s.io/v1", "authentication.k8s.io/v1beta1"} {
		a := r.post(t, body(v, r.mint(t, ada, cluster)))
		if a.APIVersion != v || !a.Status.Authenticated {
			t.Errorf("%s: %s", v, a.Text)
		}
		if a = r.post(t, body(v, "k8s-aws-v1.x")); a.APIVersion != v || a.Status.Authenticated {
			t.Errorf("%s, refused: %s", v, a.Text)
		}
	}
}

func TestAudiences(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name             string
		configured, asks []string
		allowed          bool
		want             []string
	}{
		{"none configured", nil, []string{"a"}, true, nil},
		{"none asked for", []string{"a"}, nil, true, nil},
		{"one of ours", []string{"a", "b"}, []string{"b"}, true, []string{"b"}},
		{"some of ours, in the order asked", []string{"a", "b", "c"}, []string{"c", "x", "a", "c"}, true, []string{"c", "a"}},
		{"none of ours", []string{"a"}, []string{"x", "A", ""}, false, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(_ *rig, c *tokenreview.Config) { c.Audiences = tc.configured })
			a := r.review(t, r.mint(t, ada, cluster), tc.asks...)
			if a.Status.Authenticated != tc.allowed {
				t.Fatalf("%s", a.Text)
			}
			if diff := cmp.Diff(tc.want, a.Status.Audiences); diff != "" {
				t.Error(diff)
			}
			if !tc.allowed && (!strings.HasPrefix(a.Status.Error, "refused: audience") || r.sts.asked.Load() != 0) {
				t.Errorf("error %q, STS was asked %d times", a.Status.Error, r.sts.asked.Load())
			}
		})
	}
}

// Accounts that must not be named: neither the answer, which the API server
// writes to its audit log, nor our log does.
func TestScrubbedAccounts(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, c *tokenreview.Config) { c.ScrubbedAccounts = []string{"999999999999", account} })
	a := r.review(t, r.mint(t, session, cluster))
	u := a.Status.User
	if !a.Status.Authenticated || u.Username != "awesome:ada-example.com" ||
		u.UID != "aws-iam-authenticator:administrative:awesome:ada-example.com" || u.Extra != nil {
		t.Errorf("%s", a.Text)
	}
	if got := r.lastLine(t)["username"]; got != u.Username {
		t.Errorf("logged username %v", got)
	}
	// An unmapped one, one whose username is its ARN, one refused by STS, and
	// an answer of STS that is not believed.
	r.review(t, r.mint(t, nobody, cluster))
	r.update(t, map[string]string{"mapAccounts": `["` + account + `"]`})
	if a := r.review(t, r.mint(t, nobody, cluster)); !a.Status.Authenticated || a.Status.User.Username != otherARN {
		t.Errorf("%s", a.Text)
	}
	r.review(t, r.mint(t, ada, "other"))
	r.update(t, map[string]string{"mapRoles": "- rolearn: " + roleARN + "\n  username: node:{{EC2PrivateDNSName}}\n"})
	r.review(t, r.mint(t, session, cluster))
	r.sts.instead.Store(ptr(answerIdentity("arn:aws-cn:iam::111122223333:user/ada.lovelace")))
	r.clock.advance(1e9)
	if a := r.review(t, r.mint(t, ada, cluster)); !strings.HasPrefix(a.Status.Error, "refused: answer") {
		t.Errorf("%s", a.Text)
	}
	if got := len(r.lines(t)); got != 6 {
		t.Errorf("%d lines in the log, want 6", got)
	}
	for _, secret := range []string{account, ada.AccessKeyID, session.AccessKeyID, nobody.AccessKeyID, adaID, roleID} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log names %s:\n%s", secret, r.log)
		}
	}
}
