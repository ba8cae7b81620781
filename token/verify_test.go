package token_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/token"
)

var goldenTime = time.Date(2026, 11, 23, 7, 4, 50, 0, time.UTC)

func at(d time.Duration) func() time.Time {
	return func() time.Time { return goldenTime.Add(d) }
}

// sts is an STS that answers as told, and remembers what it was asked.
func sts(t *testing.T, answer http.HandlerFunc) (endpoint *url.URL, asked *[]*http.Request) {
	t.Helper()
	asked = new([]*http.Request)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r)
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	endpoint, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return endpoint, asked
}

func answerJSON(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func identityJSON(account, arn, userID string) string {
	return fmt.Sprintf(`{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":%q,"Arn":%q,"UserId":%q},"ResponseMetadata":{"RequestId":"r"}}}`, account, arn, userID)
}

const adaARN = "arn:aws:iam::111122223333:user/ada.lovelace"

var adaAnswer = answerJSON(200, identityJSON("111122223333", adaARN, "AIDACKCEVSQ6C2EXAMPLE"))

func TestVerify(t *testing.T) {
	endpoint, asked := sts(t, adaAnswer)
	v := &token.Verifier{ClusterID: "x", Partition: "aws", Endpoint: endpoint, Now: at(time.Minute)}
	got, err := v.Verify(context.Background(), encode(goldenSession))
	if err != nil {
		t.Fatal(err)
	}
	if got.Identity.String() != adaARN || got.Identity.UserID != "AIDACKCEVSQ6C2EXAMPLE" || got.Identity.AccessKeyID != "AKIAIOSFODNN7EXAMPLE" {
		t.Errorf("%+v", got)
	}
	if want := goldenTime.Add(time.Second + 15*time.Minute); !got.Expiry.Equal(want) {
		t.Errorf("expiry %s, want %s", got.Expiry, want)
	}

	if len(*asked) != 1 {
		t.Fatalf("STS was asked %d times", len(*asked))
	}
	r := (*asked)[0]
	if r.Method != "GET" || r.Host != "sts.us-east-1.amazonaws.com" || r.URL.Path != "/" ||
		r.Header.Get("X-K8s-Aws-Id") != "x" || r.Header.Get("Accept") != "application/json" {
		t.Errorf("asked %s %s%s %v", r.Method, r.Host, r.URL.Path, r.Header)
	}
	// The rebuilt request carries a signature that botocore made, so the
	// signature engine, held by its own vectors, must find it right.
	s, err := sigv4.ParseSignature(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(r, sigv4.EmptyPayload, example.SecretAccessKey); err != nil {
		t.Errorf("the rebuilt request is not the signed one: %v", err)
	}
}

// The cluster's name comes from the verifier and never from the token.
func TestVerifyAsksForItsOwnCluster(t *testing.T) {
	endpoint, asked := sts(t, answerJSON(403, `{"Error":{"Code":"SignatureDoesNotMatch","Message":"m","Type":"Sender"}}`))
	v := &token.Verifier{ClusterID: "other", Partition: "aws", Endpoint: endpoint, Now: at(0)}
	_, err := v.Verify(context.Background(), encode(golden))
	var refused *token.Error
	if !errors.As(err, &refused) || refused.Reason != token.Signature || !strings.Contains(err.Error(), `"other"`) {
		t.Errorf("%v", err)
	}
	r := (*asked)[0]
	s, err := sigv4.ParseSignature(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(r, sigv4.EmptyPayload, example.SecretAccessKey); err == nil {
		t.Error("a token for cluster x verifies for the cluster other")
	}
}

func TestVerifyRoleSession(t *testing.T) {
	const session = "arn:aws:sts::111122223333:assumed-role/awesome.role/ada"
	endpoint, _ := sts(t, answerJSON(200, identityJSON("111122223333", session, "AROACKCEVSQ6C2EXAMPLE:ada")))
	v := &token.Verifier{ClusterID: "x", Partition: "aws", Endpoint: endpoint, Now: at(0)}
	got, err := v.Verify(context.Background(), encode(golden))
	if err != nil {
		t.Fatal(err)
	}
	want := arn.Identity{
		Principal: arn.Principal{Kind: arn.AssumedRole, Partition: "aws", AccountID: "111122223333", Name: "awesome.role", Session: "ada"},
		UserID:    "AROACKCEVSQ6C2EXAMPLE", AccessKeyID: "AKIAIOSFODNN7EXAMPLE",
	}
	if got.Identity != want {
		t.Errorf("got %+v\nwant %+v", got.Identity, want)
	}
}

// All of these are refused before anybody is asked: a flood of them costs STS
// nothing.
func TestVerifyRefusesWithoutAskingSTS(t *testing.T) {
	for _, tc := range []struct {
		name, raw, partition string
		now                  time.Duration
		reason               token.Reason
		want                 string
	}{
		{"malformed", "k8s-aws-v1.x", "aws", 0, token.Malformed, "base64url"},
		{"at its end", encode(golden), "aws", 15 * time.Minute, token.Expired, "expired at 2026-11-23T07:19:50Z"},
		{"long expired", encode(golden), "aws", 24 * time.Hour, token.Expired, "expired"},
		{"from the future", encode(golden), "aws", -5*time.Minute - time.Second, token.Future, "ahead of this server's clock"},
		{"another partition", encode(golden), "aws-cn", 0, token.Host, "but this cluster is in aws-cn"},
		{"not STS", edit(t, "sts.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com.evil.example"), "aws", 0, token.Host, "no STS endpoint"},
		{"with a port", edit(t, "amazonaws.com/", "amazonaws.com:8443/"), "aws", 0, token.Host, "no STS endpoint"},
		{"loopback", edit(t, "https://sts.us-east-1.amazonaws.com", "http://127.0.0.1:1"), "aws", 0, token.Host, "no STS endpoint"},
		{"metadata service", edit(t, "https://sts.us-east-1.amazonaws.com", "http://169.254.169.254"), "aws", 0, token.Host, "no STS endpoint"},
		{"no https", edit(t, "https://", "http://"), "aws", 0, token.Host, "without https"},
		{"host of another region", edit(t, "sts.us-east-1.", "sts.us-east-2."), "aws", 0, token.Host, "us-east-2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			endpoint, asked := sts(t, adaAnswer)
			v := &token.Verifier{ClusterID: "x", Partition: tc.partition, Endpoint: endpoint, Now: at(tc.now)}
			_, err := v.Verify(context.Background(), tc.raw)
			var refused *token.Error
			if !errors.As(err, &refused) || refused.Reason != tc.reason || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Verify: %v, want reason %s with %q", err, tc.reason, tc.want)
			}
			if len(*asked) != 0 {
				t.Error("STS was asked")
			}
		})
	}
}

func TestVerifyAcceptsTheWholeLife(t *testing.T) {
	endpoint, _ := sts(t, adaAnswer)
	for _, now := range []time.Duration{-5 * time.Minute, 0, 15*time.Minute - time.Second} {
		v := &token.Verifier{ClusterID: "x", Partition: "aws", Endpoint: endpoint, Now: at(now)}
		if _, err := v.Verify(context.Background(), encode(golden)); err != nil {
			t.Errorf("at %s: %v", now, err)
		}
	}
}

// Tokens made with AWS_ENDPOINT_URL_STS name the local endpoint itself.
func TestVerifyAcceptsItsOwnEndpoint(t *testing.T) {
	endpoint, asked := sts(t, adaAnswer)
	raw, _, err := token.New(example, token.Options{ClusterID: "x", Endpoint: endpoint, Time: goldenTime})
	if err != nil {
		t.Fatal(err)
	}
	v := &token.Verifier{ClusterID: "x", Partition: "aws", Endpoint: endpoint, Now: at(0)}
	if _, err := v.Verify(context.Background(), raw); err != nil {
		t.Fatal(err)
	}
	if got := (*asked)[0].Host; got != endpoint.Host {
		t.Errorf("asked for host %s, want %s", got, endpoint.Host)
	}
	v.Endpoint = nil
	if _, err := v.Verify(context.Background(), raw); err == nil {
		t.Error("a verifier without that endpoint accepts the token")
	}
}

func TestVerifyDistrustsAnswers(t *testing.T) {
	const session = "arn:aws:sts::111122223333:assumed-role/awesome.role/ada"
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		reason token.Reason
		want   string
	}{
		{"throttled as AWS does", answerJSON(400, `{"Error":{"Code":"Throttling","Message":"Rate exceeded"}}`), token.Throttled, "slow down"},
		{"throttled as others do", answerJSON(429, ``), token.Throttled, "slow down"},
		{"the word Throttling elsewhere", answerJSON(403, `{"Error":{"Code":"AccessDenied","Message":"Throttling"}}`), token.Answer, "403 AccessDenied"},
		{"down", answerJSON(503, ``), token.Unavailable, "503"},
		{"unknown key", answerJSON(403, `{"Error":{"Code":"InvalidClientTokenId"}}`), token.Credentials, "does not know the access key"},
		{"session over", answerJSON(403, `{"Error":{"Code":"ExpiredToken"}}`), token.Credentials, "session that signed the token has ended"},
		{"error in XML", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(403)
			io.WriteString(w, "<ErrorResponse/>")
		}, token.Answer, "403"},
		{"hostile code", answerJSON(403, `{"Error":{"Code":"\u001b[2Jx"}}`), token.Answer, "(HTTP 403 )"},
		{"HTML", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, identityJSON("111122223333", adaARN, "AIDA"))
		}, token.Answer, "not answer in JSON"},
		{"XML", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/xml")
			io.WriteString(w, "<GetCallerIdentityResponse/>")
		}, token.Answer, "not answer in JSON"},
		{"nonsense", answerJSON(200, `{`), token.Answer, "does not parse"},
		{"two documents", answerJSON(200, identityJSON("111122223333", adaARN, "A")+"{}"), token.Answer, "does not parse"},
		{"nothing", answerJSON(200, `{}`), token.Answer, "a principal that is none"},
		{"another account", answerJSON(200, identityJSON("444455556666", adaARN, "AIDA")), token.Answer, "of account"},
		{"another partition", answerJSON(200, identityJSON("111122223333", strings.Replace(adaARN, "aws", "aws-cn", 1), "AIDA")), token.Answer, "partition"},
		{"no user id", answerJSON(200, identityJSON("111122223333", adaARN, "")), token.Answer, "without a user id"},
		{"user id of another session", answerJSON(200, identityJSON("111122223333", session, "AROA:bob")), token.Answer, "does not belong"},
		{"not a principal", answerJSON(200, identityJSON("111122223333", "arn:aws:s3:::b", "A")), token.Answer, "a principal that is none"},
		{"gigabytes", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			chunk := bytes.Repeat([]byte(" "), 1<<20)
			for range 1 << 10 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, token.Answer, "more than 65536"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			endpoint, _ := sts(t, tc.answer)
			v := &token.Verifier{ClusterID: "x", Partition: "aws", Endpoint: endpoint, Now: at(0)}
			_, err := v.Verify(context.Background(), encode(golden))
			var refused *token.Error
			if !errors.As(err, &refused) || refused.Reason != tc.reason || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Verify: %v, want reason %s with %q", err, tc.reason, tc.want)
			}
		})
	}
}

func TestVerifyFollowsNoRedirect(t *testing.T) {
	elsewhere, asked := sts(t, adaAnswer)
	endpoint, _ := sts(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.String(), http.StatusFound)
	})
	v := &token.Verifier{ClusterID: "x", Partition: "aws", Endpoint: endpoint, Now: at(0), Client: &http.Client{}}
	_, err := v.Verify(context.Background(), encode(golden))
	if err == nil || !strings.Contains(err.Error(), "redirect") || len(*asked) != 0 {
		t.Errorf("%v, the other server was asked %d times", err, len(*asked))
	}
}

func TestVerifyEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	endpoint, _ := sts(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	v := &token.Verifier{ClusterID: "x", Partition: "aws", Endpoint: endpoint, Now: at(0)}
	_, err := v.Verify(ctx, encode(goldenSession))
	var refused *token.Error
	if !errors.As(err, &refused) || refused.Reason != token.Unavailable || !refused.Transient() {
		t.Errorf("%v", err)
	}
}

// A name that does not exist is the token's fault, if it is the token's name.
func TestVerifyRefusesAHostThatDoesNotExist(t *testing.T) {
	const host = "sts.us-east-1.amazonaws.com" // of the token
	own := &url.URL{Scheme: "https", Host: host}
	for _, tc := range []struct {
		name     string
		dns      net.DNSError
		endpoint *url.URL
		reason   token.Reason
	}{
		{"no such host", net.DNSError{Name: host, IsNotFound: true}, nil, token.Host},
		{"no answer", net.DNSError{Name: host, IsTimeout: true}, nil, token.Unavailable},
		{"no such proxy", net.DNSError{Name: "proxy.example.com", IsNotFound: true}, nil, token.Unavailable},
		{"no such endpoint", net.DNSError{Name: host, IsNotFound: true}, own, token.Unavailable},
	} {
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &tc.dns}
		}}
		v := &token.Verifier{ClusterID: "x", Partition: "aws", Endpoint: tc.endpoint, Now: at(0), Client: &http.Client{Transport: transport}}
		_, err := v.Verify(context.Background(), encode(goldenSession))
		var refused *token.Error
		if !errors.As(err, &refused) || refused.Reason != tc.reason {
			t.Errorf("%s: %v, want reason %s", tc.name, err, tc.reason)
		}
	}
}

func TestAsks(t *testing.T) {
	req, err := token.Parse(encode(golden))
	if err != nil {
		t.Fatal(err)
	}
	if got := (&token.Verifier{}).Asks(req); got != "sts.us-east-1.amazonaws.com" {
		t.Errorf("asks %s", got)
	}
	if got := (&token.Verifier{Endpoint: &url.URL{Scheme: "http", Host: "127.0.0.1:4566"}}).Asks(req); got != "127.0.0.1:4566" {
		t.Errorf("with an endpoint it asks %s", got)
	}
}

func TestVerifyErrorsHoldNoSecret(t *testing.T) {
	// Nobody listens there, so net/http's error would hold the whole URL.
	dead := httptest.NewServer(http.NotFoundHandler())
	deadURL, _ := url.Parse(dead.URL)
	dead.Close()
	echo, _ := sts(t, func(w http.ResponseWriter, r *http.Request) {
		answerJSON(403, fmt.Sprintf(`{"Error":{"Code":%q,"Message":%q}}`, r.URL.RawQuery, r.URL.RawQuery))(w, r)
	})
	for name, endpoint := range map[string]*url.URL{"dead": deadURL, "echo": echo} {
		v := &token.Verifier{ClusterID: "x", Partition: "aws", Endpoint: endpoint, Now: at(0)}
		_, err := v.Verify(context.Background(), encode(goldenSession))
		if err == nil {
			t.Fatal("accepted")
		}
		if strings.Contains(err.Error(), "49c33684") || strings.Contains(err.Error(), "abc") {
			t.Errorf("%s: the error tells a secret: %v", name, err)
		}
	}
}

func TestInspectNamesEveryFault(t *testing.T) {
	raw := encode(strings.NewReplacer("https:", "http:", "X-Amz-Expires=60", "X-Amz-Expires=4000", "2011-06-15", "2010-01-01").Replace(golden))
	in, ok := (&token.Verifier{Now: at(time.Hour)}).Inspect(raw)
	if !ok {
		t.Fatal("nothing readable")
	}
	all := strings.Join(in.Faults, "\n")
	for _, want := range []string{"Version", "X-Amz-Expires", "expired"} {
		if !strings.Contains(all, want) {
			t.Errorf("no fault about %s in\n%s", want, all)
		}
	}
	if in.AccessKeyID != "AKIAIOSFODNN7EXAMPLE" || in.Region != "us-east-1" || in.Partition != "aws" || in.Endpoint != "regional" {
		t.Errorf("%+v", in)
	}
}
