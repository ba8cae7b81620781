package arn_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/arn"
)

func TestParseRoundTrip(t *testing.T) {
	for _, s := range []string{
		"arn:aws:iam::111122223333:user/ada.lovelace",
		"arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123456789abcdef",
		"arn:aws-cn:eks:cn-north-1:111122223333:cluster/dev",
		"arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC",
		"arn:aws:s3:::bucket/key:with:colons",
	} {
		a, err := arn.Parse(s)
		if err != nil {
			t.Errorf("Parse(%q): %v", s, err)
			continue
		}
		if got := a.String(); got != s {
			t.Errorf("Parse(%q).String() = %q", s, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", `does not begin with "arn:"`},
		{"ARN:aws:iam::111122223333:root", `does not begin with "arn:"`},
		{"arn:aws:iam::111122223333", "has 5 parts"},
		{"arn::iam::111122223333:root", "no partition"},
		{"arn:aws:::111122223333:root", "no service"},
		{"arn:aws:iam::111122223333:", "no resource"},
		{"arn:aws:iam::111122223333:user/ada lovelace", "white space"},
		{"arn:aws:iam::111122223333:user/ada\n", "white space"},
		{"arn:aws:iam::111122223333:user/" + strings.Repeat("a", 2048), "longer than 2048"},
	} {
		_, err := arn.Parse(tc.in)
		var syntax *arn.SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Parse(%.40q) = %v, want an error with %q", tc.in, err, tc.want)
		}
	}
}

func TestPrincipal(t *testing.T) {
	for _, tc := range []struct {
		in        string
		want      arn.Principal
		canonical string
	}{
		{
			"arn:aws:iam::111122223333:root",
			arn.Principal{Kind: arn.Root, Partition: "aws", AccountID: "111122223333"},
			"arn:aws:iam::111122223333:root",
		},
		{
			"arn:aws:iam::111122223333:user/ada.lovelace",
			arn.Principal{Kind: arn.User, Partition: "aws", AccountID: "111122223333", Path: "/", Name: "ada.lovelace"},
			"arn:aws:iam::111122223333:user/ada.lovelace",
		},
		{
			"arn:aws:iam::111122223333:user/team/a/ada",
			arn.Principal{Kind: arn.User, Partition: "aws", AccountID: "111122223333", Path: "/team/a/", Name: "ada"},
			"arn:aws:iam::111122223333:user/team/a/ada",
		},
		{
			"arn:aws-us-gov:iam::111122223333:role/team/awesome.role",
			arn.Principal{Kind: arn.Role, Partition: "aws-us-gov", AccountID: "111122223333", Path: "/team/", Name: "awesome.role"},
			"arn:aws-us-gov:iam::111122223333:role/awesome.role",
		},
		{
			"arn:aws:sts::111122223333:assumed-role/awesome.role/ada@example.com",
			arn.Principal{Kind: arn.AssumedRole, Partition: "aws", AccountID: "111122223333", Name: "awesome.role", Session: "ada@example.com"},
			"arn:aws:iam::111122223333:role/awesome.role",
		},
		{
			"arn:aws-cn:sts::111122223333:federated-user/ada",
			arn.Principal{Kind: arn.FederatedUser, Partition: "aws-cn", AccountID: "111122223333", Name: "ada"},
			"arn:aws-cn:sts::111122223333:federated-user/ada",
		},
	} {
		p, err := arn.ParsePrincipal(tc.in)
		if err != nil {
			t.Errorf("ParsePrincipal(%q): %v", tc.in, err)
			continue
		}
		if p != tc.want {
			t.Errorf("ParsePrincipal(%q) = %+v, want %+v", tc.in, p, tc.want)
		}
		if got := p.String(); got != tc.in {
			t.Errorf("String() = %q, want %q", got, tc.in)
		}
		if got := p.Canonical(); got != tc.canonical {
			t.Errorf("Canonical() = %q, want %q", got, tc.canonical)
		}
	}
}

func TestParsePrincipalRefuses(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"arn:amazon:iam::111122223333:root", "AWS does not have"},
		{"arn:aws:iam::1111:root", "twelve digits"},
		{"arn:aws:iam::11112222333x:root", "twelve digits"},
		{"arn:aws:iam:us-east-1:111122223333:root", "has a region"},
		{"arn:aws:iam::111122223333:user/", "no user name"},
		{"arn:aws:iam::111122223333:role", "has no role name"},
		{"arn:aws:iam::111122223333:role//x", "has no role name"},
		{"arn:aws:iam::111122223333:group/admins", "is not a user"},
		{"arn:aws:iam::111122223333:instance-profile/node", "the ARN of its role"},
		{"arn:aws:sts::111122223333:assumed-role/x", "ROLE/SESSION"},
		{"arn:aws:sts::111122223333:assumed-role/x/y/z", "ROLE/SESSION"},
		{"arn:aws:sts::111122223333:assumed-role//y", "ROLE/SESSION"},
		{"arn:aws:sts::111122223333:federated-user/", "federated-user/NAME"},
		{"arn:aws:sts::111122223333:root", "is not a user"},
		{"arn:aws:s3:::bucket", "twelve digits"},
	} {
		if p, err := arn.ParsePrincipal(tc.in); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("ParsePrincipal(%q) = %+v, %v, want an error with %q", tc.in, p, err, tc.want)
		}
	}
}

func FuzzParsePrincipal(f *testing.F) {
	for _, s := range []string{
		"arn:aws:iam::111122223333:root",
		"arn:aws:iam::111122223333:user/team/ada",
		"arn:aws:sts::111122223333:assumed-role/awesome.role/s",
		"arn:aws:iam::111122223333:role",
		"arn:aws:sts::111122223333:federated-user/ada",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := arn.ParsePrincipal(s)
		if err != nil {
			return
		}
		if p.String() != s {
			t.Errorf("%q became %q", s, p)
		}
		if _, err := arn.ParsePrincipal(p.Canonical()); err != nil {
			t.Errorf("the canonical form of %q is no principal: %v", s, err)
		}
	})
}
