package sts

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/sigv4"
)

func TestWebIdentityAssumesARole(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	answer, session := w.webSession(t, w.web(t))
	want := xmlSession{
		Subject: subject, Provider: providerARN, Audience: "sts.amazonaws.com",
		ARN: sessionARN, ID: "AROAPODSPODSPODSPODS:pod-1", Credentials: answer.Credentials,
	}
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Error(diff)
	}
	who := w.call(t, session, whoAmI)
	for _, want := range []string{"<Arn>" + sessionARN + "</Arn>", "<UserId>AROAPODSPODSPODSPODS:pod-1</UserId>", "<Account>" + account + "</Account>"} {
		if !strings.Contains(who.body, want) {
			t.Errorf("the answer lacks %s: %s", want, who.body)
		}
	}
	log := w.log.String()
	for _, want := range []string{"role=" + podRoleARN, "issuer=" + issuer, "subject=" + subject, "session=" + sessionARN, "sessionAccessKeyId=" + session.AccessKeyID} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s: %s", want, log)
		}
	}
}

func TestWebIdentityByGETAndInJSON(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	if got := w.do(get(w.web(t))); got.status != 200 || !strings.Contains(got.body, "<Arn>"+sessionARN+"</Arn>") {
		t.Errorf("GET: %d %s", got.status, got.body)
	}
	r := post(w.web(t))
	r.Header.Set("Accept", "application/json")
	got := w.do(r)
	var answer struct {
		AssumeRoleWithWebIdentityResponse struct {
			AssumeRoleWithWebIdentityResult struct {
				SubjectFromWebIdentityToken, Provider, Audience string
				AssumedRoleUser                                 struct{ Arn, AssumedRoleId string }
				Credentials                                     struct {
					AccessKeyId, SecretAccessKey, SessionToken string
					Expiration                                 int64
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil {
		t.Fatalf("%v: %s", err, got.body)
	}
	result := answer.AssumeRoleWithWebIdentityResponse.AssumeRoleWithWebIdentityResult
	if result.SubjectFromWebIdentityToken != subject || result.Provider != providerARN || result.Audience != "sts.amazonaws.com" ||
		result.AssumedRoleUser.Arn != sessionARN || result.Credentials.SessionToken == "" || result.Credentials.Expiration < w.now().Unix() {
		t.Errorf("%s", got.body)
	}
}

// A file ends with a newline, and SDKs send it as it is.
func TestWhiteSpaceAroundTheTokenIsNoPartOfIt(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	w.webSession(t, w.web(t, "WebIdentityToken", w.jwt(t, nil)+"\n"))
	w.webSession(t, w.web(t, "WebIdentityToken", " "+w.jwt(t, nil)+"\r\n"))
}

// A client with credentials of its own may sign the request; that is not looked
// at, so neither good nor bad signatures change anything.
func TestSignatureOfAWebIdentityRequestIsNotLookedAt(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	for _, secret := range []string{adaSecret, "wrong"} {
		got := w.call(t, sigv4.Credentials{AccessKeyID: adaKey, SecretAccessKey: secret}, w.web(t))
		if got.status != 200 || !strings.Contains(got.body, "<Arn>"+sessionARN+"</Arn>") {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
}

func TestWebIdentityIsOffWithoutProviders(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	w.handler.WebIdentity = nil
	refused(t, w.do(post(w.web(t))), 400, "InvalidAction", "Could not find operation AssumeRoleWithWebIdentity for version 2011-06-15")
}

func TestInvalidInputOfWebIdentity(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		changes       []string
		code, message string
	}{
		"no token":     {[]string{"WebIdentityToken", "-"}, "ValidationError", "1 validation error detected: Value null at 'webIdentityToken' failed to satisfy constraint: Member must not be null"},
		"empty token":  {[]string{"WebIdentityToken", ""}, "ValidationError", "1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: Member must have length greater than or equal to 4"},
		"only a line":  {[]string{"WebIdentityToken", "\n\n\n\n\n"}, "ValidationError", "Member must have length greater than or equal to 4"},
		"long token":   {[]string{"WebIdentityToken", strings.Repeat("s3cret", 3334)}, "ValidationError", "1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: Member must have length less than or equal to 20000"},
		"no role":      {[]string{"RoleArn", "-"}, "ValidationError", "Value null at 'roleArn'"},
		"no name":      {[]string{"RoleSessionName", "-"}, "ValidationError", "Value null at 'roleSessionName'"},
		"bad name":     {[]string{"RoleSessionName", "a/b"}, "ValidationError", `Value 'a/b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		"short":        {[]string{"DurationSeconds", "899"}, "ValidationError", "Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		"long":         {[]string{"DurationSeconds", "43201"}, "ValidationError", "Member must have value less than or equal to 43200"},
		"for the role": {[]string{"DurationSeconds", "7201"}, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		"user":         {[]string{"RoleArn", adaARN}, "ValidationError", "Request ARN is invalid"},
		"no ARN":       {[]string{"RoleArn", "awesome.role.in.my.account"}, "ValidationError", "awesome.role.in.my.account is invalid"},
		"OAuth":        {[]string{"ProviderId", "www.amazon.com"}, "InvalidParameterValue", "ProviderId is for OAuth 2.0 access tokens"},
		"provider id":  {[]string{"ProviderId", "x"}, "ValidationError", "Value 'x' at 'providerId' failed to satisfy constraint: Member must have length greater than or equal to 4"},
		"policy":       {[]string{"Policy", "{}"}, "MalformedPolicyDocument", "missing required field Statement"},
		"policy ARN":   {[]string{"PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"}, "InvalidParameterValue", "The policy arn:aws:iam::aws:policy/ReadOnlyAccess does not exist or is not attachable."},
		"misspelt":     {[]string{"DurationSecond", "900"}, "InvalidParameterValue", "The parameter DurationSecond is not known to this operation"},
		"external id":  {[]string{"ExternalId", "x-1"}, "InvalidParameterValue", "The parameter ExternalId is not known to this operation"},
		"tags":         {[]string{"Tags.member.1.Key", "team", "Tags.member.1.Value", "x"}, "InvalidParameterValue", "The parameter Tags.member.1.Key is not known to this operation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPodWorld(t)
			refused(t, w.do(post(w.web(t, tc.changes...))), 400, tc.code, tc.message)
			if strings.Contains(w.log.String(), "s3cret") {
				t.Error("the log has the token")
			}
		})
	}
}

func TestWebIdentityRefusesTokens(t *testing.T) {
	t.Parallel()
	const noJWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
	claims := func(changes map[string]any) func(*podWorld) string {
		return func(w *podWorld) string { return w.jwt(t, changes) }
	}
	raw := func(s string) func(*podWorld) string { return func(*podWorld) string { return s } }
	for name, tc := range map[string]struct {
		token   func(*podWorld) string
		status  int
		code    string
		message string // whole
		reason  string // in the log
	}{
		"not a JWT":      {raw("garbage"), 400, "InvalidIdentityToken", noJWT, "not a signed JWT"},
		"an EKS token":   {raw("k8s-aws-v1.aHR0cHM6Ly9zdHMuYW1hem9uYXdzLmNvbS8"), 400, "InvalidIdentityToken", noJWT, "not a signed JWT"},
		"claims no JSON": {raw(encode(`{"alg":"RS256"}`) + "." + encode("[]") + "." + encode("x")), 400, "InvalidIdentityToken", noJWT, ""},
		"azp a list":     {claims(map[string]any{"azp": []string{"a"}}), 400, "InvalidIdentityToken", "The web identity token provided could not be validated", "the claim azp is not a text"},
		"the service account's ordinary token": {claims(map[string]any{"iss": "kubernetes/serviceaccount", "aud": nil, "exp": nil, "iat": nil, "nbf": nil}),
			400, "InvalidIdentityToken", "Missing a required claim: aud", ""},
		"empty audience": {claims(map[string]any{"aud": []string{}}), 400, "InvalidIdentityToken", "Missing a required claim: aud", ""},
		"no issuer":      {claims(map[string]any{"iss": nil}), 400, "InvalidIdentityToken", "Missing a required claim: iss", ""},
		"no subject":     {claims(map[string]any{"sub": nil}), 400, "InvalidIdentityToken", "Missing a required claim: sub", ""},
		"no expiry":      {claims(map[string]any{"exp": nil}), 400, "InvalidIdentityToken", "Missing a required claim: exp", ""},
		"no issue time":  {claims(map[string]any{"iat": nil}), 400, "InvalidIdentityToken", "Missing a required claim: iat", ""},

		"unknown issuer": {claims(map[string]any{"iss": "https://evil.example.com"}), 400, "InvalidIdentityToken",
			"No OpenIDConnect provider found in your account for https://evil.example.com", "the role's account 111122223333 has no such provider"},
		"provider of another account": {claims(map[string]any{"iss": "https://elsewhere.example.com"}), 400, "InvalidIdentityToken",
			"No OpenIDConnect provider found in your account for https://elsewhere.example.com", "the role's account 111122223333 has no such provider"},
		"trailing slash": {claims(map[string]any{"iss": issuer + "/"}), 400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for " + issuer + "/", ""},
		"store fails":    {claims(map[string]any{"iss": "https://broken.example.com"}), 500, "InternalFailure", "", "disk on fire"},

		"wrong audience": {claims(map[string]any{"aud": []string{"kubernetes"}}), 400, "InvalidIdentityToken", "Incorrect token audience",
			`the token has the audience [\"kubernetes\"]; the provider accepts [\"other\" \"sts.amazonaws.com\"]`},
		"audience of another provider": {claims(map[string]any{"iss": "https://idp.example.com"}), 400, "InvalidIdentityToken", "Incorrect token audience", `the provider accepts [\"app\"]`},
		"audience in another case":     {claims(map[string]any{"aud": "STS.amazonaws.com"}), 400, "InvalidIdentityToken", "Incorrect token audience", ""},
		"authorized party": {claims(map[string]any{"azp": "app"}), 400, "InvalidIdentityToken", "Incorrect token audience",
			`authorized party (azp) \"app\", which stands for its audience`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPodWorld(t)
			token := tc.token(w)
			e := refused(t, w.do(post(w.web(t, "WebIdentityToken", token))), tc.status, tc.code, tc.message)
			if tc.message != "" && e.Message != tc.message {
				t.Errorf("message %q, want %q", e.Message, tc.message)
			}
			oneLine(t, w, token, tc.reason)
		})
	}
}

// oneLine checks that the log has nothing but one line with the true reason, and
// no part of the token in it.
func oneLine(t *testing.T, w *podWorld, token, reason string) {
	t.Helper()
	log := w.log.String()
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, reason) {
		t.Errorf("want one line with %s: %s", reason, log)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 3 && strings.Contains(log, part) {
			t.Errorf("the log has a part of the token: %s", log)
		}
	}
}

// A web identity is not chained and may have the role's twelve hours; whoever
// goes on from there has one hour at most.
func TestWebIdentityIsTheFirstOfAChain(t *testing.T) {
	t.Parallel()
	const key = "oidc.eks.us-east-1.amazonaws.com/id/ABC"
	w := newPodWorld(t)
	role := w.roles["payments.api"]
	role.MaxSessionDuration = 12 * time.Hour
	w.roles["payments.api"] = role
	w.addRole(t, otherARN, "AROAOTHEROTHEROTHERO", trusting(podRoleARN, `"sts:AssumeRole"`,
		`{"StringEquals":{"aws:FederatedProvider":"`+providerARN+`","`+key+`:sub":"`+subject+`","`+key+`:aud":"sts.amazonaws.com","aws:PrincipalArn":"`+podRoleARN+`"}}`))
	_, first := w.webSession(t, w.web(t, "DurationSeconds", "43200"))
	session, _, err := w.handler.Auth.Sessions.Open(first.SessionToken, first.AccessKeyID)
	if err != nil {
		t.Fatal(err)
	}
	if life := session.Expires.Sub(session.Issued); session.Chained || life != 12*time.Hour {
		t.Errorf("chained %t, for %v", session.Chained, life)
	}
	onward := func(seconds string) answered {
		return w.call(t, first, assume("RoleArn", otherARN, "RoleSessionName", "two", "DurationSeconds", seconds))
	}
	if got := onward("3600"); got.status != 200 {
		t.Errorf("%d %s\n%s", got.status, got.body, w.log)
	}
	refused(t, onward("3601"), 400, "ValidationError", "exceeds the 1 hour session limit for roles assumed by role chaining.")
}

// An identity provider's word ends with the session that it was for.
func TestFederationDoesNotPassDownTheChain(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	w.addRole(t, otherARN, "AROAOTHEROTHEROTHERO", trusting(podRoleARN, `"sts:AssumeRole"`, ""))
	w.addRole(t, roleARN, "AROAAWESOMEAWESOMEAW", trusting(otherARN, `"sts:AssumeRole"`, `{"Null":{"aws:FederatedProvider":"true"}}`))
	_, first := w.webSession(t, w.web(t))
	second := w.session(t, first, otherARN)
	w.session(t, second, roleARN)
}

func TestWebIdentityWithoutDurationLastsOneHour(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	_, c := w.webSession(t, w.web(t))
	session, _, err := w.handler.Auth.Sessions.Open(c.SessionToken, c.AccessKeyID)
	if err != nil || session.Expires.Sub(session.Issued) != time.Hour {
		t.Errorf("%v, %v", session.Expires.Sub(session.Issued), err)
	}
	w.advance(time.Hour + time.Second)
	refused(t, w.call(t, c, whoAmI), 403, "ExpiredToken", "")
}

func TestConditionPrefixIsTheIssuerWithoutItsScheme(t *testing.T) {
	t.Parallel()
	var facts iam.Context
	p := OIDCProvider{URL: "https://127.0.0.1:4430/id/x"}
	Federation{Prefix: p.conditionPrefix(), Subject: "s", Audience: "a", Methods: []string{"m", "n"}}.setContext(&facts)
	for key, want := range map[string][]string{"127.0.0.1:4430/id/x:sub": {"s"}, "127.0.0.1:4430/id/x:aud": {"a"}, "127.0.0.1:4430/id/x:amr": {"m", "n"}} {
		if diff := cmp.Diff(want, facts.Values(key)); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
}
