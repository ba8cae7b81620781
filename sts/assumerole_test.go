package sts

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/sigv4"
)

// assume is the form of an AssumeRole of awesome.role, where changes may
// replace or add parameters; "-" leaves one out.
func assume(changes ...string) string {
	pairs := []string{"Action", "AssumeRole", "Version", apiVersion, "RoleArn", roleARN, "RoleSessionName", "s-1"}
next:
	for i := 0; i < len(changes); i += 2 {
		for j := 0; j < len(pairs); j += 2 {
			if pairs[j] == changes[i] {
				pairs[j+1] = changes[i+1]
				continue next
			}
		}
		pairs = append(pairs, changes[i], changes[i+1])
	}
	var kept []string
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "-" {
			kept = append(kept, pairs[i], pairs[i+1])
		}
	}
	return form(kept...)
}

func TestInvalidInputOfAssumeRole(t *testing.T) {
	t.Parallel()
	const arnPattern = `Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`
	value := func(value, field, rule string) string {
		return "1 validation error detected: Value " + value + " at '" + field + "' failed to satisfy constraint: Member must " + rule
	}
	long := strings.Repeat("s", 65)
	tests := []struct {
		name    string
		changes []string
		code    string
		message string // exactly
	}{
		{"no role", []string{"RoleArn", "-"}, "ValidationError", value("null", "roleArn", "not be null")},
		{"no session name", []string{"RoleSessionName", "-"}, "ValidationError", value("null", "roleSessionName", "not be null")},
		{"neither", []string{"RoleArn", "-", "RoleSessionName", "-"}, "ValidationError",
			"2 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; " +
				"Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null"},
		// This one is quoted from an answer of the real service.
		{"empty role", []string{"RoleArn", ""}, "ValidationError",
			"2 validation errors detected: Value '' at 'roleArn' failed to satisfy constraint: " + arnPattern +
				"; Value '' at 'roleArn' failed to satisfy constraint: Member must have length greater than or equal to 20"},
		{"role with a control character", []string{"RoleArn", roleARN + "\x01"}, "ValidationError",
			"1 validation error detected: Value '" + roleARN + "�' at 'roleArn' failed to satisfy constraint: " + arnPattern},
		{"short role", []string{"RoleArn", "awesome.role"}, "ValidationError", value("'awesome.role'", "roleArn", "have length greater than or equal to 20")},
		{"long session name", []string{"RoleSessionName", long}, "ValidationError", value("'"+long+"'", "roleSessionName", "have length less than or equal to 64")},
		{"short session name", []string{"RoleSessionName", "s"}, "ValidationError", value("'s'", "roleSessionName", "have length greater than or equal to 2")},
		{"slash in the session name", []string{"RoleSessionName", "PowerUser/x"}, "ValidationError",
			value("'PowerUser/x'", "roleSessionName", `satisfy regular expression pattern: [\w+=,.@-]*`)},
		{"letter outside ASCII in the session name", []string{"RoleSessionName", "zoë"}, "ValidationError",
			value("'zoë'", "roleSessionName", `satisfy regular expression pattern: [\w+=,.@-]*`)},
		{"short duration", []string{"DurationSeconds", "899"}, "ValidationError", value("'899'", "durationSeconds", "have value greater than or equal to 900")},
		{"negative duration", []string{"DurationSeconds", "-3600"}, "ValidationError", value("'-3600'", "durationSeconds", "have value greater than or equal to 900")},
		{"long duration", []string{"DurationSeconds", "43201"}, "ValidationError", value("'43201'", "durationSeconds", "have value less than or equal to 43200")},
		{"duration that is no number", []string{"DurationSeconds", "1h"}, "ValidationError", value("'1h'", "durationSeconds", "be a whole number")},
		{"duration that overflows", []string{"DurationSeconds", "99999999999999999999"}, "ValidationError", value("'99999999999999999999'", "durationSeconds", "be a whole number")},
		{"short external id", []string{"ExternalId", "x"}, "ValidationError", value("'x'", "externalId", "have length greater than or equal to 2")},
		{"empty external id", []string{"ExternalId", ""}, "ValidationError", value("''", "externalId", "have length greater than or equal to 2")},
		{"external id with a space", []string{"ExternalId", "a b"}, "ValidationError", value("'a b'", "externalId", `satisfy regular expression pattern: [\w+=,.@:\/-]*`)},
		{"long external id", []string{"ExternalId", strings.Repeat("x", 1225)}, "ValidationError",
			value("'"+strings.Repeat("x", 1024)+"…'", "externalId", "have length less than or equal to 1224")},
		{"short source identity", []string{"SourceIdentity", "a"}, "ValidationError", value("'a'", "sourceIdentity", "have length greater than or equal to 2")},
		{"short serial number", []string{"SerialNumber", "GAHT"}, "ValidationError", value("'GAHT'", "serialNumber", "have length greater than or equal to 9")},
		{"token code of letters", []string{"TokenCode", "abcdef"}, "ValidationError", value("'abcdef'", "tokenCode", `satisfy regular expression pattern: [\d]*`)},
		{"serial number alone", []string{"SerialNumber", "GAHT12345678"}, "AccessDenied", "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."},
		{"token code alone", []string{"TokenCode", "123456"}, "AccessDenied", "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."},

		{"no ARN at all", []string{"RoleArn", "awesome.role.in.my.account"}, "ValidationError", "awesome.role.in.my.account is invalid"},
		{"a user's ARN", []string{"RoleArn", adaARN}, "ValidationError", "Request ARN is invalid"},
		{"a certificate's ARN", []string{"RoleArn", "arn:aws:acm:us-east-1:111122223333:certificate/1234"}, "ValidationError", "Request ARN is invalid"},
		{"a session's ARN", []string{"RoleArn", "arn:aws:sts::111122223333:assumed-role/awesome.role/s-1"}, "ValidationError", "Request ARN is invalid"},
		{"a role in no account", []string{"RoleArn", "arn:aws:iam:::role/awesome.role"}, "ValidationError", "Request ARN is invalid"},

		{"tag without a value", []string{"Tags.member.1.Key", "team"}, "ValidationError", value("null", "tags.1.member.value", "not be null")},
		{"tag without a key", []string{"Tags.member.1.Value", "blue"}, "ValidationError", value("null", "tags.1.member.key", "not be null")},
		{"tag with an empty key", []string{"Tags.member.1.Key", "", "Tags.member.1.Value", "blue"}, "ValidationError",
			`2 validation errors detected: Value '' at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+; ` +
				"Value '' at 'tags.1.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"tag with a bad value", []string{"Tags.member.1.Key", "team", "Tags.member.1.Value", "<blue>"}, "ValidationError",
			value("'<blue>'", "tags.1.member.value", `satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]*`)},
		{"tag with a long value", []string{"Tags.member.1.Key", "team", "Tags.member.1.Value", strings.Repeat("v", 257)}, "ValidationError",
			value("'"+strings.Repeat("v", 257)+"'", "tags.1.member.value", "have length less than or equal to 256")},
		{"too many tags", manyTags(51), "ValidationError", value("of 51 members", "tags", "have length less than or equal to 50")},
		{"tag keys that differ in case", []string{"Tags.member.1.Key", "team", "Tags.member.1.Value", "a", "Tags.member.2.Key", "TEAM", "Tags.member.2.Value", "b"},
			"InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{"reserved tag key", []string{"Tags.member.1.Key", "AWS:team", "Tags.member.1.Value", "a"}, "InvalidParameterValue", "Tag keys that begin with aws: are reserved"},
		{"transitive key without its tag", []string{"TransitiveTagKeys.member.1", "team"}, "InvalidParameterValue", "The specified transitive tag key must be included in the requested tags."},
		{"tag after a gap", []string{"Tags.member.2.Key", "team", "Tags.member.2.Value", "a"}, "InvalidParameterValue", "The parameter Tags.member.2.Key is not known to this operation"},

		{"session policy that is none", []string{"Policy", `{"Version":"2012-10-17"}`}, "MalformedPolicyDocument", "malformed policy: document (1:1): missing required field Statement"},
		{"session policy for somebody", []string{"Policy", trusting(adaARN, `"sts:AssumeRole"`, "")}, "MalformedPolicyDocument",
			"malformed policy: Statement[0].Principal (1:56): has prohibited field Principal; the principal of an identity policy is who it is attached to"},
		{"empty session policy", []string{"Policy", ""}, "ValidationError",
			`2 validation errors detected: Value '' at 'policy' failed to satisfy constraint: Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u00FF]+; ` +
				"Value '' at 'policy' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"long session policy", []string{"Policy", strings.Repeat(" ", 2049)}, "ValidationError",
			value("'"+strings.Repeat(" ", 1024)+"…'", "policy", "have length less than or equal to 2048")},
		{"managed session policy", []string{"PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"}, "InvalidParameterValue", "The policy arn:aws:iam::aws:policy/ReadOnlyAccess does not exist or is not attachable."},
		{"provided context", []string{"ProvidedContexts.member.1.ProviderArn", "arn:aws:iam::aws:contextProvider/x"}, "InvalidParameterValue", "The parameter ProvidedContexts.member.1.ProviderArn is not known to this operation"},
		{"misspelt parameter", []string{"ExternalID", "x-1"}, "InvalidParameterValue", "The parameter ExternalID is not known to this operation"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			got := w.call(t, ada(), assume(test.changes...))
			status := 400
			if test.code == "AccessDenied" {
				status = 403
			}
			if e := refused(t, got, status, test.code, ""); e.Message != test.message {
				t.Errorf("message %q\nwant    %q", e.Message, test.message)
			}
		})
	}
}

func manyTags(n int) []string {
	var pairs []string
	for i := 1; i <= n; i++ {
		prefix := "Tags.member." + strconv.Itoa(i)
		pairs = append(pairs, prefix+".Key", "k"+strconv.Itoa(i), prefix+".Value", "v")
	}
	return pairs
}

func TestInputAtItsLimitsIsAccepted(t *testing.T) {
	t.Parallel()
	for name, changes := range map[string][]string{
		"longest session name":            {"RoleSessionName", strings.Repeat("s", 64)},
		"shortest session name":           {"RoleSessionName", "ab"},
		"all characters of a name":        {"RoleSessionName", "aZ0_+=,.@-"},
		"shortest duration":               {"DurationSeconds", "900"},
		"the role's duration":             {"DurationSeconds", "7200"},
		"longest external id":             {"ExternalId", strings.Repeat("x", 1224)},
		"all characters of an id":         {"ExternalId", "aZ0_+=,.@:/-"},
		"fifty tags":                      manyTags(50),
		"tag with the longest text":       {"Tags.member.1.Key", strings.Repeat("ключ", 32), "Tags.member.1.Value", strings.Repeat("é", 256)},
		"tag with an empty value":         {"Tags.member.1.Key", "team", "Tags.member.1.Value", ""},
		"empty lists, as SDKs write them": {"Tags", "", "TransitiveTagKeys", "", "PolicyArns", "", "ProvidedContexts", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.addRole(t, roleARN, "AROAAWESOMEAWESOMEAW", trusting(adaARN, `["sts:AssumeRole","sts:TagSession"]`, ""))
			if got := w.call(t, ada(), assume(changes...)); got.status != 200 {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
}

func TestRoleWithoutMaximumAllowsOneHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.roles["awesome.role"]
	role.MaxSessionDuration = 0
	w.roles["awesome.role"] = role
	if got := w.call(t, ada(), assume("DurationSeconds", "3600")); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	refused(t, w.call(t, ada(), assume("DurationSeconds", "3601")), 400, "ValidationError", "exceeds the MaxSessionDuration set for this role.")
}

func TestSessionOfARoleIsSealedWithAllThatBelongsToIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Date(2026, 11, 23, 7, 4, 50, 999, time.UTC)
	w.handler.Auth.Now = func() time.Time { return now }
	r := sign(t, post(assume("DurationSeconds", "900")), ada(), region, now)
	got := w.do(r)
	if got.status != 200 || !strings.Contains(got.body, "<Expiration>2026-11-23T07:19:50Z</Expiration>") {
		t.Fatalf("%d %s", got.status, got.body)
	}
	token := between(got.body, "<SessionToken>", "</SessionToken>")
	id := between(got.body, "<AccessKeyId>", "</AccessKeyId>")
	session, secret, err := w.handler.Auth.Sessions.Open(token, id)
	if err != nil {
		t.Fatal(err)
	}
	want := arn.Identity{
		Principal: principal(t, "arn:aws:sts::111122223333:assumed-role/awesome.role/s-1"), UserID: "AROAAWESOMEAWESOMEAW", AccessKeyID: id,
	}
	if session.Identity != want || session.Role.String() != roleARN || session.Chained ||
		!session.Issued.Equal(now.Truncate(time.Second)) || !session.Expires.Equal(now.Truncate(time.Second).Add(15*time.Minute)) ||
		secret != between(got.body, "<SecretAccessKey>", "</SecretAccessKey>") {
		t.Errorf("session %+v", session)
	}
	// An EKS token is a URL with this in it, in base64; its readers take 4 KiB.
	if len(token) > 1024 {
		t.Errorf("the session token has %d characters", len(token))
	}
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

func TestWhatAChainPassesOn(t *testing.T) {
	t.Parallel()
	all := `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`
	first := []string{
		"SourceIdentity", "ada", "TransitiveTagKeys.member.1", "team",
		"Tags.member.1.Key", "team", "Tags.member.1.Value", "blue", "Tags.member.2.Key", "mood", "Tags.member.2.Value", "fine",
	}
	tests := []struct {
		name    string
		trust   string
		changes []string
		code    string // "" when allowed
		message string
	}{
		{"nothing new", trusting(roleARN, all, ""), nil, "", ""},
		{"the same source identity", trusting(roleARN, all, ""), []string{"SourceIdentity", "ada"}, "", ""},
		{"another source identity", trusting(roleARN, all, ""), []string{"SourceIdentity", "bob"}, "AccessDenied",
			"is not authorized to perform: sts:SetSourceIdentity on resource: " + otherARN},
		{"inherited source identity needs permission", trusting(roleARN, `["sts:AssumeRole","sts:TagSession"]`, ""), nil, "AccessDenied", "sts:SetSourceIdentity"},
		{"inherited tags need permission", trusting(roleARN, `["sts:AssumeRole","sts:SetSourceIdentity"]`, ""), nil, "AccessDenied", "sts:TagSession"},
		{"inherited tag set anew", trusting(roleARN, all, ""), []string{"Tags.member.1.Key", "TEAM", "Tags.member.1.Value", "red"}, "InvalidParameterValue",
			"One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."},
		{"tag that was not transitive set anew", trusting(roleARN, all, `{"StringEquals":{"aws:RequestTag/mood":"bad","aws:RequestTag/team":"blue","aws:PrincipalTag/mood":"fine"}}`),
			[]string{"Tags.member.1.Key", "mood", "Tags.member.1.Value", "bad"}, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.addRole(t, roleARN, "AROAAWESOMEAWESOMEAW", trusting(adaARN, all, ""))
			w.addRole(t, otherARN, "AROAOTHEROTHEROTHERO", test.trust)
			session := w.session(t, ada(), roleARN, first...)
			got := w.call(t, session, assume(append([]string{"RoleArn", otherARN, "RoleSessionName", "s-2"}, test.changes...)...))
			if test.code == "" {
				if got.status != 200 || !strings.Contains(got.body, "<SourceIdentity>ada</SourceIdentity>") {
					t.Errorf("%d %s\n%s", got.status, got.body, w.log)
				}
				return
			}
			status := 400
			if test.code == "AccessDenied" {
				status = 403
			}
			refused(t, got, status, test.code, test.message)
		})
	}
}

func TestAccessKeysAndSecretsAreFresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen := map[sigv4.Credentials]bool{}
	for range 50 {
		c := w.session(t, ada(), roleARN)
		for other := range seen {
			if other.AccessKeyID == c.AccessKeyID || other.SecretAccessKey == c.SecretAccessKey || other.SessionToken == c.SessionToken {
				t.Fatal("credentials repeat")
			}
		}
		seen[c] = true
	}
}
