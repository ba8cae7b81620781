package sts

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
)

// notAuthorized is what AWS says whatever the reason.
func notAuthorized(who, action, role string) string {
	return "User: " + who + " is not authorized to perform: " + action + " on resource: " + role
}

func TestTrustPolicyDecides(t *testing.T) {
	t.Parallel()
	const (
		root     = "arn:aws:iam::111122223333:root"
		sessions = "arn:aws:sts::111122223333:assumed-role/awesome.role/"
		allow    = `"sts:AssumeRole"`
	)
	both := trusting(root, allow, "")
	denied := strings.TrimSuffix(both, "]}") + `,{"Effect":"Deny","Principal":{"AWS":"` + adaARN + `"},"Action":"sts:AssumeRole"}]}`
	tests := []struct {
		name    string
		trust   string
		changes []string
		action  string // refused; "" when allowed
		reason  string // in the log
	}{
		{"the user", trusting(adaARN, allow, ""), nil, "", ""},
		{"the account's root", trusting(root, allow, ""), nil, "", ""},
		{"the account's id", trusting(account, allow, ""), nil, "", ""},
		{"another user", trusting("arn:aws:iam::111122223333:user/grace.hopper", allow, ""), nil, "sts:AssumeRole", "grace.hopper"},
		{"the user without the path", trusting("arn:aws:iam::111122223333:user/ada.lovelace", allow, ""), nil, "sts:AssumeRole", "ada.lovelace"},
		{"another account", trusting("444455556666", allow, ""), nil, "sts:AssumeRole", "444455556666"},
		{"another action", trusting(adaARN, `"sts:AssumeRoleWithSAML"`, ""), nil, "sts:AssumeRole", "want"},
		{"an explicit deny", denied, nil, "sts:AssumeRole", "explicitly denied"},

		{"external id", trusting(adaARN, allow, `{"StringEquals":{"sts:ExternalId":"x-1"}}`), []string{"ExternalId", "x-1"}, "", ""},
		{"external id missing", trusting(adaARN, allow, `{"StringEquals":{"sts:ExternalId":"x-1"}}`), nil, "sts:AssumeRole", "sts:ExternalId"},
		{"external id wrong", trusting(adaARN, allow, `{"StringEquals":{"sts:ExternalId":"x-1"}}`), []string{"ExternalId", "x-2"}, "sts:AssumeRole", "x-2"},

		{"principal's ARN", trusting(root, allow, `{"ArnEquals":{"aws:PrincipalArn":"`+adaARN+`"}}`), nil, "", ""},
		{"principal's account", trusting(root, allow, `{"StringEquals":{"aws:PrincipalAccount":"`+account+`"}}`), nil, "", ""},
		{"principal's type", trusting(root, allow, `{"StringEquals":{"aws:PrincipalType":"User"}}`), nil, "", ""},
		{"user id", trusting(root, allow, `{"StringEquals":{"aws:userid":"AIDAADAADAADAADAADAA"}}`), nil, "", ""},
		{"user name", trusting(root, allow, `{"StringEquals":{"aws:username":"ada.lovelace"}}`), nil, "", ""},
		{"session name is the user's", trusting(root, allow, `{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}`), []string{"RoleSessionName", "ada.lovelace"}, "", ""},
		{"session name is not the user's", trusting(root, allow, `{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}`), nil, "sts:AssumeRole", "sts:RoleSessionName"},
		{"address", trusting(root, allow, `{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`), nil, "", ""},
		{"another address", trusting(root, allow, `{"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}}`), nil, "sts:AssumeRole", "aws:SourceIp"},
		{"time", trusting(root, allow, `{"DateGreaterThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"},"NumericGreaterThan":{"aws:EpochTime":"1577836800"}}`), nil, "", ""},
		{"too late", trusting(root, allow, `{"DateLessThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}}`), nil, "sts:AssumeRole", "aws:CurrentTime"},
		{"no TLS", trusting(root, allow, `{"Bool":{"aws:SecureTransport":"true"}}`), nil, "sts:AssumeRole", "aws:SecureTransport"},
		{"no MFA", trusting(root, allow, `{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`), nil, "sts:AssumeRole", "aws:MultiFactorAuthPresent"},
		{"MFA is absent with a long-term key", trusting(root, allow, `{"Null":{"aws:MultiFactorAuthPresent":"true"}}`), nil, "", ""},
		{"region", trusting(root, allow, `{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}`), nil, "", ""},

		{"tags, allowed", trusting(adaARN, `["sts:AssumeRole","sts:TagSession"]`, `{"StringEquals":{"aws:RequestTag/team":"blue"}}`),
			[]string{"Tags.member.1.Key", "team", "Tags.member.1.Value", "blue"}, "", ""},
		{"tags, wrong value", trusting(adaARN, `["sts:AssumeRole","sts:TagSession"]`, `{"StringEquals":{"aws:RequestTag/team":"blue"}}`),
			[]string{"Tags.member.1.Key", "team", "Tags.member.1.Value", "red"}, "sts:AssumeRole", "red"},
		{"tags, another key", trusting(adaARN, `["sts:AssumeRole","sts:TagSession"]`, `{"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`),
			[]string{"Tags.member.1.Key", "team", "Tags.member.1.Value", "red", "Tags.member.2.Key", "mood", "Tags.member.2.Value", "fine"}, "sts:AssumeRole", "mood"},
		{"tags without sts:TagSession", trusting(adaARN, allow, ""), []string{"Tags.member.1.Key", "team", "Tags.member.1.Value", "blue"}, "sts:TagSession", "sts:TagSession"},
		{"transitive tags", trusting(adaARN, `["sts:AssumeRole","sts:TagSession"]`, `{"ForAnyValue:StringEquals":{"sts:TransitiveTagKeys":["team"]}}`),
			[]string{"Tags.member.1.Key", "team", "Tags.member.1.Value", "blue", "TransitiveTagKeys.member.1", "team"}, "", ""},
		{"tags that are not transitive", trusting(adaARN, `["sts:AssumeRole","sts:TagSession"]`, `{"ForAnyValue:StringEquals":{"sts:TransitiveTagKeys":["team"]}}`),
			[]string{"Tags.member.1.Key", "team", "Tags.member.1.Value", "blue"}, "sts:AssumeRole", "sts:TransitiveTagKeys"},
		{"source identity", trusting(adaARN, `["sts:AssumeRole","sts:SetSourceIdentity"]`, `{"StringEquals":{"sts:SourceIdentity":"ada"}}`), []string{"SourceIdentity", "ada"}, "", ""},
		{"source identity without sts:SetSourceIdentity", trusting(adaARN, allow, ""), []string{"SourceIdentity", "ada"}, "sts:SetSourceIdentity", "sts:SetSourceIdentity"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.addRole(t, roleARN, "AROAAWESOMEAWESOMEAW", test.trust)
			got := w.call(t, ada(), assume(test.changes...))
			if test.action == "" {
				if got.status != 200 || !strings.Contains(got.body, "<Arn>"+sessions) {
					t.Errorf("%d %s\n%s", got.status, got.body, w.log)
				}
				return
			}
			e := refused(t, got, 403, "AccessDenied", "")
			if want := notAuthorized(adaARN, test.action, roleARN); e.Message != want {
				t.Errorf("message %q, want %q", e.Message, want)
			}
			if !strings.Contains(w.log.String(), test.reason) {
				t.Errorf("the log lacks the reason %q: %s", test.reason, w.log)
			}
		})
	}
}

func TestTrustPolicySeesASessionByItsRole(t *testing.T) {
	t.Parallel()
	const session = "arn:aws:sts::111122223333:assumed-role/awesome.role/s-1"
	tests := []struct {
		name    string
		trust   string
		allowed bool
	}{
		{"the role with its path", trusting(roleARN, `"sts:AssumeRole"`, ""), true},
		{"the role without its path", trusting("arn:aws:iam::111122223333:role/awesome.role", `"sts:AssumeRole"`, ""), false},
		{"the session", trusting(session, `"sts:AssumeRole"`, ""), true},
		{"another session", trusting(session+"2", `"sts:AssumeRole"`, ""), false},
		{"the account", trusting(account, `"sts:AssumeRole"`, ""), true},
		{"the user behind it", trusting(adaARN, `"sts:AssumeRole"`, ""), false},
		{"aws:PrincipalArn is the role", trusting(account, `"sts:AssumeRole"`, `{"ArnEquals":{"aws:PrincipalArn":"`+roleARN+`"}}`), true},
		{"aws:userid has the session's name", trusting(account, `"sts:AssumeRole"`, `{"StringEquals":{"aws:userid":"AROAAWESOMEAWESOMEAW:s-1","aws:PrincipalType":"AssumedRole"}}`), true},
		{"aws:username is absent", trusting(account, `"sts:AssumeRole"`, `{"Null":{"aws:username":"true"}}`), true},
		{"no MFA", trusting(account, `"sts:AssumeRole"`, `{"Bool":{"aws:MultiFactorAuthPresent":"false"}}`), true},
		{"when it was issued", trusting(account, `"sts:AssumeRole"`, `{"DateGreaterThan":{"aws:TokenIssueTime":"2020-01-01T00:00:00Z"}}`), true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.addRole(t, otherARN, "AROAOTHEROTHEROTHERO", test.trust)
			got := w.call(t, w.session(t, ada(), roleARN), assume("RoleArn", otherARN, "RoleSessionName", "s-2"))
			if test.allowed {
				if got.status != 200 {
					t.Errorf("%d %s\n%s", got.status, got.body, w.log)
				}
				return
			}
			e := refused(t, got, 403, "AccessDenied", "")
			if want := notAuthorized(session, "sts:AssumeRole", otherARN); e.Message != want {
				t.Errorf("message %q, want %q", e.Message, want)
			}
		})
	}
}

func TestMissingRoleLooksLikeAnUntrustedOne(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ role, reason string }{
		"no such role":      {"arn:aws:iam::111122223333:role/nobody", "the role does not exist"},
		"no such account":   {"arn:aws:iam::999999999999:role/team/awesome.role", "the role does not exist"},
		"another partition": {"arn:aws-cn:iam::111122223333:role/team/awesome.role", "the role's ARN is " + roleARN},
		"another path":      {"arn:aws:iam::111122223333:role/awesome.role", "the role's ARN is " + roleARN},
		"no trust policy":   {"arn:aws:iam::111122223333:role/bare", "implicitly denied"},
		"not trusting ada":  {otherARN, "implicitly denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			bare := principal(t, "arn:aws:iam::111122223333:role/bare")
			w.roles["bare"] = Role{Principal: bare, ID: "AROABAREBAREBAREBARE"}
			// No role is told apart by how long its sessions may last.
			e := refused(t, w.call(t, ada(), assume("RoleArn", test.role, "DurationSeconds", "43200")), 403, "AccessDenied", "")
			if want := notAuthorized(adaARN, "sts:AssumeRole", test.role); e.Message != want {
				t.Errorf("message %q, want %q", e.Message, want)
			}
			if !strings.Contains(w.log.String(), test.reason) {
				t.Errorf("the log lacks %q: %s", test.reason, w.log)
			}
		})
	}
}

func TestRoleOfAnotherAccount(t *testing.T) {
	t.Parallel()
	const role = "arn:aws:iam::444455556666:role/visitor"
	w := newWorld(t)
	w.addRole(t, role, "AROAVISITORVISITORVI", trusting(account, `"sts:AssumeRole"`, ""))
	got := w.call(t, ada(), assume("RoleArn", role))
	if got.status != 200 || !strings.Contains(got.body, "<Arn>arn:aws:sts::444455556666:assumed-role/visitor/s-1</Arn>") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestSecureTransportIsTrueOverTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addRole(t, roleARN, "AROAAWESOMEAWESOMEAW", trusting(adaARN, `"sts:AssumeRole"`, `{"Bool":{"aws:SecureTransport":"true"}}`))
	r := sign(t, post(assume()), ada(), region, w.now())
	r.TLS = &tls.ConnectionState{}
	if got := w.do(r); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
}
