package sts

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/sigv4"
)

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	typed := func(contentType string) *http.Request {
		r := post(whoAmI)
		r.Header.Set("Content-Type", contentType)
		return r
	}
	with := func(method string) *http.Request {
		return httptest.NewRequest(method, "http://localhost/?"+whoAmI, nil)
	}
	tests := []struct {
		name    string
		request *http.Request
		status  int
		code    string
		message string
	}{
		{"PUT", with(http.MethodPut), 405, "MethodNotAllowed", "use POST or GET"},
		{"HEAD", with(http.MethodHead), 405, "MethodNotAllowed", "use POST or GET"},
		{"OPTIONS", with(http.MethodOptions), 405, "MethodNotAllowed", "use POST or GET"},
		{"a method that nobody knows", with("BREW"), 405, "MethodNotAllowed", "use POST or GET"},
		{"nothing", get(""), 400, "MissingAction", "missing an action"},
		{"no version", get("Action=GetCallerIdentity"), 400, "InvalidAction", "Could not find operation GetCallerIdentity for version NO_VERSION_SPECIFIED"},
		{"another version", get("Action=GetCallerIdentity&Version=2010-05-08"), 400, "InvalidAction", "Could not find operation GetCallerIdentity for version 2010-05-08"},
		{"another action", post(action("AssumeRoot")), 400, "InvalidAction", "Could not find operation AssumeRoot for version 2011-06-15"},
		{"action in another case", post(action("getcalleridentity")), 400, "InvalidAction", "Could not find operation getcalleridentity"},
		{"parameter name in another case", get("action=GetCallerIdentity&version=2011-06-15"), 400, "MissingAction", ""},
		{"action twice", post(whoAmI + "&Action=AssumeRole"), 400, "MalformedHttpRequestException", `The parameter "Action" is given more than once`},
		{"action in query and body", func() *http.Request {
			r := post(action("AssumeRole"))
			r.URL.RawQuery = whoAmI
			return r
		}(), 400, "MalformedHttpRequestException", `is given more than once`},
		{"the same, percent-encoded", get(whoAmI + "&%41ction=AssumeRole"), 400, "MalformedHttpRequestException", `The parameter "Action" is given more than once`},
		{"broken percent-encoding in a name", get(whoAmI + "&%zz=1"), 400, "MalformedHttpRequestException", "percent-encoded"},
		{"broken percent-encoding in a value", get(whoAmI + "&a=%z"), 400, "MalformedHttpRequestException", `The parameter "a"`},
		{"name that is not UTF-8", get(whoAmI + "&a%ff=1"), 400, "MalformedHttpRequestException", "UTF-8"},
		{"value that is not UTF-8", get(whoAmI + "&a=%ff"), 400, "MalformedHttpRequestException", "UTF-8"},
		{"too many parameters", post(whoAmI + manyParameters(awsquery.MaxParameters)), 400, "MalformedHttpRequestException", "more than 256 parameters"},
		{"JSON body", typed("application/json"), 400, "MalformedHttpRequestException", "application/x-www-form-urlencoded"},
		{"body without a type", typed(""), 400, "MalformedHttpRequestException", "application/x-www-form-urlencoded"},
		{"GET with a body", httptest.NewRequest(http.MethodGet, "http://localhost/?"+whoAmI, strings.NewReader("a=b")), 400, "MalformedHttpRequestException", "GET request has no body"},
		{"body too large", post(whoAmI + "&a=" + strings.Repeat("x", awsquery.MaxBody)), 413, "RequestEntityTooLargeException", "larger than 262144 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			got := w.do(test.request)
			refused(t, got, test.status, test.code, test.message)
			if test.status == 405 && got.header.Get("Allow") != "GET, POST" {
				t.Errorf("Allow: %q", got.header.Get("Allow"))
			}
		})
	}
}

func manyParameters(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("&p" + strconv.Itoa(i) + "=")
	}
	return b.String()
}

func TestUnknownActionIsNoSecretButNothingElseIsAnsweredUnsigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refused(t, w.do(post(action("GetCallerIdentity"))), 403, "MissingAuthenticationToken", "")
	refused(t, w.do(post(action("AssumeRole"))), 403, "MissingAuthenticationToken", "")
}

func TestChunkedBodyIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(t)
	r, err := http.NewRequest(http.MethodPost, w.url, strings.NewReader(whoAmI))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.ContentLength = -1
	if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(whoAmI)), ada(), region, "sts", w.now()); err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); response.StatusCode != 200 || err != nil {
		t.Errorf("%s %s %v", response.Status, body, err)
	}
}

func TestFormOfTheAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		accept string
		want   string // Content-Type
	}{
		{"", "text/xml"},
		{"*/*", "text/xml"},
		{"application/json", "application/json"},
		{"Application/JSON", "application/json"},
		{"application/json; charset=utf-8", "application/json"},
		{"text/html, application/json;q=0.9", "application/json"},
		{"text/xml, application/json", "text/xml"},
		{"application/jsonp", "text/xml"},
	}
	for _, test := range tests {
		t.Run(test.accept, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, c := range []sigv4.Credentials{ada(), {AccessKeyID: "AKIAUNKNOWNUNKNOWNUN", SecretAccessKey: "x"}} {
				r := post(whoAmI)
				r.Header.Set("Accept", test.accept)
				got := w.do(sign(t, r, c, region, w.now()))
				if got.header.Get("Content-Type") != test.want {
					t.Errorf("%q: Content-Type %q", test.accept, got.header.Get("Content-Type"))
				}
				if json.Valid([]byte(got.body)) != (test.want == "application/json") {
					t.Errorf("%q: body %s", test.accept, got.body)
				}
			}
		})
	}
}

func TestJSONAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ask := func(c sigv4.Credentials, body string) (got map[string]any, requestID string) {
		t.Helper()
		r := post(body)
		r.Header.Set("Accept", "application/json")
		answer := w.do(sign(t, r, c, region, w.now()))
		if err := json.Unmarshal([]byte(answer.body), &got); err != nil {
			t.Fatalf("%v in %s", err, answer.body)
		}
		return got, answer.header.Get("x-amzn-RequestId")
	}

	got, id := ask(ada(), whoAmI)
	want := map[string]any{"GetCallerIdentityResponse": map[string]any{
		"GetCallerIdentityResult": map[string]any{"Account": account, "Arn": adaARN, "UserId": "AIDAADAADAADAADAADAA"},
		"ResponseMetadata":        map[string]any{"RequestId": id},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("GetCallerIdentity (-want +got):\n%s", diff)
	}

	got, id = ask(sigv4.Credentials{AccessKeyID: "AKIAUNKNOWNUNKNOWNUN", SecretAccessKey: "x"}, whoAmI)
	want = map[string]any{
		"Error": map[string]any{
			"Code": "InvalidClientTokenId", "Message": "The security token included in the request is invalid.", "Type": "Sender",
		},
		"RequestId": id,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}

	got, _ = ask(ada(), action("AssumeRole", "RoleArn", roleARN, "RoleSessionName", "s-1"))
	result := got["AssumeRoleResponse"].(map[string]any)["AssumeRoleResult"].(map[string]any)
	expires, ok := result["Credentials"].(map[string]any)["Expiration"].(float64)
	if left := time.Until(time.Unix(int64(expires), 0)); !ok || left < 3590*time.Second || left > 3600*time.Second {
		t.Errorf("Expiration is %v", result["Credentials"].(map[string]any)["Expiration"])
	}
}

func TestRequestIDIsAFreshUUIDInHeaderAndBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen := map[string]bool{}
	for range 100 {
		got := w.do(get(whoAmI))
		id := got.header.Get("x-amzn-RequestId")
		e := refused(t, got, 403, "MissingAuthenticationToken", "")
		if len(id) != 36 || id[14] != '4' || !strings.ContainsRune("89ab", rune(id[19])) || e.RequestID != id || seen[id] {
			t.Fatalf("request id %q in the header, %q in the body", id, e.RequestID)
		}
		seen[id] = true
	}
}

func TestTextOfTheCallersIsEscaped(t *testing.T) {
	t.Parallel()
	const evil = `</Message><Code>OK</Code>"&\` + "\u0000\u2028é😀'"
	for _, accept := range []string{"text/xml", "application/json"} {
		w := newWorld(t)
		r := post(action(evil))
		r.Header.Set("Accept", accept)
		got := w.do(r)
		var code, message string
		if accept == "text/xml" {
			e := refused(t, got, 400, "InvalidAction", "")
			code, message = e.Code, e.Message
		} else {
			var e struct {
				Error struct{ Code, Message string }
			}
			if err := json.Unmarshal([]byte(got.body), &e); err != nil {
				t.Fatal(err)
			}
			code, message = e.Error.Code, e.Error.Message
		}
		// XML has no way to write NUL.
		want := "Could not find operation " + evil + " for version 2011-06-15"
		if code != "InvalidAction" || strings.ReplaceAll(message, "\uFFFD", "\x00") != want {
			t.Errorf("%s: %q", accept, message)
		}
	}
}

func TestLongTextOfTheCallersIsCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.do(post(action(strings.Repeat("é", 40_000))))
	refused(t, got, 400, "InvalidAction", "…")
	if len(got.body) > 3000 || len(w.log.String()) > 6000 {
		t.Errorf("%d bytes answered, %d logged", len(got.body), len(w.log.String()))
	}
}

func TestPanicIsAnsweredAndDenies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.call(t, ada(), action("AssumeRole", "RoleArn", "arn:aws:iam::111122223333:role/panic", "RoleSessionName", "s-1"))
	refused(t, got, 500, "InternalFailure", "The request processing has failed")
	if strings.Contains(got.body, "no such luck") || !strings.Contains(w.log.String(), "panic: no such luck") {
		t.Errorf("answer %s\nlog %s", got.body, w.log)
	}
}

func TestBrokenBodyIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := post("")
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader(whoAmI), brokenReader{}))
	refused(t, w.do(r), 400, "RequestAbortedException", "could not be read")
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestLogHasOneLineARequestAndNoSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := w.session(t, ada(), roleARN)
	requests := []*http.Request{
		sign(t, post(whoAmI), ada(), region, w.now()),
		presign(t, get(whoAmI), session, region, w.now()),
		sign(t, post(whoAmI), session, region, w.now()),
		sign(t, post(action("AssumeRole", "RoleArn", otherARN, "RoleSessionName", "s-2")), session, region, w.now()),
		sign(t, post(action("AssumeRole", "RoleArn", otherARN, "RoleSessionName", "s-2")), ada(), region, w.now()),
		sign(t, post(action("AssumeRole", "RoleArn", "arn:aws:iam::111122223333:role/panic", "RoleSessionName", "s-2")), session, region, w.now()),
		sign(t, post(whoAmI), sigv4.Credentials{AccessKeyID: adaKey, SecretAccessKey: "wrongSecret", SessionToken: session.SessionToken}, region, w.now()),
		sign(t, post(whoAmI), sigv4.Credentials{AccessKeyID: "ASIABBBBBBBBBBBBBBBB", SecretAccessKey: "wrongSecret", SessionToken: session.SessionToken}, region, w.now()),
		sign(t, post(whoAmI), sigv4.Credentials{AccessKeyID: adaKey, SecretAccessKey: "wrongSecret"}, region, w.now()),
		sign(t, post(whoAmI), ada(), region, w.now().Add(-time.Hour)),
		presign(t, get(whoAmI), session, region, w.now().Add(-time.Hour)),
	}
	secrets := []string{adaSecret, rootSecret, "wrongSecret", session.SecretAccessKey, session.SessionToken, session.SessionToken[len(session.SessionToken)-40:]}
	for _, r := range requests {
		signature := r.URL.Query().Get("X-Amz-Signature")
		if signature == "" {
			_, signature, _ = strings.Cut(r.Header.Get("Authorization"), "Signature=")
		}
		if len(signature) != 64 {
			t.Fatalf("no signature in %v", r)
		}
		secrets = append(secrets, signature)
	}
	for i, r := range requests {
		before := strings.Count(w.log.String(), "\n")
		got := w.do(r)
		log := w.log.String()
		if lines := strings.Count(log, "\n") - before; lines != 1 {
			t.Errorf("request %d (%d): %d lines", i, got.status, lines)
		}
		if id := got.header.Get("x-amzn-RequestId"); !strings.Contains(log, id) {
			t.Errorf("request %d is not in the log", i)
		}
		var issued struct {
			Secret string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
			Token  string `xml:"AssumeRoleResult>Credentials>SessionToken"`
		}
		if err := xml.Unmarshal([]byte(got.body), &issued); err != nil {
			t.Fatal(err)
		}
		if issued.Token != "" {
			secrets = append(secrets, issued.Secret, issued.Token)
		}
	}
	if len(secrets) != 6+len(requests)+2 {
		t.Errorf("%d secrets to look for: the chained AssumeRole should have added two", len(secrets))
	}
	for _, secret := range secrets {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log has the secret %q", secret)
		}
	}
}

func TestSuccessIsQuietUnlessItIssuesCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var log bytes.Buffer
	w.handler.Log = slog.New(slog.NewTextHandler(&log, nil)) // level info
	w.call(t, ada(), whoAmI)
	if log.Len() > 0 {
		t.Errorf("GetCallerIdentity logs %s", log.String())
	}
	w.session(t, ada(), roleARN)
	for _, want := range []string{"level=INFO", "action=AssumeRole", "principal=" + adaARN, "session=arn:aws:sts::111122223333:assumed-role/awesome.role/s-1"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
}

func TestKeysDoNotPrintTheirSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	key := w.keys[adaKey]
	logger.Info("x", "key", key, "text", key.String(), "go", key.GoString())
	if text, err := json.Marshal(key); err != nil || strings.Contains(string(text), adaSecret) {
		t.Errorf("JSON: %s %v", text, err)
	}
	if strings.Contains(log.String(), adaSecret) || !strings.Contains(log.String(), adaARN) {
		t.Error(log.String())
	}
}
