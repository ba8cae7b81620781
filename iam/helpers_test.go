package iam_test

import (
	"testing"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/iam"
)

func mustParse(t testing.TB, kind iam.Kind, doc string) *iam.Policy {
	t.Helper()
	p, err := iam.Parse([]byte(doc), kind)
	if err != nil {
		t.Fatalf("Parse: %v\n%s", err, doc)
	}
	return p
}

// context makes a Context of keys, each with its values.
func context(keys map[string][]string) iam.Context {
	var c iam.Context
	for key, values := range keys {
		c.Set(key, values...)
	}
	return c
}

// awsCaller is the principal of an ARN.
func awsCaller(t testing.TB, s string) iam.Caller {
	t.Helper()
	p, err := arn.ParsePrincipal(s)
	if err != nil {
		t.Fatal(err)
	}
	return iam.Caller{Identity: arn.Identity{Principal: p}}
}

// holds evaluates an identity policy whose only condition is the given one.
func holds(t testing.TB, condition string, ctx iam.Context) (bool, iam.Decision) {
	t.Helper()
	p := mustParse(t, iam.IdentityPolicy, `{"Version": "2012-10-17", "Statement": {
		"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": `+condition+`}}`)
	d := iam.Evaluate(p, iam.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Context: ctx})
	return d.Effect == iam.Allow, d
}
