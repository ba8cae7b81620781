package awsquery_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/awsquery"
)

// FuzzRead: what is read is what net/url reads, each parameter once, or nothing is;
// and whatever the request holds, the refusal that repeats it is well-formed.
func FuzzRead(f *testing.F) {
	const form = "application/x-www-form-urlencoded"
	f.Add(http.MethodPost, "", "Action=GetCallerIdentity&Version=2011-06-15", form)
	f.Add(http.MethodGet, "Action=AssumeRole&RoleArn=arn%3Aaws&Tags.member.1.Key=a+b&Tags.member.1.Value=%C3%A9", "", "")
	f.Add(http.MethodPost, "Action=AssumeRole", "Action=GetCallerIdentity", form+"; charset=utf-8")
	f.Add(http.MethodPost, "X-Amz-Date=1&x-amz-date=2", "a=%zz&=&b;c=1&%00=%ff", "text/xml")
	f.Add("BREW", "<&>=\"'&Tags.member.1=", "", "")
	f.Fuzz(func(t *testing.T, method, query, body, contentType string) {
		for _, accept := range []string{"", "application/json"} {
			r := httptest.NewRequest(http.MethodPost, "http://localhost/", strings.NewReader(body))
			r.Method, r.URL.RawQuery = method, query
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("Accept", accept)
			recorder := httptest.NewRecorder()
			q := awsquery.NewRequest(r)
			err := q.Read(recorder)
			refused := &awsquery.Error{Code: "ValidationError", Status: http.StatusBadRequest, Message: awsquery.Clip(query) + awsquery.Clip(body)}
			switch {
			case err == nil:
				checkParams(t, &q, query, body)
			case !errors.As(err, &refused):
				t.Fatalf("the error is %#v", err)
			}
			q.Refuse(recorder, "https://sts.amazonaws.com/doc/2011-06-15/", refused)
			checkWellFormed(t, recorder)
		}
	})
}

// checkParams compares with net/url, which takes what stands twice for a list.
func checkParams(t *testing.T, q *awsquery.Request, query, body string) {
	got := map[string]string{}
	for _, name := range q.Params.Left() {
		got[name], _ = q.Params.Take(name)
	}
	for name, value := range map[string]string{"Action": q.Action, "Version": q.Version} {
		if value != "" {
			got[name] = value
		}
	}
	want := 0
	for _, text := range []string{query, body} {
		// A ';' is part of a value here; net/url refuses it.
		values, err := url.ParseQuery(strings.ReplaceAll(text, ";", "%3B"))
		if err != nil {
			t.Fatalf("%q was read: %v", text, err)
		}
		for name, list := range values {
			if strings.HasPrefix(name, "X-Amz-") {
				continue
			}
			if (name == "Action" || name == "Version") && list[0] == "" {
				continue
			}
			want++
			if len(list) != 1 || got[name] != list[0] {
				t.Errorf("%q: %q, not %q", name, got[name], list)
			}
		}
	}
	if len(got) != want {
		t.Errorf("%d parameters, not %d", len(got), want)
	}
}

func checkWellFormed(t *testing.T, recorder *httptest.ResponseRecorder) {
	text := recorder.Body.Bytes()
	if strings.Contains(recorder.Header().Get("Content-Type"), "json") {
		if !json.Valid(text) {
			t.Errorf("not JSON: %q", text)
		}
		return
	}
	for d := xml.NewDecoder(strings.NewReader(string(text))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v: %q", err, text)
		}
	}
}
