package sts

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzServeHTTP throws requests at the service that nobody signed for it. The
// one good signature among the seeds covers one request only.
func FuzzServeHTTP(f *testing.F) {
	now := time.Date(2026, 11, 23, 7, 5, 0, 0, time.UTC)
	w := newWorld(f)
	w.handler.Auth.Now = func() time.Time { return now }
	w.handler.Log = slog.New(slog.DiscardHandler)
	signed := sign(f, post(whoAmI), ada(), region, now)
	f.Add(http.MethodGet, botocoreQuery, "", "X-K8s-Aws-Id: x")
	f.Add(http.MethodGet, botocoreQuery, "", "X-K8s-Aws-Id: y")
	f.Add(http.MethodPost, "", whoAmI, "Content-Type: application/x-www-form-urlencoded")
	f.Add(http.MethodPost, "", action("AssumeRole", "RoleArn", roleARN, "RoleSessionName", "s"),
		"Content-Type: application/x-www-form-urlencoded\nAuthorization: "+signed.Header.Get("Authorization")+"\nX-Amz-Date: 20261123T070500Z")
	f.Add(http.MethodPost, "Action=AssumeRole", whoAmI, "Content-Type: application/x-www-form-urlencoded\nAccept: application/json")
	f.Add(http.MethodPut, whoAmI, "", "")
	f.Add("BREW", "%zz&&=;&a=%ff", "\x00", "X-Amz-Security-Token: eksauth1.AAAA\nAuthorization: AWS4-HMAC-SHA256 Credential=ASIA/20261123/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=00")
	f.Fuzz(func(t *testing.T, method, query, body, header string) {
		r := httptest.NewRequest(http.MethodPost, "http://sts.us-east-1.amazonaws.com/", strings.NewReader(body))
		r.Method, r.URL.RawQuery = method, query
		for line := range strings.SplitSeq(header, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Add(name, value)
		}
		got := w.do(r)
		botocores := method == http.MethodGet && sameQuery(query, botocoreQuery)
		switch {
		case got.status == 200 && !botocores:
			t.Errorf("answered %s", got.body)
		case got.status < 200 || got.status >= 500:
			t.Errorf("%d %s", got.status, got.body)
		case len(got.header.Get("x-amzn-RequestId")) != 36:
			t.Error("no request id")
		}
	})
}

// sameQuery: the signature does not cover the order of the parameters, nor how
// they are percent-encoded.
func sameQuery(a, b string) bool {
	one, err1 := url.ParseQuery(a)
	two, err2 := url.ParseQuery(b)
	return err1 == nil && err2 == nil && one.Encode() == two.Encode()
}
