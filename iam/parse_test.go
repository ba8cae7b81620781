package iam_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/eksauth/eksauth/iam"
)

func TestParseReadsEveryElement(t *testing.T) {
	t.Parallel()
	got := mustParse(t, iam.TrustPolicy, `{
  "Statement": [{
    "Condition": {"StringEquals": {"a:n": [1, true, "x"]}, "Null": {"a:m": false}},
    "NotAction": ["sts:Assume*"],
    "NotPrincipal": {"Service": "ec2.amazonaws.com", "AWS": ["*", "111122223333"]},
    "Sid": "One1", "Effect": "Deny"
  },
  {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}],
  "Id": "some id", "Version": "2012-10-17"
}`)
	want := &iam.Policy{Kind: iam.TrustPolicy, Version: iam.Version2012, ID: "some id", Statements: []iam.Statement{
		{
			Sid: "One1", Effect: iam.Deny, Position: iam.Position{Line: 2, Column: 17},
			Principals: iam.Principals{Not: true, Position: iam.Position{Line: 5, Column: 5}, Values: []iam.Principal{
				{Type: "Service", Value: "ec2.amazonaws.com"}, {Type: "AWS", Value: "*"}, {Type: "AWS", Value: "111122223333"}}},
			Actions: iam.Actions{Not: true, Values: []string{"sts:Assume*"}, Position: iam.Position{Line: 4, Column: 5}},
			Conditions: []iam.Condition{
				{Operator: "StringEquals", Key: "a:n", Values: []string{"1", "true", "x"}, Position: iam.Position{Line: 3, Column: 36}},
				{Operator: "Null", Key: "a:m", Values: []string{"false"}, Position: iam.Position{Line: 3, Column: 69}}},
		},
		{
			Index: 1, Effect: iam.Allow, Position: iam.Position{Line: 8, Column: 3},
			Principals: iam.Principals{Values: []iam.Principal{{Value: "*"}}, Position: iam.Position{Line: 8, Column: 23}},
			Actions:    iam.Actions{Values: []string{"sts:AssumeRole"}, Position: iam.Position{Line: 8, Column: 41}},
		},
	}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(iam.Policy{}, iam.Condition{}, iam.Actions{}, iam.Resources{}, iam.Principal{})); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
}

func TestParseDefaultsToVersion2008(t *testing.T) {
	t.Parallel()
	p := mustParse(t, iam.IdentityPolicy, `{"Statement": {"Effect": "Allow", "NotAction": "*", "NotResource": ["*"]}}`)
	if p.Version != iam.Version2008 || !p.Statements[0].Resources.Not {
		t.Errorf("got %+v", p)
	}
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	trust := func(principal string) string {
		return `{"Statement": {"Sid": "", "Effect": "Allow", "Action": "STS:AssumeRole*", "Principal": ` + principal + `}}`
	}
	for _, doc := range []string{
		trust(`{"AWS": "arn:aws:iam::111122223333:root"}`),
		trust(`{"AWS": ["arn:aws-cn:iam::111122223333:user/team/ada", "arn:aws:iam::111122223333:role/r"]}`),
		trust(`{"AWS": ["arn:aws:sts::111122223333:assumed-role/r/s", "arn:aws:sts::111122223333:federated-user/f"]}`),
		trust(`{"AWS": ["AIDAEXAMPLE1EXAMPLE2", "AROAEXAMPLE1EXAMPLE2"]}`),
		trust(`{"Federated": ["accounts.google.com", "arn:aws:iam::111122223333:saml-provider/idp"]}`),
		trust(`{"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}`),
	} {
		mustParse(t, iam.TrustPolicy, doc)
	}
	for _, resource := range []string{`"*"`, `"arn:aws:s3:::*"`, `"arn:aws:ec2:*"`, `"arn:*:s3:::b"`, `["arn:aws:iam::111122223333:user/${aws:username}", "arn:aws:s3:::b?/*"]`} {
		mustParse(t, iam.IdentityPolicy, `{"Version": "2012-10-17", "Id": "x", "Statement": [{"Effect": "Allow", "Action": ["s3:Get*", "*"], "Resource": `+resource+`}]}`)
	}
}

// TestParseRefuses: what is wrong, and where. "%s" of trust is an element of an
// otherwise good trust policy, likewise of identity.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	trust := func(element string) string {
		return `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}, {` + element + `}]}`
	}
	const good = `"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}`
	condition := func(c string) string { return trust(good + `, "Condition": ` + c) }
	principal := func(p string) string {
		return trust(`"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": ` + p)
	}
	action := func(a string) string { return trust(`"Effect": "Allow", "Principal": "*", "Action": ` + a) }
	identity := func(element string) string {
		return "identity " + `{"Version": "2012-10-17", "Statement": {` + element + `}}`
	}
	resource := func(r string) string { return identity(`"Effect": "Allow", "Action": "*", "Resource": ` + r) }

	tests := []struct{ doc, path, message string }{
		{``, ``, "not JSON"},
		{`{"Statement": `, ``, "not JSON"},
		{trust(good) + `x`, ``, "not JSON"},
		{"{\"Id\": \"\xff\"}", ``, "not UTF-8"},
		{`[]`, ``, "a policy is an object, not an array"},
		{`{}`, ``, "missing required field Statement"},
		{`{"Version": "2012-10-17", "Statement": []}`, `Statement`, "at least one"},
		{`{"Statement": "x"}`, `Statement`, "must be a statement"},
		{`{"Statement": ["x"]}`, `Statement[0]`, "a statement is an object, not a string"},
		{`{"Version": "2012-10-18", "Statement": {}}`, `Version`, "must be 2008-10-17 or 2012-10-17"},
		{`{"Version": 2012, "Statement": {}}`, `Version`, "must be 2008-10-17 or 2012-10-17"},
		{`{"version": "2012-10-17"}`, `version`, `unknown field "version"; names are case-sensitive: Version`},
		{`{"Id": 1}`, `Id`, "must be a string, not a number"},
		{`{"Id": "a", "Id": "a"}`, `Id`, `duplicate name "Id"`},
		{`{"": 1}`, ``, "an empty name"},
		{`{"Statement": ` + strings.Repeat(`[`, 11) + strings.Repeat(`]`, 11) + `}`, `Statement[0][0][0][0][0][0][0][0][0][0]`, "nested more than 10 levels"},

		{trust(good + `, "Effect": "Allow"`), `Statement[1].Effect`, `duplicate name "Effect"`},
		{trust(good + `, "effect": "Allow"`), `Statement[1].effect`, "names are case-sensitive: Effect"},
		{trust(good + `, "Bank": 1`), `Statement[1].Bank`, `unknown field "Bank"`},
		{trust(good + `, "Sid": "a b"`), `Statement[1].Sid`, "must be alpha-numeric"},
		{trust(good + `, "Sid": null`), `Statement[1].Sid`, "must be a string, not null"},
		{`{"Statement": [{"Sid": "a", ` + good + `}, {"Sid": "a", ` + good + `}]}`, `Statement[1]`, "must be unique"},
		{trust(`"Effect": "allow"`), `Statement[1].Effect`, "must be Allow or Deny"},
		{trust(`"Action": "sts:AssumeRole", "Principal": "*"`), `Statement[1]`, "missing required field Effect"},
		{trust(`"Effect": "Allow", "Principal": "*"`), `Statement[1]`, "missing required field Action"},
		{trust(`"Effect": "Allow", "Action": "sts:AssumeRole"`), `Statement[1]`, "missing required field Principal"},
		{trust(good + `, "NotAction": "sts:AssumeRole"`), `Statement[1]`, "has both Action and NotAction"},
		{trust(good + `, "NotPrincipal": "*"`), `Statement[1]`, "has both Principal and NotPrincipal"},
		{trust(good + `, "Resource": "*"`), `Statement[1].Resource`, "has prohibited field Resource"},
		{trust(good + `, "NotResource": "*"`), `Statement[1].NotResource`, "has prohibited field NotResource"},

		{action(`[]`), `Statement[1].Action`, "at least one value"},
		{action(`["sts:AssumeRole", 1]`), `Statement[1].Action[1]`, "must be a string, not a number"},
		{action(`"s3:GetObject"`), `Statement[1].Action`, "may only specify STS AssumeRole actions"},
		{action(`"*"`), `Statement[1].Action`, "may only specify STS AssumeRole actions"},
		{action(`"sts"`), `Statement[1].Action`, "must be service:name"},
		{action(`"sts:"`), `Statement[1].Action`, "must be service:name"},
		{action(`"sts:a:b"`), `Statement[1].Action`, "only one colon"},
		{action(`"sts:Assume Role"`), `Statement[1].Action`, "white space"},

		{principal(`"arn:aws:iam::111122223333:root"`), `Statement[1].Principal`, `must be "*", or an object`},
		{principal(`{}`), `Statement[1].Principal`, "an object with AWS, Federated, Service or CanonicalUser"},
		{principal(`{"aws": "*"}`), `Statement[1].Principal.aws`, "names are case-sensitive: AWS"},
		{principal(`{"AWS": []}`), `Statement[1].Principal.AWS`, "at least one value"},
		{principal(`{"AWS": ["*", "arn:aws:iam::111122223333:user/*"]}`), `Statement[1].Principal.AWS[1]`, `invalid principal in policy: "arn:aws:iam::111122223333:user/*"; a wildcard`},
		{principal(`{"AWS": "arn:aws:sts::111122223333:assumed-role/r/*"}`), `Statement[1].Principal.AWS`, "a wildcard"},
		{principal(`{"Federated": "arn:aws:iam::111122223333:oidc-provider/a\u0085b"}`), `Statement[1].Principal.Federated`, "white space or control characters"},
		{principal(`{"Federated": "arn:aws:iam::111122223333:oidc-provider/a\u2003b"}`), `Statement[1].Principal.Federated`, "white space or control characters"},
		{principal(`{"AWS": "11112222333"}`), `Statement[1].Principal.AWS`, "invalid principal"},
		{principal(`{"AWS": "arn:aws:iam::111122223333:group/g"}`), `Statement[1].Principal.AWS`, "is not a user, a role"},
		{principal(`{"AWS": ""}`), `Statement[1].Principal.AWS`, "it is empty"},
		{principal(`{"Federated": "*"}`), `Statement[1].Principal.Federated`, "a wildcard"},
		{principal(`{"Federated": "arn:aws:iam"}`), `Statement[1].Principal.Federated`, "has 3 parts of the six"},
		{principal(`{"Service": "*.amazonaws.com"}`), `Statement[1].Principal.Service`, "a wildcard"},

		{condition(`[]`), `Statement[1].Condition`, "must be an object of operators, not an array"},
		{condition(`{"StringEquals": "x"}`), `Statement[1].Condition.StringEquals`, "must be an object of condition keys, not a string"},
		{condition(`{"StringEquals": {"aws:username": {}}}`), `Statement[1].Condition.StringEquals["aws:username"]`, "must be a string, a number or a boolean, not an object"},
		{condition(`{"StringEquals": {"aws:username": []}}`), `Statement[1].Condition.StringEquals["aws:username"]`, "at least one value"},
		{condition(`{"StringEquals": {"a:b": ["x", null]}}`), `Statement[1].Condition.StringEquals["a:b"][1]`, "not null"},
		{condition(`{"StringEquals": {"a:b": "x", "A:B": "y"}}`), `Statement[1].Condition.StringEquals["A:B"]`, "more than once with different capitalization"},
		{condition(`{"StringEqual": {"a:b": "x"}}`), `Statement[1].Condition.StringEqual`, `unknown condition operator "StringEqual"`},
		{condition(`{"stringequals": {"a:b": "x"}}`), `Statement[1].Condition.stringequals`, "operators are case-sensitive: StringEquals"},
		{condition(`{"ForSomeValue:StringEquals": {"a:b": "x"}}`), `Statement[1].Condition["ForSomeValue:StringEquals"]`, "unknown condition operator"},
		{condition(`{"ForAllValues:StringEquals:IfExists": {"a:b": "x"}}`), `Statement[1].Condition["ForAllValues:StringEquals:IfExists"]`, "unknown condition operator"},
		{condition(`{"NullIfExists": {"a:b": "true"}}`), `Statement[1].Condition.NullIfExists`, "Null takes no set operator and no IfExists"},
		{condition(`{"Null": {"a:b": "yes"}}`), `Statement[1].Condition.Null["a:b"]`, `"yes" is neither true nor false`},
		{condition(`{"Bool": {"a:b": 1}}`), `Statement[1].Condition.Bool["a:b"]`, `"1" is neither true nor false`},
		{condition(`{"NumericEquals": {"a:b": "ten"}}`), `Statement[1].Condition.NumericEquals["a:b"]`, "is not an integer or decimal"},
		{condition(`{"NumericEquals": {"a:b": 1e3}}`), `Statement[1].Condition.NumericEquals["a:b"]`, `"1e3" is not an integer or decimal`},
		{condition(`{"NumericEquals": {"a:b": "${aws:x}"}}`), `Statement[1].Condition.NumericEquals["a:b"]`, "is not an integer or decimal"},
		{condition(`{"NumericEquals": {"a:b": "1."}}`), `Statement[1].Condition.NumericEquals["a:b"]`, "is not an integer or decimal"},
		{condition(`{"DateEquals": {"a:b": "2020-13-01"}}`), `Statement[1].Condition.DateEquals["a:b"]`, "is not a date"},
		{condition(`{"DateEquals": {"a:b": "2020-*"}}`), `Statement[1].Condition.DateEquals["a:b"]`, "is not a date"},
		{condition(`{"BinaryEquals": {"a:b": "%%%"}}`), `Statement[1].Condition.BinaryEquals["a:b"]`, "is not base64"},
		{condition(`{"IpAddress": {"a:b": "203.0.113.0/33"}}`), `Statement[1].Condition.IpAddress["a:b"]`, "is neither an IP address"},
		{condition(`{"NotIpAddress": {"a:b": "fe80::1%eth0"}}`), `Statement[1].Condition.NotIpAddress["a:b"]`, "is neither an IP address"},
		{condition(`{"ArnLike": {"a:b": "arn:aws:iam"}}`), `Statement[1].Condition.ArnLike["a:b"]`, "is not an ARN"},
		{condition(`{"StringLike": {"a:b": "${aws:username"}}`), `Statement[1].Condition.StringLike["a:b"]`, "a policy variable is ${key}"},
		{condition(`{"StringLike": {"a:b": "${ aws:username}"}}`), `Statement[1].Condition.StringLike["a:b"]`, "a policy variable is ${key}"},
		{condition(`{"ArnLike": {"a:b": "${aws:username"}}`), `Statement[1].Condition.ArnLike["a:b"]`, "a policy variable is ${key}"},
		{condition(`{"StringLike": {"a:b": "${}"}}`), `Statement[1].Condition.StringLike["a:b"]`, "a policy variable is ${key}"},
		{condition(`{"ArnLike": {"a:b": "arn:aws:iam::1:user/${aws:x, none}"}}`), `Statement[1].Condition.ArnLike["a:b"]`, "a policy variable is ${key}"},
		{condition(`{"StringEquals": {"a:b": "${aws:x, 'none'"}}`), `Statement[1].Condition.StringEquals["a:b"]`, "a policy variable is ${key}"},

		{identity(`"Effect": "Allow", "Action": "*"`), `Statement`, "missing required field Resource"},
		{identity(`"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"`), `Statement.Principal`, "has prohibited field Principal"},
		{identity(`"Effect": "Allow", "Action": "*", "Resource": "*", "NotPrincipal": "*"`), `Statement.NotPrincipal`, "has prohibited field NotPrincipal"},
		{identity(`"Effect": "Allow", "Action": "s*:Get", "Resource": "*"`), `Statement.Action`, "the service must not contain wildcards"},
		{resource(`[]`), `Statement.Resource`, "at least one value"},
		{resource(`["*", 42]`), `Statement.Resource[1]`, "must be a string, not a number"},
		{resource(`"bucket"`), `Statement.Resource`, `must be in ARN format or "*"`},
		{resource(`"arn:aws:s3:bucket"`), `Statement.Resource`, "is not arn:partition:service"},
		{resource(`"arn:aws:s*:::b"`), `Statement.Resource`, "cannot contain wildcards"},
		{resource(`"arn:aws:s3::${aws:PrincipalAccount}:b"`), `Statement.Resource`, "after the fifth colon"},
		{resource(`"arn:aws:s3:::b/${aws:username"`), `Statement.Resource`, "a policy variable is ${key}"},
	}
	for _, tt := range tests {
		kind := iam.TrustPolicy
		doc, ok := strings.CutPrefix(tt.doc, "identity ")
		if ok {
			kind = iam.IdentityPolicy
		}
		p, err := iam.Parse([]byte(doc), kind)
		malformed, ok := errors.AsType[*iam.MalformedError](err)
		switch {
		case !ok || p != nil:
			t.Errorf("%s: got %v, error %v", doc, p, err)
		case malformed.Path != tt.path || !strings.Contains(malformed.Message, tt.message):
			t.Errorf("%s\n got %v\nwant %s: …%s…", doc, err, tt.path, tt.message)
		case malformed.Code() != "MalformedPolicyDocument" || malformed.Line != 1 || malformed.Column < 1 || malformed.Column > len(doc)+1:
			t.Errorf("%s: got %#v", doc, malformed)
		}
	}
}

func TestParseSaysLineAndColumn(t *testing.T) {
	t.Parallel()
	tests := []struct{ doc, message string }{
		{"{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\"Effect\": \"Allow\", \"Action\": \"sts:AssumeRole\", \"Principal\": \"*\",\n     \"Condition\": {\"StringEquals\": {\"é:b\": \"1\"},\n       \"DateEquals\": {\"a:b\" :\t[\"2020\", \"x\"]}}}]}",
			`malformed policy: Statement[0].Condition.DateEquals["a:b"][1] (6:40): "x" is not a date as 2026-01-31T12:00:00Z, nor epoch seconds`},
		{"{\n\"Statement\": [],}", `malformed policy: document (2:17): not JSON: invalid character '}' looking for beginning of object key string`},
		{"{\n\n\"Statment\": 1}", `malformed policy: Statment (3:1): unknown field "Statment"`},
	}
	for _, tt := range tests {
		_, err := iam.Parse([]byte(tt.doc), iam.TrustPolicy)
		if err == nil || err.Error() != tt.message {
			t.Errorf("%s\n got %v\nwant %s", tt.doc, err, tt.message)
		}
	}
}

func TestParseBoundsTheDocument(t *testing.T) {
	t.Parallel()
	const frame = `{"Id": "%s", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`
	room := iam.MaxDocumentSize - len(frame) + 2
	mustParse(t, iam.IdentityPolicy, fmt.Sprintf(frame, strings.Repeat("x", room)))
	_, err := iam.Parse(fmt.Appendf(nil, frame, strings.Repeat("x", room+1)), iam.IdentityPolicy)
	if err == nil || !strings.Contains(err.Error(), "longer than 131072 bytes") {
		t.Errorf("one byte too many: %v", err)
	}
	// Errors stay short whatever the document says.
	for _, doc := range []string{
		`{"Statement": {"Effect": "Allow", "Action": "%s", "Resource": "*"}}`,
		`{"Statement": {"%s": "Allow"}}`,
		`{"Statement": {"Sid": "%s "}}`,
	} {
		_, err = iam.Parse(fmt.Appendf(nil, doc, strings.Repeat("x", 100000)), iam.IdentityPolicy)
		if err == nil || len(err.Error()) > 1000 {
			t.Errorf("%s: error of %d bytes", doc, len(fmt.Sprint(err)))
		}
	}
}

func TestParseNeedsAKind(t *testing.T) {
	t.Parallel()
	if _, err := iam.Parse([]byte(`{}`), 0); err == nil || err.Error() != "iam: parse a policy: unknown kind of policy" {
		t.Errorf("got %v", err)
	}
}
