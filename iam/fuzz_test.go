package iam_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/iam"
)

// consistent checks what holds for every decision: its reasons say the same.
func consistent(t *testing.T, p *iam.Policy, d iam.Decision) {
	t.Helper()
	want := iam.NoMatch
	explained := make(map[int]bool)
	for _, r := range d.Reasons() {
		explained[r.Statement] = true
		if r.Applies {
			want = max(want, r.Effect)
		}
		if s := r.String(); strings.ContainsAny(s, "\n\r\x00") || r.Line < 1 || r.Column < 1 {
			t.Fatalf("reason %q at %v", s, r.Position)
		}
	}
	if d.Effect != want {
		t.Fatalf("decided %v, but the reasons say %v: %v", d.Effect, want, d.Reasons())
	}
	if len(explained) != len(p.Statements) {
		t.Fatalf("%d statements, %d explained", len(p.Statements), len(explained))
	}
	if (d.Via != iam.ViaNone) != (d.Effect == iam.Allow && p.Kind == iam.TrustPolicy) {
		t.Fatalf("%v via %v", d.Effect, d.Via)
	}
}

// FuzzParse: whatever the document, an error that says where or a policy that
// can be evaluated; and the same again the next time.
func FuzzParse(f *testing.F) {
	for _, doc := range []string{
		irsaPolicy,
		`{"Statement": {"Effect": "Deny", "NotAction": ["sts:*"], "NotPrincipal": {"AWS": ["111122223333", "AIDAEXAMPLE1EXAMPLE2"], "Service": "a.b"}}}`,
		`{"Version": "2012-10-17", "Id": "é", "Statement": [{"Sid": "a", "Effect": "Allow", "Action": "*", "Resource": ["*", "arn:aws:s3:::${aws:x, 'y'}/${*}"],
		  "Condition": {"ForAllValues:ArnLikeIfExists": {"a:b": "arn:*:s3:::${x}"}, "NumericLessThan": {"a:c": -1.50}, "DateEquals": {"a:d": "2020"}, "Null": {"a:e": true},
		  "Bool": {"a:f": "${a:g}"}, "BinaryEquals": {"a:h": "YQ=="}, "NotIpAddress": {"a:i": ["::/0", "10.0.0.1"]}, "StringNotLike": {"sts:externalid": "?*"}}}]}`,
		`{"Statement": [{"Effect": "Allow", "Effect": "Deny"}]}`,
		`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::${$"}}`,
		"[[[[[[[[[[[[[[", "{\"\\ud800\": 1, \"\\ud801\": 2}", "\xff", "", "{}x",
	} {
		f.Add([]byte(doc), true)
		f.Add([]byte(doc), false)
	}
	f.Fuzz(func(t *testing.T, doc []byte, trust bool) {
		kind := iam.IdentityPolicy
		if trust {
			kind = iam.TrustPolicy
		}
		p, err := iam.Parse(doc, kind)
		again, err2 := iam.Parse(doc, kind)
		if err != nil {
			if p != nil || err2 == nil || err.Error() != err2.Error() || strings.ContainsAny(err.Error(), "\n\r\x00") {
				t.Fatalf("policy %v, errors %q and %v", p, err, err2)
			}
			return
		}
		if diff := cmp.Diff(p, again, cmpopts.IgnoreUnexported(iam.Policy{}, iam.Condition{}, iam.Actions{}, iam.Resources{}, iam.Principal{})); diff != "" {
			t.Fatalf("parsed twice:\n%s", diff)
		}
		r := irsaRequest()
		r.Resource = "arn:aws:s3:::b/k"
		consistent(t, p, iam.Evaluate(p, r))
		if diff := cmp.Diff(iam.Evaluate(p, r).Reasons(), iam.Evaluate(again, r).Reasons()); diff != "" {
			t.Fatalf("evaluated twice:\n%s", diff)
		}
	})
}

// FuzzEvaluate: whatever a request says, each of a few policies decides it
// without a panic, and consistently.
func FuzzEvaluate(f *testing.F) {
	var policies []*iam.Policy
	for _, doc := range []string{
		irsaPolicy,
		strings.NewReplacer("StringEquals", "ForAnyValue:StringLike", "my-service-account", "*").Replace(irsaPolicy),
		`{"Version": "2012-10-17", "Statement": [
		  {"Effect": "Allow", "Principal": "*", "Action": "sts:*", "Condition": {"StringNotEquals": {"k": ["v", "${k}"]}}},
		  {"Effect": "Deny", "NotPrincipal": {"AWS": "111122223333", "Federated": "f"}, "NotAction": "sts:a*b*c"},
		  {"Effect": "Allow", "Principal": {"Service": "f"}, "Action": "sts:?", "Condition": {"ForAllValues:NumericLessThan": {"k": 10}, "ArnNotLike": {"k": "arn:aws:*:::${k}"}}}]}`,
	} {
		policies = append(policies, mustParse(f, iam.TrustPolicy, doc))
	}
	policies = append(policies, mustParse(f, iam.IdentityPolicy, `{"Version": "2012-10-17", "Statement": [
		  {"Effect": "Allow", "Action": "*", "Resource": ["arn:aws:s3:::${k}/*", "arn:aws:s3:::${?}${k, '*'}"]},
		  {"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:*:s3:*", "Condition": {
		    "DateGreaterThan": {"k": "2020-01-01"}, "IpAddressIfExists": {"k": "10.0.0.0/8"}, "Bool": {"k": "${k}"}, "BinaryEquals": {"k": "YQ=="}, "ArnLike": {"k": "${k}"}}}]}`))
	f.Add("sts:AssumeRoleWithWebIdentity", "", "arn:aws:iam::111122223333:oidc-provider/"+irsaIssuer, irsaIssuer+":sub", irsaSub, "", false)
	f.Add("s3:GetObject", "arn:aws:s3:::*/x", "", "K", "*", "10.0.0.1", true)
	f.Add("sts:a", "arn:aws:s3:::\xff", "f", "k", "2020-02-30", "true", true)
	f.Add("sts:abc", "", "f", "k", "arn:aws:s3:::x:y", "-0.0", false)
	f.Fuzz(func(t *testing.T, action, resource, federated, key, value, second string, two bool) {
		r := irsaRequest()
		r.Action, r.Resource, r.Caller.Federated = action, resource, federated
		r.Context.Set(key, value)
		if two {
			r.Context.Set(key, value, second)
		}
		for _, p := range policies {
			consistent(t, p, iam.Evaluate(p, r))
		}
	})
}

// FuzzMatch compares arn.Match, on which every wildcard rests, with the plain
// definition.
func FuzzMatch(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("*a*a*a*", "aaab")
	f.Add("?", "é")
	f.Add("**??", "ab")
	f.Add("system:serviceaccount:*:api", irsaSub)
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(s) || len(pattern)*len(s) > 1<<20 {
			t.Skip()
		}
		if got, want := arn.Match(pattern, s), matchByDefinition([]rune(pattern), []rune(s)); got != want {
			t.Errorf("Match(%q, %q) = %v, want %v", pattern, s, got, want)
		}
	})
}

// matchByDefinition fills the table of which beginnings of the pattern match
// which beginnings of s.
func matchByDefinition(pattern, s []rune) bool {
	row := make([]bool, len(s)+1)
	row[0] = true
	for _, p := range pattern {
		next := make([]bool, len(s)+1)
		next[0] = p == '*' && row[0]
		for i, c := range s {
			switch p {
			case '*':
				next[i+1] = row[i+1] || next[i]
			case '?':
				next[i+1] = row[i]
			default:
				next[i+1] = row[i] && p == c
			}
		}
		row = next
	}
	return row[len(s)]
}
