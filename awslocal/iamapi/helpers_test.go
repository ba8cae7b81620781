package iamapi_test

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/sigv4"
)

const (
	administrator = "arn:aws:iam::111122223333:user/administrator"
	trustAda      = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/ada.lovelace"},"Action":"sts:AssumeRole"}}`
	seeClusters   = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"*"}}`
)

// answer is what the API said; Code is "" for a success.
type answer struct {
	status        int
	code, message string
	body          string
}

// ask sends Action and the parameters, as pairs, signed by a principal.
func ask(t testing.TB, s *localtest.Service, who, action string, params ...string) answer {
	t.Helper()
	form := url.Values{"Action": {action}, "Version": {"2010-05-08"}}
	for i := 0; i+1 < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	body := form.Encode()
	r, err := http.NewRequest(http.MethodPost, s.URL+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(body)), localtest.CredentialsOf(t, s.Store, who), localtest.Region, "iam", time.Now()); err != nil {
		t.Fatal(err)
	}
	return do(t, r)
}

func do(t testing.TB, r *http.Request) answer {
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
	a := answer{status: response.StatusCode, body: string(text)}
	var refusal struct {
		Error struct{ Code, Message string }
	}
	if xml.Unmarshal(text, &refusal) == nil && a.status != http.StatusOK {
		a.code, a.message = refusal.Error.Code, refusal.Error.Message
	}
	if response.Header.Get("X-Amzn-Requestid") == "" || response.Header.Get("Content-Type") != "text/xml" {
		t.Errorf("headers %v", response.Header)
	}
	return a
}

// must is ask by the administrator, of something that works.
func must(t testing.TB, s *localtest.Service, action string, params ...string) string {
	t.Helper()
	a := ask(t, s, administrator, action, params...)
	if a.status != http.StatusOK {
		t.Fatalf("%s %q: %s", action, params, a.body)
	}
	return a.body
}

// refused checks a refusal.
func (a answer) refused(t testing.TB, status int, code, message string) {
	t.Helper()
	if a.status != status || a.code != code || !strings.Contains(a.message, message) {
		t.Errorf("%d %s %q, want %d %s %q", a.status, a.code, a.message, status, code, message)
	}
}
