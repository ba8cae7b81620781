package iam_test

import (
	"strings"
	"testing"

	"github.com/eksauth/eksauth/iam"
)

// irsaPolicy is the example output of "Assign IAM roles to Kubernetes service
// accounts" in the EKS user guide.
const irsaPolicy = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.region-code.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
      },
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringEquals": {
          "oidc.eks.region-code.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:sub": "system:serviceaccount:default:my-service-account",
          "oidc.eks.region-code.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:aud": "sts.amazonaws.com"
        }
      }
    }
  ]
}`

const (
	irsaIssuer = "oidc.eks.region-code.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
	irsaSub    = "system:serviceaccount:default:my-service-account"
)

// irsaRequest is a request that irsaPolicy allows, with the keys that STS sets.
func irsaRequest() iam.Request {
	return iam.Request{
		Action: "sts:AssumeRoleWithWebIdentity",
		Caller: iam.Caller{Federated: "arn:aws:iam::111122223333:oidc-provider/" + irsaIssuer},
		Context: context(map[string][]string{
			irsaIssuer + ":sub":       {irsaSub},
			irsaIssuer + ":aud":       {"sts.amazonaws.com"},
			"sts:RoleSessionName":     {"botocore-session-1700000000"},
			"aws:SourceIp":            {"203.0.113.9"},
			"aws:CurrentTime":         {"2026-11-23T07:04:50Z"},
			"aws:EpochTime":           {"1795417490"},
			"aws:SecureTransport":     {"true"},
			"aws:RequestTag/pod-name": {"x"},
		}),
	}
}

func TestIRSATrustPolicy(t *testing.T) {
	t.Parallel()
	p := mustParse(t, iam.TrustPolicy, irsaPolicy)
	if d := iam.Evaluate(p, irsaRequest()); d.Effect != iam.Allow || d.Via != iam.ViaSelf {
		t.Fatalf("%v via %v: %v", d.Effect, d.Via, d)
	}
	changes := map[string]func(*iam.Request){
		"another namespace": func(r *iam.Request) {
			r.Context.Set(irsaIssuer+":sub", "system:serviceaccount:kube-system:my-service-account")
		},
		"another audience": func(r *iam.Request) { r.Context.Set(irsaIssuer+":aud", "https://kubernetes.default.svc") },
		"no audience":      func(r *iam.Request) { r.Context.Set(irsaIssuer + ":aud") },
		"another provider": func(r *iam.Request) { r.Caller.Federated += "X" },
		"provider in another account": func(r *iam.Request) {
			r.Caller.Federated = "arn:aws:iam::444455556666:oidc-provider/" + irsaIssuer
		},
		"another action": func(r *iam.Request) { r.Action = "sts:AssumeRole" },
		"an AWS principal": func(r *iam.Request) {
			r.Caller = awsCaller(t, ada)
		},
	}
	for name, change := range changes {
		r := irsaRequest()
		change(&r)
		if d := iam.Evaluate(p, r); d.Effect != iam.NoMatch || d.Via != iam.ViaNone {
			t.Errorf("%s: %v", name, d)
		}
	}
}

// TestClassicMistakes: trust policies that look right, and that AWS answers with
// AccessDenied. Each reason must name the element that is wrong.
func TestClassicMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, old, new, reason string }{
		{"wildcard under StringEquals", `"system:serviceaccount:default:my-service-account"`, `"system:serviceaccount:default:*"`,
			`Condition StringEquals "` + irsaIssuer + `:sub": want "system:serviceaccount:default:*", found "` + irsaSub + `"`},
		{"https:// in the key", `"oidc.eks.region-code.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:sub"`, `"https://oidc.eks.region-code.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:sub"`,
			`Condition StringEquals "https://` + irsaIssuer + `:sub": want "` + irsaSub + `", found nothing`},
		{"provider ARN in the key", `"oidc.eks.region-code.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:sub"`, `"arn:aws:iam::111122223333:oidc-provider/oidc.eks.region-code.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:sub"`,
			`found nothing`},
		{"aud where sub was meant", `EXAMPLE:sub"`, `EXAMPLE:AUD"`, `more than once with different capitalization`},
		{"wrong case of the subject", `default:my-service-account`, `default:My-Service-Account`, `want "system:serviceaccount:default:My-Service-Account", found "` + irsaSub + `"`},
		{"oidc.REGION.eks", `"oidc.eks.region-code.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:aud"`, `"oidc.region-code.eks.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:aud"`, `found nothing`},
		{"trailing slash", `EXAMPLE"
      },`, `EXAMPLE/"
      },`, `Principal: want "Federated arn:aws:iam::111122223333:oidc-provider/` + irsaIssuer + `/", found "Federated arn`},
		{"provider in another account", `arn:aws:iam::111122223333`, `arn:aws:iam::444455556666`, `Principal: want "Federated arn:aws:iam::444455556666:`},
		{"not Federated", `"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.region-code.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"`, `"AWS": "arn:aws:iam::111122223333:root"`,
			`Principal: want "AWS arn:aws:iam::111122223333:root", found "Federated arn`},
		{"sts:AssumeRole", `"sts:AssumeRoleWithWebIdentity"`, `"sts:AssumeRole"`, `Action: want "sts:AssumeRole", found "sts:AssumeRoleWithWebIdentity"`},
	}
	for _, tt := range tests {
		doc := strings.Replace(irsaPolicy, tt.old, tt.new, 1)
		if doc == irsaPolicy {
			t.Fatalf("%s: the policy has no %s", tt.name, tt.old)
		}
		p, err := iam.Parse([]byte(doc), iam.TrustPolicy)
		if err != nil {
			if !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		d := iam.Evaluate(p, irsaRequest())
		if reasons := d.Reasons(); d.Allowed() || len(reasons) != 1 || !strings.Contains(reasons[0].String(), tt.reason) {
			t.Errorf("%s:\n got %v\nwant %s", tt.name, d, tt.reason)
		}
	}
	// And the right way to write the first.
	p := mustParse(t, iam.TrustPolicy, strings.NewReplacer("StringEquals", "StringLike", "default:my-service-account", "default:*").Replace(irsaPolicy))
	if d := iam.Evaluate(p, irsaRequest()); !d.Allowed() {
		t.Errorf("StringLike: %v", d)
	}
}

// TestConfusedDeputy: "The confused deputy problem" in the IAM user guide.
func TestConfusedDeputy(t *testing.T) {
	t.Parallel()
	p := mustParse(t, iam.TrustPolicy, `{
		"Version": "2012-10-17",
		"Statement": {
			"Effect": "Allow",
			"Action": "sts:AssumeRole",
			"Principal": {"AWS": "444455556666"},
			"Condition": {"StringEquals": {"sts:ExternalId": "12345"}}
		}
	}`)
	for id, want := range map[string]iam.Effect{"12345": iam.Allow, "67890": iam.NoMatch, "": iam.NoMatch} {
		r := iam.Request{Action: "sts:AssumeRole", Caller: awsCaller(t, "arn:aws:iam::444455556666:user/example-corp")}
		if id != "" {
			r.Context.Set("sts:ExternalId", id)
		}
		d := iam.Evaluate(p, r)
		if d.Effect != want || d.Allowed() && d.Via != iam.ViaAccount {
			t.Errorf("external id %q: %v via %v", id, d.Effect, d.Via)
		}
	}
}

// TestPermissionSet: the pattern of "Referencing permission sets in resource
// policies" in the IAM Identity Center user guide.
func TestPermissionSet(t *testing.T) {
	t.Parallel()
	p := mustParse(t, iam.TrustPolicy, `{"Version": "2012-10-17", "Statement": {
		"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
		"Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_DatabaseAdministrator_*"}}}}`)
	tests := []struct {
		path, name string
		allowed    bool
	}{
		{"/aws-reserved/sso.amazonaws.com/eu-west-2/", "AWSReservedSSO_DatabaseAdministrator_1234567890abcdef", true},
		{"/aws-reserved/sso.amazonaws.com/eu-west-2/", "AWSReservedSSO_DatabaseAdministrator_abcdef0123456789", true},
		{"/aws-reserved/sso.amazonaws.com/eu-west-2/", "AWSReservedSSO_ViewOnly_1234567890abcdef", false},
		{"/", "AWSReservedSSO_DatabaseAdministrator_1234567890abcdef", false}, // a look-alike
		{"", "AWSReservedSSO_DatabaseAdministrator_1234567890abcdef", false},
	}
	for _, tt := range tests {
		caller := awsCaller(t, "arn:aws:sts::111122223333:assumed-role/"+tt.name+"/ada@example.com")
		caller.RolePath = tt.path
		r := iam.Request{Action: "sts:AssumeRole", Caller: caller}
		r.Context.SetPrincipal(caller)
		if d := iam.Evaluate(p, r); d.Allowed() != tt.allowed {
			t.Errorf("%s%s: %v", tt.path, tt.name, d)
		}
	}
}

// TestMultiFactor: the combinations that "AWS global condition context keys"
// discusses for aws:MultiFactorAuthPresent.
func TestMultiFactor(t *testing.T) {
	t.Parallel()
	tests := []struct {
		effect, operator, value string
		with, without, missing  bool // does the statement apply
	}{
		{"Deny", "Bool", "false", false, true, false},
		{"Deny", "BoolIfExists", "false", false, true, true},
		{"Allow", "BoolIfExists", "true", true, false, true},
		{"Allow", "Bool", "true", true, false, false},
	}
	for _, tt := range tests {
		p := mustParse(t, iam.TrustPolicy, `{"Version": "2012-10-17", "Statement": {"Effect": "`+tt.effect+`", "Action": "sts:AssumeRole", "Principal": "*",
			"Condition": {"`+tt.operator+`": {"aws:MultiFactorAuthPresent": "`+tt.value+`"}}}}`)
		for value, want := range map[string]bool{"true": tt.with, "false": tt.without, "": tt.missing} {
			r := iam.Request{Action: "sts:AssumeRole"}
			if value != "" {
				r.Context.Set("aws:MultiFactorAuthPresent", value)
			}
			if d := iam.Evaluate(p, r); (d.Effect != iam.NoMatch) != want {
				t.Errorf("%s %s %s, found %q: %v", tt.effect, tt.operator, tt.value, value, d)
			}
		}
	}
}

func TestExplicitDenyWins(t *testing.T) {
	t.Parallel()
	const (
		allow = `{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "111122223333"}}`
		deny  = `{"Effect": "Deny", "Action": "sts:*", "Principal": "*", "Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}`
	)
	for _, statements := range []string{allow + "," + deny, deny + "," + allow} {
		p := mustParse(t, iam.TrustPolicy, `{"Version": "2012-10-17", "Statement": [`+statements+`]}`)
		r := iam.Request{Action: "sts:AssumeRole", Caller: awsCaller(t, ada), Context: context(map[string][]string{"aws:SourceIp": {"203.0.113.9"}})}
		if d := iam.Evaluate(p, r); d.Effect != iam.Allow || d.Via != iam.ViaAccount {
			t.Errorf("inside the network: %v via %v", d.Effect, d.Via)
		}
		r.Context.Set("aws:SourceIp", "198.51.100.1")
		if d := iam.Evaluate(p, r); d.Effect != iam.Deny || d.Via != iam.ViaNone {
			t.Errorf("outside the network: %v via %v", d.Effect, d.Via)
		}
	}
}

func TestMostDirectStatementDecidesVia(t *testing.T) {
	t.Parallel()
	p := mustParse(t, iam.TrustPolicy, `{"Statement": [
		{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::111122223333:role/builder"}},
		{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "111122223333"}}]}`)
	if d := iam.Evaluate(p, iam.Request{Action: "sts:AssumeRole", Caller: awsCaller(t, session)}); d.Via != iam.ViaRole {
		t.Errorf("via %v", d.Via)
	}
}

func TestActionsAndResources(t *testing.T) {
	t.Parallel()
	ctx := context(map[string][]string{"aws:username": {"ada"}, "aws:PrincipalTag/team": {"*"}})
	tests := []struct {
		elements, action, resource string
		applies                    bool
	}{
		{`"Action": "iam:ListAccessKeys", "Resource": "*"`, "IAM:listaccesskeys", "arn:aws:iam::1:user/a", true},
		{`"Action": "iam:*AccessKey*", "Resource": "*"`, "iam:CreateAccessKey", "arn:aws:iam::1:user/a", true},
		{`"Action": "iam:*AccessKey*", "Resource": "*"`, "iam:CreateUser", "arn:aws:iam::1:user/a", false},
		{`"Action": "s3:?tObject", "Resource": "*"`, "s3:GetObject", "arn:aws:s3:::b/k", false},
		{`"Action": "s3:?etObject", "Resource": "*"`, "s3:GetObject", "arn:aws:s3:::b/k", true},
		{`"Action": "*", "Resource": "*"`, "s3:GetObject", "", true},
		{`"Action": ["s3:List*", "s3:Get*"], "Resource": "*"`, "s3:GetObject", "arn:aws:s3:::b/k", true},
		{`"NotAction": "iam:*", "Resource": "*"`, "s3:GetObject", "arn:aws:s3:::b/k", true},
		{`"NotAction": ["s3:*", "iam:*"], "Resource": "*"`, "IAM:CreateUser", "arn:aws:iam::1:user/a", false},

		{`"Action": "*", "Resource": "arn:aws:s3:::b/*"`, "s3:GetObject", "arn:aws:s3:::b/a/b", true},
		{`"Action": "*", "Resource": "arn:aws:s3:::b/*/test/*"`, "s3:GetObject", "arn:aws:s3:::b/1/2/test/3/object.jpg", true},
		{`"Action": "*", "Resource": "arn:aws:s3:::b/*/test/*"`, "s3:GetObject", "arn:aws:s3:::b/1-test/object.jpg", false},
		{`"Action": "*", "Resource": "arn:aws:s3:::B/*"`, "s3:GetObject", "arn:aws:s3:::b/a", false},
		{`"Action": "*", "Resource": "arn:aws:ec2:*"`, "ec2:RunInstances", "arn:aws:ec2:us-east-1:1:instance/i", true},
		{`"Action": "*", "NotResource": "arn:aws:s3:::b/*"`, "s3:GetObject", "arn:aws:s3:::b/a", false},
		{`"Action": "*", "NotResource": ["arn:aws:s3:::b/*", "arn:aws:s3:::c/*"]`, "s3:GetObject", "arn:aws:s3:::d/a", true},

		{`"Action": "*", "Resource": "arn:aws:iam::1:user/${aws:username}"`, "iam:GetUser", "arn:aws:iam::1:user/ada", true},
		{`"Action": "*", "Resource": "arn:aws:iam::1:user/${aws:username}"`, "iam:GetUser", "arn:aws:iam::1:user/bob", false},
		{`"Action": "*", "Resource": "arn:aws:sqs:us-east-2:*:${aws:username}-queue"`, "sqs:SendMessage", "arn:aws:sqs:us-east-2:1:ada-queue", true},
		{`"Action": "*", "Resource": "arn:aws:iam::1:user/${aws:userid, 'anonymous'}"`, "iam:GetUser", "arn:aws:iam::1:user/anonymous", true},
		{`"Action": "*", "Resource": "arn:aws:s3:::b/${aws:PrincipalTag/team}"`, "s3:GetObject", "arn:aws:s3:::b/x", false},
		{`"Action": "*", "Resource": "arn:aws:s3:::b/${aws:PrincipalTag/team}/*"`, "s3:GetObject", "arn:aws:s3:::b/*/x", true},
		{`"Action": "*", "Resource": "arn:aws:s3:::b/${aws:userid}"`, "s3:GetObject", "arn:aws:s3:::b/${aws:userid}", false},
		{`"Action": "*", "NotResource": "arn:aws:s3:::b/${aws:userid}"`, "s3:GetObject", "arn:aws:s3:::c/x", false},
	}
	for _, tt := range tests {
		p := mustParse(t, iam.IdentityPolicy, `{"Version": "2012-10-17", "Statement": {"Effect": "Deny", `+tt.elements+`}}`)
		d := iam.Evaluate(p, iam.Request{Action: tt.action, Resource: tt.resource, Context: ctx})
		if (d.Effect == iam.Deny) != tt.applies || d.Effect == iam.Allow {
			t.Errorf("%s, %s on %s: %v, want %v", tt.elements, tt.action, tt.resource, d.Effect, tt.applies)
		}
	}
}

func TestNoPolicyAllowsNothing(t *testing.T) {
	t.Parallel()
	byHand := &iam.Policy{Kind: iam.IdentityPolicy, Statements: []iam.Statement{
		{Effect: iam.Allow, Actions: iam.Actions{Not: true}, Resources: iam.Resources{Not: true}}}}
	for _, p := range []*iam.Policy{nil, {}, byHand} {
		if d := iam.Evaluate(p, irsaRequest()); d.Effect != iam.NoMatch || d.Reasons() != nil || d.String() != "implicitly denied: no statement allows anything" {
			t.Errorf("%v: got %v", p, d)
		}
	}
}
