package iam_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/iam"
)

func lines(d iam.Decision) []string {
	var all []string
	for _, r := range d.Reasons() {
		all = append(all, r.String())
	}
	return all
}

func TestReasonsNameEveryElementThatFails(t *testing.T) {
	t.Parallel()
	p := mustParse(t, iam.TrustPolicy, `{"Version": "2012-10-17", "Statement": [
 {"Sid": "x", "Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.example/id/1"},
  "Action": "sts:AssumeRoleWithWebIdentity",
  "Condition": {"StringEquals": {"oidc.example/id/1:sub": "system:serviceaccount:payments:api", "oidc.example/id/1:aud": "sts.amazonaws.com"}}},
 {"Effect": "Allow", "Principal": {"AWS": ["111122223333", "arn:aws:iam::444455556666:role/r"], "Service": "ec2.amazonaws.com"}, "NotAction": ["sts:AssumeRoleWith*", "sts:TagSession"],
  "Condition": {"StringNotLike": {"oidc.example/id/1:sub": ["*:default:*"]}, "Null": {"sts:ExternalId": false},
                "ForAnyValue:StringLikeIfExists": {"aws:TagKeys": "${aws:username}"}, "StringEquals": {"aws:PrincipalTag/a": "${aws:username}/${sts:RoleSessionName}"}}},
 {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"},
 {"Effect": "Allow", "Principal": "*", "Action": "sts:*"}]}`)
	d := iam.Evaluate(p, iam.Request{
		Action: "sts:AssumeRoleWithWebIdentity",
		Caller: iam.Caller{Federated: "arn:aws:iam::111122223333:oidc-provider/oidc.example/id/1"},
		Context: context(map[string][]string{
			"oidc.example/id/1:sub": {"system:serviceaccount:default:api"}, "oidc.example/id/1:aud": {"sts.amazonaws.com"},
			"aws:TagKeys": {"a", "b"}, "sts:RoleSessionName": {"s"}, "aws:PrincipalTag/a": {"x/s"},
		}),
	})
	want := []string{
		`Statement[0] (Sid "x"): Condition StringEquals "oidc.example/id/1:sub": want "system:serviceaccount:payments:api", found "system:serviceaccount:default:api"`,
		`Statement[1]: Principal: want "AWS 111122223333" or "AWS arn:aws:iam::444455556666:role/r" or "Service ec2.amazonaws.com", found "Federated arn:aws:iam::111122223333:oidc-provider/oidc.example/id/1"`,
		`Statement[1]: NotAction: want anything but "sts:AssumeRoleWith*" or "sts:TagSession", found "sts:AssumeRoleWithWebIdentity"`,
		`Statement[1]: Condition StringNotLike "oidc.example/id/1:sub": want anything but "*:default:*", found "system:serviceaccount:default:api"`,
		`Statement[1]: Condition Null "sts:ExternalId": want "false", found nothing (true means that the request lacks the key)`,
		`Statement[1]: Condition ForAnyValue:StringLikeIfExists "aws:TagKeys": want "${aws:username}", found "a", "b" (a policy variable has no value in this request)`,
		`Statement[1]: Condition StringEquals "aws:PrincipalTag/a": want "${aws:username}/${sts:RoleSessionName}", found "x/s" (a policy variable has no value in this request)`,
		`Statement[2]: Action: want "sts:AssumeRole", found "sts:AssumeRoleWithWebIdentity"`,
		`Statement[3]: Allow applies, it names anyone`,
	}
	if diff := cmp.Diff(want, lines(d)); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if got, want := d.String(), "allowed: Statement[3]: Allow applies, it names anyone"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	first := d.Reasons()[0]
	if diff := cmp.Diff(iam.Reason{
		Sid: "x", Effect: iam.Allow, Element: "Condition", Operator: "StringEquals", Key: "oidc.example/id/1:sub",
		Want: []string{"system:serviceaccount:payments:api"}, Found: []string{"system:serviceaccount:default:api"}, Position: iam.Position{Line: 4, Column: 34},
	}, first); diff != "" {
		t.Errorf("first reason (-want +got):\n%s", diff)
	}
}

func TestReasonsOfIdentityPolicies(t *testing.T) {
	t.Parallel()
	p := mustParse(t, iam.IdentityPolicy, `{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${aws:username}/*"},
		{"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/${aws:userid}/*"}]}`)
	p.Name = "home"
	d := iam.Evaluate(p, iam.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/bob/x", Context: context(map[string][]string{"aws:username": {"ada"}})})
	want := `implicitly denied: policy "home": Statement[0]: Resource: want "arn:aws:s3:::b/ada/*", found "arn:aws:s3:::b/bob/x"; ` +
		`policy "home": Statement[1]: NotResource: want anything but "arn:aws:s3:::b/${aws:userid}/*", found "arn:aws:s3:::b/bob/x" (a policy variable has no value in this request)`
	if got := d.String(); got != want {
		t.Errorf(" got %s\nwant %s", got, want)
	}
}

// Reasons go to logs, and what they show comes from strangers.
func TestReasonsAreOneSafeLine(t *testing.T) {
	t.Parallel()
	p := mustParse(t, iam.TrustPolicy, strings.Replace(irsaPolicy, "sts.amazonaws.com", `a\nb\u001b[31m`, 1))
	r := irsaRequest()
	r.Action = "sts:\r\nforged: line"
	r.Caller.Federated = "x\u2028\"\n"
	values := []string{"a\nb", "x" + strings.Repeat("é", 10000), "\xff\x00"}
	for range 1000 {
		values = append(values, "v")
	}
	r.Context.Set(irsaIssuer+":sub", values...)
	d := iam.Evaluate(p, r)
	got := d.String()
	if len(lines(d)) != 4 || len(got) > 4000 || strings.ContainsAny(got, "\n\r\x00\x1b\u2028") {
		t.Errorf("%d lines, %d bytes: %s", len(lines(d)), len(got), got)
	}
	for _, part := range []string{`"a\nb", "xéé`, `… (20001 bytes), "\xff\x00", "v"`, `, one of 993 more`} {
		if !strings.Contains(got, part) {
			t.Errorf("lacks %s:\n%s", part, got)
		}
	}
}

// TestCombinations: "Policy evaluation logic".
func TestCombinations(t *testing.T) {
	t.Parallel()
	decide := func(effect iam.Effect) iam.Decision {
		element := map[iam.Effect]string{iam.Allow: `"Allow", "Action": "*"`, iam.Deny: `"Deny", "Action": "*"`, iam.NoMatch: `"Allow", "Action": "ec2:*"`}[effect]
		p := mustParse(t, iam.IdentityPolicy, `{"Statement": {"Effect": `+element+`, "Resource": "*"}}`)
		return iam.Evaluate(p, iam.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"})
	}
	const none, allow, deny = iam.NoMatch, iam.Allow, iam.Deny
	tests := []struct {
		effects  []iam.Effect
		any, all iam.Effect
	}{
		{nil, none, none},
		{[]iam.Effect{none}, none, none},
		{[]iam.Effect{allow}, allow, allow},
		{[]iam.Effect{deny}, deny, deny},
		{[]iam.Effect{allow, none}, allow, none},
		{[]iam.Effect{none, allow}, allow, none},
		{[]iam.Effect{allow, allow}, allow, allow},
		{[]iam.Effect{allow, deny}, deny, deny},
		{[]iam.Effect{deny, allow, none}, deny, deny},
		{[]iam.Effect{none, deny}, deny, deny},
	}
	for _, tt := range tests {
		var decisions []iam.Decision
		for _, e := range tt.effects {
			decisions = append(decisions, decide(e))
		}
		if got := iam.AnyOf(decisions...); got.Effect != tt.any || len(got.Reasons()) != len(tt.effects) {
			t.Errorf("AnyOf(%v): %v, want %v", tt.effects, got, tt.any)
		}
		if got := iam.AllOf(decisions...); got.Effect != tt.all || got.Allowed() != (tt.all == allow) {
			t.Errorf("AllOf(%v): %v, want %v", tt.effects, got, tt.all)
		}
	}
	// A session: its role's policies add up, and the session policy narrows them.
	nested := iam.AllOf(iam.AnyOf(decide(none), decide(allow)), decide(none))
	if nested.Allowed() || nested.String() != `implicitly denied: Statement[0]: Action: want "ec2:*", found "s3:GetObject"; Statement[0]: Action: want "ec2:*", found "s3:GetObject"` {
		t.Errorf("nested: %v", nested)
	}
}

func TestCombinationsKeepVia(t *testing.T) {
	t.Parallel()
	trust := func(effect, principal string) iam.Decision {
		p := mustParse(t, iam.TrustPolicy, `{"Statement": {"Effect": "`+effect+`", "Action": "sts:*", "Principal": {"AWS": "`+principal+`"}}}`)
		return iam.Evaluate(p, iam.Request{Action: "sts:AssumeRole", Caller: awsCaller(t, session)})
	}
	if d := iam.AnyOf(trust("Allow", "111122223333"), trust("Allow", session)); d.Via != iam.ViaSelf {
		t.Errorf("via %v", d.Via)
	}
	if d := iam.AnyOf(trust("Allow", session), trust("Deny", "*")); d.Effect != iam.Deny || d.Via != iam.ViaNone {
		t.Errorf("%v via %v", d.Effect, d.Via)
	}
	if d := iam.AllOf(trust("Allow", session), trust("Allow", "444455556666")); d.Effect != iam.NoMatch || d.Via != iam.ViaNone {
		t.Errorf("%v via %v", d.Effect, d.Via)
	}
}
