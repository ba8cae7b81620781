package iam_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/iam"
)

func TestContextSetReplacesAndRemoves(t *testing.T) {
	t.Parallel()
	var c iam.Context
	if c.Values("a:b") != nil {
		t.Error("an empty context has values")
	}
	c.Set("a:b")
	c.Set("A:B", "1", "2")
	c.Set("a:B", "3")
	if diff := cmp.Diff([]string{"3"}, c.Values("A:b")); diff != "" {
		t.Error(diff)
	}
	c.Set("a:b")
	if got := c.Values("a:b"); got != nil {
		t.Errorf("removed, but %q", got)
	}
}

// TestSetPrincipal: the table of principal key values in "IAM policy elements:
// Variables and tags".
func TestSetPrincipal(t *testing.T) {
	t.Parallel()
	user := awsCaller(t, ada)
	user.Identity.UserID = "AIDAEXAMPLE"
	role := awsCaller(t, session)
	role.Identity.UserID, role.RolePath = "AROAEXAMPLE", "/aws-reserved/sso.amazonaws.com/"
	federated := awsCaller(t, "arn:aws:sts::111122223333:federated-user/f")
	federated.Identity.UserID = "111122223333:f"

	tests := []struct {
		caller                       iam.Caller
		arn, kind, userID, plainName string
	}{
		{awsCaller(t, "arn:aws:iam::111122223333:root"), "arn:aws:iam::111122223333:root", "Account", "111122223333", ""},
		{user, ada, "User", "AIDAEXAMPLE", "ada"},
		{role, "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/builder", "AssumedRole", "AROAEXAMPLE:ci", ""},
		{awsCaller(t, session), "arn:aws:iam::111122223333:role/builder", "AssumedRole", "", ""},
		{federated, "arn:aws:sts::111122223333:federated-user/f", "FederatedUser", "111122223333:f", ""},
		{iam.Caller{Federated: "accounts.google.com"}, "", "", "", ""},
	}
	var c iam.Context // one for all, so that what is left over shows
	for _, tt := range tests {
		c.SetPrincipal(tt.caller)
		account := ""
		if tt.arn != "" {
			account = "111122223333"
		}
		for key, want := range map[string]string{
			"aws:PrincipalArn": tt.arn, "aws:PrincipalAccount": account, "aws:PrincipalType": tt.kind,
			"aws:userid": tt.userID, "aws:username": tt.plainName,
		} {
			got := c.Values(key)
			if want == "" && got != nil || want != "" && !cmp.Equal(got, []string{want}) {
				t.Errorf("%v: %s is %q, want %q", tt.caller, key, got, want)
			}
		}
	}
}
