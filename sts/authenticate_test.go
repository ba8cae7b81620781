package sts

import (
	"crypto/tls"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/sigv4"
)

type xmlError struct {
	Type      string `xml:"Error>Type"`
	Code      string `xml:"Error>Code"`
	Message   string `xml:"Error>Message"`
	RequestID string `xml:"RequestId"`
}

// refused checks an error answer in XML and returns it.
func refused(t *testing.T, got answered, status int, code, message string) xmlError {
	t.Helper()
	var e xmlError
	if err := xml.Unmarshal([]byte(got.body), &e); err != nil {
		t.Fatalf("%v in %q", err, got.body)
	}
	if got.status != status || e.Code != code || !strings.Contains(e.Message, message) {
		t.Errorf("%d %s: %s\nwant %d %s: …%s…", got.status, e.Code, e.Message, status, code, message)
	}
	return e
}

// session assumes awesome.role as ada and returns the credentials.
func (w *world) session(t testing.TB, c sigv4.Credentials, role string, pairs ...string) sigv4.Credentials {
	t.Helper()
	got := w.call(t, c, action("AssumeRole", append([]string{"RoleArn", role, "RoleSessionName", "s-1"}, pairs...)...))
	var answer struct {
		AccessKeyID     string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		SecretAccessKey string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		SessionToken    string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	}
	if err := xml.Unmarshal([]byte(got.body), &answer); err != nil || got.status != http.StatusOK {
		t.Fatalf("AssumeRole: %d %s (%v)", got.status, got.body, err)
	}
	return sigv4.Credentials(answer)
}

const whoAmI = "Action=GetCallerIdentity&Version=2011-06-15"

// botocoreQuery was made by botocore 1.43.11 (aws eks get-token), signature
// included.
const botocoreQuery = whoAmI + "&X-Amz-Algorithm=AWS4-HMAC-SHA256" +
	"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261123%2Fus-east-1%2Fsts%2Faws4_request" +
	"&X-Amz-Date=20261123T070450Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id" +
	"&X-Amz-Signature=617d66e8efd8b288bc422c9355140580af9239c7f5d282384a7c7a27d5fa3faa"

func botocoreRequest(cluster string) *http.Request {
	r := get(botocoreQuery)
	r.Header.Set("X-K8s-Aws-Id", cluster)
	return r
}

func TestPresignedByBotocoreLivesFifteenMinutes(t *testing.T) {
	t.Parallel()
	signed := time.Date(2026, 11, 23, 7, 4, 50, 0, time.UTC)
	tests := []struct {
		age     time.Duration
		message string // "" when accepted
	}{
		{0, ""},
		{2 * time.Minute, ""}, // X-Amz-Expires says one
		{15 * time.Minute, ""},
		{15*time.Minute + time.Second, "Signature expired: 20261123T070450Z is now earlier than 20261123T070451Z (20261123T071951Z - 15 min.)"},
		{365 * 24 * time.Hour, "Signature expired: "},
		{-5 * time.Minute, ""},
		{-5*time.Minute - time.Second, "Signature not yet current: 20261123T070450Z is still later than 20261123T070449Z (20261123T065949Z + 5 min.)"},
	}
	for _, test := range tests {
		t.Run(test.age.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.handler.Auth.Now = func() time.Time { return signed.Add(test.age) }
			got := w.do(botocoreRequest("x"))
			if test.message != "" {
				refused(t, got, 403, "SignatureDoesNotMatch", test.message)
				return
			}
			if got.status != 200 || !strings.Contains(got.body, "<Arn>"+adaARN+"</Arn>") {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
}

func TestPresignedCoversTheClusterName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.handler.Auth.Now = func() time.Time { return time.Date(2026, 11, 23, 7, 5, 0, 0, time.UTC) }
	refused(t, w.do(botocoreRequest("y")), 403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
	without := botocoreRequest("x")
	without.Header.Del("X-K8s-Aws-Id")
	refused(t, w.do(without), 403, "SignatureDoesNotMatch", "x-k8s-aws-id is signed, but not a header of the request")
}

func TestSignedRequestLivesFiveMinutes(t *testing.T) {
	t.Parallel()
	for age, want := range map[time.Duration]string{
		0: "", 5 * time.Minute: "", -5 * time.Minute: "",
		6 * time.Minute: "Signature expired: ", -6 * time.Minute: "Signature not yet current: ",
	} {
		t.Run(age.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			w.handler.Auth.Now = func() time.Time { return now }
			got := w.do(sign(t, post(whoAmI), ada(), region, now.Add(-age)))
			if want != "" {
				refused(t, got, 403, "SignatureDoesNotMatch", want)
			} else if got.status != 200 {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
}

func TestRefusedSignatures(t *testing.T) {
	t.Parallel()
	const (
		invalid  = "The security token included in the request is invalid."
		mismatch = "The request signature we calculated does not match the signature you provided."
	)
	signedBy := func(c sigv4.Credentials) func(*testing.T, *world) *http.Request {
		return func(t *testing.T, w *world) *http.Request { return sign(t, post(whoAmI), c, region, w.now()) }
	}
	changed := func(change func(*http.Request)) func(*testing.T, *world) *http.Request {
		return func(t *testing.T, w *world) *http.Request {
			r := sign(t, post(whoAmI), ada(), region, w.now())
			change(r)
			return r
		}
	}
	forRegion := func(host, region string, c sigv4.Credentials) func(*testing.T, *world) *http.Request {
		return func(t *testing.T, w *world) *http.Request {
			r := post(whoAmI)
			r.Host = host
			return sign(t, r, c, region, w.now())
		}
	}
	china := sigv4.Credentials{AccessKeyID: chinaKey, SecretAccessKey: chinaSec}
	tests := []struct {
		name    string
		request func(*testing.T, *world) *http.Request
		status  int
		code    string
		message string
		reason  string // in the log
	}{
		{"unsigned", func(*testing.T, *world) *http.Request { return post(whoAmI) },
			403, "MissingAuthenticationToken", "Request is missing Authentication Token", ""},
		{"another scheme", changed(func(r *http.Request) { r.Header.Set("Authorization", "Bearer abc") }),
			400, "IncompleteSignature", "Authorization is not of the scheme AWS4-HMAC-SHA256", ""},
		{"no date", changed(func(r *http.Request) { r.Header.Del("X-Amz-Date") }),
			400, "IncompleteSignature", "X-Amz-Date", ""},
		{"a signature in the query too", changed(func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=00" }),
			400, "IncompleteSignature", "query", ""},
		{"a parameter of the signature in another case", func(t *testing.T, w *world) *http.Request {
			r := presign(t, get(whoAmI), ada(), region, w.now())
			r.URL.RawQuery += "&x-amz-credential=AKIAOTHER"
			return r
		}, 400, "IncompleteSignature", "another case", ""},

		{"unknown key", signedBy(sigv4.Credentials{AccessKeyID: "AKIAUNKNOWNUNKNOWNUN", SecretAccessKey: "x"}),
			403, "InvalidClientTokenId", invalid, "access key AKIAUNKNOWNUNKNOWNUN does not exist"},
		{"inactive key", signedBy(sigv4.Credentials{AccessKeyID: offKey, SecretAccessKey: offSecret}),
			403, "InvalidClientTokenId", invalid, "is inactive"},
		{"inactive key, wrong secret", signedBy(sigv4.Credentials{AccessKeyID: offKey, SecretAccessKey: "x"}),
			403, "InvalidClientTokenId", invalid, "is inactive"},
		{"session token with a long-term key", signedBy(sigv4.Credentials{AccessKeyID: adaKey, SecretAccessKey: adaSecret, SessionToken: "abc/+="}),
			403, "InvalidClientTokenId", invalid, "came with a session token"},
		{"temporary key without a session token", signedBy(sigv4.Credentials{AccessKeyID: "ASIAAAAAAAAAAAAAAAAA", SecretAccessKey: "x"}),
			403, "InvalidClientTokenId", invalid, "there is no session token"},
		{"session token that is none", signedBy(sigv4.Credentials{AccessKeyID: "ASIAAAAAAAAAAAAAAAAA", SecretAccessKey: "x", SessionToken: "IQoJb3JpZ2lu"}),
			403, "InvalidClientTokenId", invalid, "not a session token of this service"},
		{"a session's token with another session's key", func(t *testing.T, w *world) *http.Request {
			one, two := w.session(t, ada(), roleARN), w.session(t, ada(), roleARN)
			one.SessionToken = two.SessionToken
			return sign(t, post(whoAmI), one, region, w.now())
		}, 403, "InvalidClientTokenId", invalid, "not a session token of this service"},

		{"wrong secret", signedBy(sigv4.Credentials{AccessKeyID: adaKey, SecretAccessKey: rootSecret}),
			403, "SignatureDoesNotMatch", mismatch, "wrong secret"},
		{"session with a wrong secret", func(t *testing.T, w *world) *http.Request {
			c := w.session(t, ada(), roleARN)
			c.SecretAccessKey = adaSecret
			return sign(t, post(whoAmI), c, region, w.now())
		}, 403, "SignatureDoesNotMatch", mismatch, "wrong secret"},
		{"expired session with a wrong secret", func(t *testing.T, w *world) *http.Request {
			c := w.session(t, ada(), roleARN)
			c.SecretAccessKey = adaSecret
			w.advance(2 * time.Hour)
			return sign(t, post(whoAmI), c, region, w.now())
		}, 403, "SignatureDoesNotMatch", mismatch, "wrong secret"},
		{"expired session", func(t *testing.T, w *world) *http.Request {
			c := w.session(t, ada(), roleARN, "DurationSeconds", "900")
			w.advance(15 * time.Minute)
			return sign(t, post(whoAmI), c, region, w.now())
		}, 403, "ExpiredToken", "The security token included in the request is expired", "assumed-role/awesome.role/s-1 expired at"},
		{"session of a role that was deleted", func(t *testing.T, w *world) *http.Request {
			c := w.session(t, ada(), roleARN)
			delete(w.roles, "awesome.role")
			return sign(t, post(whoAmI), c, region, w.now())
		}, 403, "InvalidClientTokenId", invalid, "was deleted"},
		{"session of a role that was made anew", func(t *testing.T, w *world) *http.Request {
			c := w.session(t, ada(), roleARN)
			w.addRole(t, roleARN, "AROANEWNEWNEWNEWNEWN", trusting(adaARN, `"sts:AssumeRole"`, ""))
			return sign(t, post(whoAmI), c, region, w.now())
		}, 403, "InvalidClientTokenId", invalid, "was deleted"},

		{"changed body", changed(func(r *http.Request) {
			*r = *withHeader(post(action("AssumeRole", "RoleArn", roleARN, "RoleSessionName", "s-1")), r.Header)
		}), 403, "SignatureDoesNotMatch", mismatch, ""},
		{"added query", changed(func(r *http.Request) { r.URL.RawQuery = "DurationSeconds=43200" }),
			403, "SignatureDoesNotMatch", mismatch, ""},
		{"another host", changed(func(r *http.Request) { r.Host = "sts.us-east-1.api.aws" }),
			403, "SignatureDoesNotMatch", mismatch, ""},
		{"another method", func(t *testing.T, w *world) *http.Request {
			r := sign(t, post(""), ada(), region, w.now())
			r.Method, r.URL.RawQuery = http.MethodGet, whoAmI
			return r
		}, 403, "SignatureDoesNotMatch", mismatch, ""},
		{"added x-amz header", changed(func(r *http.Request) { r.Header.Set("X-Amz-Target", "a") }),
			403, "SignatureDoesNotMatch", "not signed", ""},
		{"unsigned payload", func(t *testing.T, w *world) *http.Request {
			r := post(whoAmI)
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			if err := sigv4.Sign(r, "UNSIGNED-PAYLOAD", ada(), region, "sts", w.now()); err != nil {
				t.Fatal(err)
			}
			return r
		}, 403, "SignatureDoesNotMatch", mismatch, "X-Amz-Content-Sha256 is not the body's hash"},
		{"unsigned payload, without saying so", func(t *testing.T, w *world) *http.Request {
			r := post(whoAmI)
			if err := sigv4.Sign(r, "UNSIGNED-PAYLOAD", ada(), region, "sts", w.now()); err != nil {
				t.Fatal(err)
			}
			return r
		}, 403, "SignatureDoesNotMatch", mismatch, ""},
		{"hash of another body", func(t *testing.T, w *world) *http.Request {
			r := post(whoAmI)
			r.Header.Set("X-Amz-Content-Sha256", sigv4.EmptyPayload)
			return sign(t, r, ada(), region, w.now())
		}, 403, "SignatureDoesNotMatch", mismatch, "X-Amz-Content-Sha256 is not the body's hash"},

		{"another service", func(t *testing.T, w *world) *http.Request {
			r := post(whoAmI)
			if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(whoAmI)), ada(), region, "iam", w.now()); err != nil {
				t.Fatal(err)
			}
			return r
		}, 403, "SignatureDoesNotMatch", "Credential should be scoped to correct service: 'sts'.", ""},
		{"region that does not exist", forRegion("localhost:4566", "mars-1", ada()),
			403, "SignatureDoesNotMatch", "Credential should be scoped to a valid region.", ""},
		{"region other than the host's", forRegion("sts.eu-west-1.amazonaws.com", region, ada()),
			403, "SignatureDoesNotMatch", "Credential should be scoped to a valid region.", ""},
		{"region other than the host's, with a port", forRegion("sts.eu-west-1.amazonaws.com:443", region, ada()),
			403, "SignatureDoesNotMatch", "Credential should be scoped to a valid region.", ""},
		{"region other than the global one", forRegion("sts.amazonaws.com", "eu-west-1", ada()),
			403, "SignatureDoesNotMatch", "Credential should be scoped to a valid region.", ""},
		{"key of another partition", forRegion("localhost:4566", region, china),
			403, "InvalidClientTokenId", invalid, "the key is of partition aws-cn"},
		{"partition other than the key's", forRegion("sts.cn-north-1.amazonaws.com.cn", "cn-north-1", ada()),
			403, "InvalidClientTokenId", invalid, "the key is of partition aws and the request of partition aws-cn"},
		{"key without a secret", func(t *testing.T, w *world) *http.Request {
			w.addUser(t, adaKey, "", adaARN, "AIDAADAADAADAADAADAA")
			return sign(t, post(whoAmI), ada(), region, w.now())
		}, 500, "InternalFailure", "", "has no secret"},
		{"directory that fails", signedBy(sigv4.Credentials{AccessKeyID: brokenKey, SecretAccessKey: "x"}),
			500, "InternalFailure", "", "disk on fire"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := test.request(t, w)
			e := refused(t, w.do(r), test.status, test.code, test.message)
			wantType := "Sender"
			if test.status >= 500 {
				wantType = "Receiver"
			}
			if e.Type != wantType {
				t.Errorf("type %q", e.Type)
			}
			if log := w.log.String(); !strings.Contains(log, test.reason) || !strings.Contains(log, e.RequestID) {
				t.Errorf("the log lacks %q or %q:\n%s", test.reason, e.RequestID, log)
			}
			if test.reason != "" && strings.Contains(e.Message, test.reason) {
				t.Errorf("the answer tells the reason: %s", e.Message)
			}
		})
	}
}

func withHeader(r *http.Request, h http.Header) *http.Request {
	r.Header = h
	return r
}

func TestAcceptedSignatures(t *testing.T) {
	t.Parallel()
	atHost := func(host, region string, c sigv4.Credentials) func(*testing.T, *world) *http.Request {
		return func(t *testing.T, w *world) *http.Request {
			r := get(whoAmI)
			r.Host = host
			return presign(t, r, c, region, w.now())
		}
	}
	china := sigv4.Credentials{AccessKeyID: chinaKey, SecretAccessKey: chinaSec}
	tests := []struct {
		name    string
		request func(*testing.T, *world) *http.Request
		arn     string
		userID  string
		account string
	}{
		{"signed POST", func(t *testing.T, w *world) *http.Request { return sign(t, post(whoAmI), ada(), region, w.now()) },
			adaARN, "AIDAADAADAADAADAADAA", account},
		{"signed GET", func(t *testing.T, w *world) *http.Request { return sign(t, get(whoAmI), ada(), region, w.now()) },
			adaARN, "AIDAADAADAADAADAADAA", account},
		{"presigned GET", func(t *testing.T, w *world) *http.Request { return presign(t, get(whoAmI), ada(), region, w.now()) },
			adaARN, "AIDAADAADAADAADAADAA", account},
		{"POST with its parameters in the query", func(t *testing.T, w *world) *http.Request {
			r := post("")
			r.URL.RawQuery = whoAmI
			return sign(t, r, ada(), region, w.now())
		}, adaARN, "AIDAADAADAADAADAADAA", account},
		{"with a hash of the body", func(t *testing.T, w *world) *http.Request {
			r := post(whoAmI)
			r.Header.Set("X-Amz-Content-Sha256", sigv4.PayloadHash([]byte(whoAmI)))
			return sign(t, r, ada(), region, w.now())
		}, adaARN, "AIDAADAADAADAADAADAA", account},
		{"root", func(t *testing.T, w *world) *http.Request {
			return sign(t, post(whoAmI), sigv4.Credentials{AccessKeyID: rootKey, SecretAccessKey: rootSecret}, region, w.now())
		}, "arn:aws:iam::111122223333:root", account, account},
		{"role session", func(t *testing.T, w *world) *http.Request {
			return sign(t, post(whoAmI), w.session(t, ada(), roleARN), region, w.now())
		}, "arn:aws:sts::111122223333:assumed-role/awesome.role/s-1", "AROAAWESOMEAWESOMEAW:s-1", account},
		{"role session, presigned", func(t *testing.T, w *world) *http.Request {
			return presign(t, get(whoAmI), w.session(t, ada(), roleARN), region, w.now())
		}, "arn:aws:sts::111122223333:assumed-role/awesome.role/s-1", "AROAAWESOMEAWESOMEAW:s-1", account},
		{"global host", atHost("sts.amazonaws.com", region, ada()), adaARN, "AIDAADAADAADAADAADAA", account},
		{"regional host", atHost("sts.eu-west-1.amazonaws.com", "eu-west-1", ada()), adaARN, "AIDAADAADAADAADAADAA", account},
		{"own host, any region of the partition", atHost("localhost:4566", "ap-southeast-2", ada()), adaARN, "AIDAADAADAADAADAADAA", account},
		{"China", atHost("sts.cn-north-1.amazonaws.com.cn", "cn-north-1", china),
			"arn:aws-cn:iam::444455556666:user/mei", "AIDACHINACHINACHINAC", "444455556666"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			got := w.do(test.request(t, w))
			want := "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n" +
				"  <GetCallerIdentityResult>\n" +
				"    <UserId>" + test.userID + "</UserId>\n" +
				"    <Account>" + test.account + "</Account>\n" +
				"    <Arn>" + test.arn + "</Arn>\n" +
				"  </GetCallerIdentityResult>\n" +
				"  <ResponseMetadata>\n" +
				"    <RequestId>" + got.header.Get("x-amzn-RequestId") + "</RequestId>\n" +
				"  </ResponseMetadata>\n" +
				"</GetCallerIdentityResponse>\n"
			if got.status != 200 || got.body != want {
				t.Errorf("%d %s\nwant %s", got.status, got.body, want)
			}
		})
	}
}

func TestSessionEndsAtItsExpiration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := someSession(t)
	session.Identity.UserID = w.roles["awesome.role"].ID
	token, err := w.handler.Auth.Sessions.Seal(session, "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	c := sigv4.Credentials{AccessKeyID: session.Identity.AccessKeyID, SecretAccessKey: "s3cret", SessionToken: token}
	at := func(now time.Time) answered {
		w.handler.Auth.Now = func() time.Time { return now }
		return w.do(sign(t, post(whoAmI), c, region, now))
	}
	if got := at(session.Expires.Add(-time.Nanosecond)); got.status != 200 {
		t.Errorf("before: %d %s", got.status, got.body)
	}
	refused(t, at(session.Expires), 403, "ExpiredToken", "expired")
}

func TestSessionSurvivesARestart(t *testing.T) {
	t.Parallel()
	before, after := newWorld(t), newWorld(t)
	got := after.call(t, before.session(t, ada(), roleARN), whoAmI)
	if got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestAuthenticatorServesOtherServices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := httptest.NewRequest(http.MethodGet, "http://localhost:4566/clusters/dev", nil)
	r.TLS = &tls.ConnectionState{}
	if err := sigv4.Sign(r, sigv4.EmptyPayload, ada(), "eu-west-1", "eks", w.now()); err != nil {
		t.Fatal(err)
	}
	caller, err := w.handler.Auth.Authenticate(r, nil, "eks")
	if err != nil {
		t.Fatal(err)
	}
	if caller.Identity.Principal.String() != adaARN || caller.Region != "eu-west-1" || caller.Session != nil || caller.Identity.AccessKeyID != adaKey {
		t.Errorf("caller %+v", caller)
	}
	if _, err := w.handler.Auth.Authenticate(r, nil, "sts"); err == nil {
		t.Error("a signature for eks is good for sts")
	}
}
