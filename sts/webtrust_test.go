package sts

import (
	"strings"
	"testing"
)

// Whatever is wrong with the role, outside it looks the same.
func TestWebIdentityIsNotAuthorized(t *testing.T) {
	t.Parallel()
	const key, allow = "oidc.eks.us-east-1.amazonaws.com/id/ABC", `"sts:AssumeRoleWithWebIdentity"`
	sub := func(operator, key, value string) string {
		return `{"` + operator + `":{"` + key + `":"` + value + `"}}`
	}
	for name, tc := range map[string]struct {
		trust  string
		role   string
		reason string
	}{
		"wrong namespace": {trust: federated(providerARN, allow, sub("StringEquals", key+":sub", "system:serviceaccount:default:api")),
			reason: `Condition StringEquals \"` + key + `:sub\": want \"system:serviceaccount:default:api\", found \"` + subject + `\"`},
		"wildcard under StringEquals": {trust: federated(providerARN, allow, sub("StringEquals", key+":sub", "system:serviceaccount:payments:*")), reason: subject},
		"https:// in the key":         {trust: federated(providerARN, allow, sub("StringEquals", "https://"+key+":sub", subject)), reason: "found nothing"},
		"ARN in the key":              {trust: federated(providerARN, allow, sub("StringEquals", providerARN+":sub", subject)), reason: "found nothing"},
		"aud where sub was meant":     {trust: federated(providerARN, allow, sub("StringEquals", key+":aud", subject)), reason: `found \"sts.amazonaws.com\"`},
		"another issuer in the key":   {trust: federated(providerARN, allow, sub("StringEquals", "oidc.us-east-1.eks.amazonaws.com/id/ABC:sub", subject)), reason: "found nothing"},
		"wrong case":                  {trust: federated(providerARN, allow, sub("StringEquals", key+":sub", "system:serviceaccount:Payments:api")), reason: subject},
		"provider of another account": {trust: federated(strings.Replace(providerARN, account, "444455556666", 1), allow, sub("StringEquals", key+":sub", subject)),
			reason: `want \"Federated arn:aws:iam::444455556666`},
		"another action": {trust: federated(providerARN, `"sts:AssumeRole"`, sub("StringEquals", key+":sub", subject)), reason: `Action: want \"sts:AssumeRole\", found \"sts:AssumeRoleWithWebIdentity\"`},
		"principal AWS":  {trust: trusting(account, allow, ""), reason: "Principal: want"},
		"explicit deny": {trust: strings.TrimSuffix(irsa(), "]}") + `,{"Effect":"Deny","Principal":"*","Action":"sts:*"}]}`,
			reason: "explicitly denied"},
		"an AWS principal's key": {trust: federated(providerARN, allow, sub("StringEquals", "aws:PrincipalAccount", account)), reason: "found nothing"},
		"no such role":           {role: "arn:aws:iam::111122223333:role/nobody", reason: "the role does not exist"},
		"another path":           {role: "arn:aws:iam::111122223333:role/payments.api", reason: "the role's ARN is " + podRoleARN},
		"another partition":      {role: strings.Replace(podRoleARN, "aws", "aws-cn", 1), reason: "the role's ARN is " + podRoleARN},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPodWorld(t)
			if tc.trust != "" {
				w.addRole(t, podRoleARN, "AROAPODSPODSPODSPODS", tc.trust)
			}
			role := podRoleARN
			if tc.role != "" {
				role = tc.role
			}
			token := w.jwt(t, nil)
			// No role is told apart by how long its sessions may last.
			e := refused(t, w.do(post(w.web(t, "WebIdentityToken", token, "RoleArn", role, "DurationSeconds", "43200"))), 403, "AccessDenied", "")
			if e.Message != "Not authorized to perform sts:AssumeRoleWithWebIdentity" {
				t.Errorf("message %q", e.Message)
			}
			oneLine(t, w, token, tc.reason)
			if !strings.Contains(w.log.String(), "role="+role) {
				t.Errorf("the log lacks the role: %s", w.log)
			}
		})
	}
}

func TestConditionKeysOfWebIdentity(t *testing.T) {
	t.Parallel()
	const key = "oidc.eks.us-east-1.amazonaws.com/id/ABC"
	for name, tc := range map[string]struct {
		condition string
		claims    map[string]any
		denied    bool
	}{
		"subject by pattern": {condition: `{"StringLike":{"` + key + `:sub":"system:serviceaccount:payments:*"}}`},
		"audience is the one that the provider accepts": {condition: `{"StringEquals":{"` + key + `:aud":"sts.amazonaws.com"}}`,
			claims: map[string]any{"aud": []string{"kubernetes", "sts.amazonaws.com", "other"}}},
		"not the others": {condition: `{"ForAnyValue:StringEquals":{"` + key + `:aud":["kubernetes","other"]}}`,
			claims: map[string]any{"aud": []string{"kubernetes", "sts.amazonaws.com", "other"}}, denied: true},
		"authorized party":   {condition: `{"StringEquals":{"` + key + `:aud":"other"}}`, claims: map[string]any{"azp": "other"}},
		"methods":            {condition: `{"ForAnyValue:StringEquals":{"` + key + `:amr":"mfa"}}`, claims: map[string]any{"amr": []string{"pwd", "mfa"}}},
		"no methods":         {condition: `{"Null":{"` + key + `:amr":"true"}}`},
		"session name":       {condition: `{"StringEquals":{"sts:RoleSessionName":"pod-1"}}`},
		"another name":       {condition: `{"StringEquals":{"sts:RoleSessionName":"pod-2"}}`, denied: true},
		"address":            {condition: `{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`},
		"another address":    {condition: `{"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}}`, denied: true},
		"time":               {condition: `{"DateGreaterThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"},"NumericGreaterThan":{"aws:EpochTime":"1577836800"}}`},
		"no TLS":             {condition: `{"Bool":{"aws:SecureTransport":"true"}}`, denied: true},
		"region of the host": {condition: `{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}`},
		"no AWS principal": {condition: `{"Null":{"aws:PrincipalArn":"true","aws:PrincipalAccount":"true","aws:PrincipalType":"true","aws:userid":"true",
			"aws:PrincipalIsAWSService":"true","aws:FederatedProvider":"true","aws:MultiFactorAuthPresent":"true"}}`},
		"other claims are no keys": {condition: `{"Null":{"` + key + `:jti":"true","` + key + `:iss":"true"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPodWorld(t)
			w.addRole(t, podRoleARN, "AROAPODSPODSPODSPODS", federated(providerARN, `"sts:AssumeRoleWithWebIdentity"`, tc.condition))
			form := w.web(t, "WebIdentityToken", w.jwt(t, tc.claims))
			if tc.denied {
				refused(t, w.do(post(form)), 403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
				return
			}
			w.webSession(t, form)
		})
	}
}
