package sigv4_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/eksauth/eksauth/sigv4"
)

// startServer answers each request with what verifying it says: 200, or 403 and
// the error. The answer to a good one is what STS would say.
func startServer(t *testing.T, now time.Time) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verify(r, string(body), secret)
		}
		if err == nil {
			signature, _ := sigv4.ParseSignature(r)
			err = signature.CheckTime(now)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		io.WriteString(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>`+
			`<Arn>arn:aws:iam::111122223333:user/ada.lovelace</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`)
	}))
	t.Cleanup(s.Close)
	return s
}

func do(t *testing.T, r *http.Request) (status int, answer string) {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// One that knows its length, and one that is sent in chunks.
func TestServerVerifiesABodyOfEitherFraming(t *testing.T) {
	t.Parallel()
	c := newCall()
	server := startServer(t, c.at)
	for name, reader := range map[string]io.Reader{
		"length": strings.NewReader(body),
		"chunks": io.MultiReader(strings.NewReader(body)),
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/a%2Fb//c?A=b+c", reader)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(body)), c.credentials, c.region, c.service, c.at); err != nil {
			t.Fatal(err)
		}
		if signed := strings.Contains(r.Header.Get("Authorization"), "content-length"); signed != (name == "length") {
			t.Errorf("%s: content-length signed: %v", name, signed)
		}
		if status, answer := do(t, r); status != http.StatusOK {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
}

func TestServerVerifiesAPresignedURLFetchedByAnyClient(t *testing.T) {
	t.Parallel()
	c := newCall()
	server := startServer(t, c.at.Add(14*time.Minute))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/?Action=GetCallerIdentity&Version=2011-06-15", nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := sigv4.Presign(r, sigv4.EmptyPayload, c.credentials, c.region, c.service, c.at, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	r.URL = u
	if status, answer := do(t, r); status != http.StatusOK {
		t.Errorf("%d %s", status, answer)
	}
	r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "GetCallerIdentity", "GetSessionToken", 1)
	if status, answer := do(t, r); status != http.StatusForbidden || strings.TrimSpace(answer) != sigv4.ErrMismatch.Error() {
		t.Errorf("tampered: %d %s", status, answer)
	}
}

// The real client, over a real connection, with all the headers that it adds.
func TestServerVerifiesTheSDKsSTSClient(t *testing.T) {
	t.Parallel()
	server := startServer(t, time.Now())
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: secret, SessionToken: "abc/+="}, nil
	})
	client := sts.New(sts.Options{Region: "eu-central-1", BaseEndpoint: &server.URL, Credentials: credentials})
	out, err := client.GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(out.Arn); got != "arn:aws:iam::111122223333:user/ada.lovelace" {
		t.Errorf("arn = %s", got)
	}
	presigned, err := sts.NewPresignClient(client).PresignGetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(presigned.URL)
	if err != nil {
		t.Fatal(err)
	}
	r := (&http.Request{Method: presigned.Method, URL: u, Header: presigned.SignedHeader}).WithContext(t.Context())
	if status, answer := do(t, r); status != http.StatusOK {
		t.Errorf("presigned: %d %s", status, answer)
	}
}
