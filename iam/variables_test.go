package iam_test

import (
	"testing"

	"github.com/eksauth/eksauth/iam"
)

func TestVariablesInConditions(t *testing.T) {
	t.Parallel()
	ctx := context(map[string][]string{
		"aws:username":          {"ada"},
		"aws:TagKeys":           {"a", "b"},
		"aws:PrincipalTag/team": {"*"},
		"aws:PrincipalArn":      {"arn:aws:iam::111122223333:role/r"},
		"a:bool":                {"true"},
		"s3:prefix":             {"home/ada/x"},
		"a:star":                {"a*c"},
		"a:dollar":              {"${aws:username}"},
		"a:abc":                 {"abc"},
		"a:anonymous":           {"anonymous"},
		"a:account-arn":         {"arn:aws:sqs::1:evil:queue"},
		"aws:PrincipalTag/acct": {"1:evil"},
	})
	tests := []struct {
		condition string
		holds     bool
	}{
		{`{"StringLike": {"s3:prefix": ["", "home/", "home/${aws:username}/*"]}}`, true},
		{`{"StringLike": {"s3:prefix": "home/${AWS:UserName}/*"}}`, true},
		{`{"StringEquals": {"s3:prefix": "home/${aws:username}/x"}}`, true},
		{`{"StringEqualsIgnoreCase": {"s3:prefix": "HOME/${aws:username}/X"}}`, true},
		{`{"StringEquals": {"s3:prefix": "home/${aws:userid}/x"}}`, false},

		// A variable without a value never makes a statement apply.
		{`{"StringNotEquals": {"s3:prefix": "${aws:userid}"}}`, false},
		{`{"StringNotLike": {"s3:prefix": ["zzz", "${aws:userid}"]}}`, false},
		{`{"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:user/${aws:userid}"}}`, false},
		{`{"ForAllValues:StringNotEquals": {"s3:prefix": "${aws:userid}"}}`, false},
		{`{"ForAnyValue:StringNotEquals": {"s3:prefix": "${aws:userid}"}}`, false},
		{`{"StringEquals": {"a:abc": ["${aws:userid}", "abc"]}}`, true}, // another value matches

		// Defaults.
		{`{"StringEquals": {"a:anonymous": "${aws:userid, 'anonymous'}"}}`, true},
		{`{"StringEquals": {"a:anonymous": "${aws:username, 'anonymous'}"}}`, false},
		{`{"StringLike": {"a:abc": "${aws:userid, '*'}"}}`, false}, // a default is no wildcard
		{`{"StringEquals": {"a:abc": "${aws:userid, ''}abc"}}`, true},

		// A key of several values is no variable, default or not.
		{`{"StringEquals": {"a:abc": "${aws:TagKeys, 'abc'}"}}`, false},

		// Escapes, and values that look like wildcards.
		{`{"StringLike": {"a:abc": "a${*}c"}}`, false},
		{`{"StringLike": {"a:star": "a${*}c"}}`, true},
		{`{"StringLike": {"a:abc": "a${?}c"}}`, false},
		{`{"StringLike": {"a:abc": "${?}*"}}`, false},
		{`{"StringEquals": {"a:star": "a${*}c"}}`, true},
		{`{"StringEquals": {"a:dollar": "${$}{aws:username}"}}`, true},
		{`{"StringLike": {"a:abc": "${aws:PrincipalTag/team}"}}`, false},
		{`{"StringLike": {"aws:PrincipalTag/team": "${aws:PrincipalTag/team}"}}`, true},

		// Other operators.
		{`{"Bool": {"a:bool": "${a:bool}"}}`, true},
		{`{"Bool": {"a:bool": "${aws:username}"}}`, false},
		{`{"ArnEquals": {"aws:PrincipalArn": "${aws:PrincipalArn}"}}`, true},
		{`{"ArnEquals": {"aws:PrincipalArn": "${aws:username}"}}`, false},
		{`{"ArnNotEquals": {"aws:PrincipalArn": "${aws:userid}"}}`, false},
		{`{"ArnEquals": {"aws:PrincipalArn": "${aws:userid, 'arn:aws:iam::1:role/r'}"}}`, false},
		{`{"ArnLike": {"aws:PrincipalArn": "arn:*:*::*:${aws:username, 'x'}/*"}}`, false},
		{`{"ArnLike": {"aws:PrincipalArn": "arn:*:*::*:${aws:userid, 'role'}/*"}}`, true},
		{`{"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::${aws:username, 'x:y'}:role/r"}}`, false},
		// A colon in a variable's value does not move the fields of an ARN.
		{`{"ArnLike": {"a:account-arn": "arn:aws:sqs::${aws:PrincipalTag/acct}:queue"}}`, false},
		{`{"StringLike": {"a:account-arn": "arn:aws:sqs::${aws:PrincipalTag/acct}:queue"}}`, true},
	}
	for _, tt := range tests {
		if got, d := holds(t, tt.condition, ctx); got != tt.holds {
			t.Errorf("%s: %v, want %v\n%v", tt.condition, got, tt.holds, d)
		}
	}
}

// In version 2008-10-17, also the version of a document without one, variables
// are plain text.
func TestVariablesNeedVersion2012(t *testing.T) {
	t.Parallel()
	for _, version := range []string{``, `"Version": "2008-10-17",`} {
		p := mustParse(t, iam.IdentityPolicy, `{`+version+` "Statement": {"Effect": "Allow", "Action": "*",
			"Resource": "arn:aws:s3:::b/${aws:username}", "Condition": {"StringEquals": {"a:b": "${aws:username}"}}}}`)
		ctx := context(map[string][]string{"aws:username": {"ada"}, "a:b": {"ada"}})
		if d := iam.Evaluate(p, iam.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/ada", Context: ctx}); d.Allowed() {
			t.Errorf("%s: a variable was replaced", version)
		}
		ctx.Set("a:b", "${aws:username}")
		if d := iam.Evaluate(p, iam.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/${aws:username}", Context: ctx}); !d.Allowed() {
			t.Errorf("%s: plain text does not match itself: %v", version, d)
		}
	}
}
