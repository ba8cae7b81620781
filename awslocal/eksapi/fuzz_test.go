package eksapi_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awslocal/server"
	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/sigv4"
)

// FuzzServeHTTP: whatever an administrator asks is answered, and never by a fault
// of ours; and the world that it leaves can be written down and read again.
func FuzzServeHTTP(f *testing.F) {
	for _, seed := range [][3]string{
		{"GET", "/clusters?maxResults=1", ""},
		{"POST", "/clusters", `{"name":"new","roleArn":"` + localtest.RoleARN + `","resourcesVpcConfig":{"subnetIds":["subnet-1"]},"accessConfig":{"authenticationMode":"API"}}`},
		{"POST", "/clusters/dev/update-config", `{"accessConfig":{"authenticationMode":"API_AND_CONFIG_MAP"}}`},
		{"POST", "/clusters/dev/access-entries", `{"principalArn":"` + localtest.AdaARN + `","kubernetesGroups":["a"],"username":"ada","type":"STANDARD","tags":{"a":"b"}}`},
		{"POST", "/clusters/dev/access-entries/arn%3Aaws%3Aiam%3A%3A111122223333%3Auser%2Fada.lovelace/access-policies", `{"policyArn":"arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy","accessScope":{"type":"namespace","namespaces":["a*"]}}`},
		{"POST", "/clusters/dev/pod-identity-associations", `{"namespace":"a","serviceAccount":"b","roleArn":"` + localtest.RoleARN + `"}`},
		{"DELETE", "/clusters/dev", ""},
		{"POST", "/tags/arn%3Aaws%3Aeks%3Aus-east-1%3A111122223333%3Acluster%2Fdev", `{"tags":{"a":"b"}}`},
		{"GET", "/clusters/%2e%2e/access-entries/%00", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	store := localtest.Open(f, f.TempDir())
	f.Fuzz(func(t *testing.T, method, target, body string) {
		r, err := http.NewRequest(method, "http://localhost"+target, strings.NewReader(body))
		if err != nil || r.URL.Host != "localhost" || !strings.HasPrefix(r.URL.Path, "/") {
			t.Skip("no request")
		}
		w, err := awslocal.DefaultWorld()
		if err != nil {
			t.Fatal(err)
		}
		localtest.Apply(t, store, w)
		r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:1"
		r.Header.Set("Content-Type", "application/json")
		if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(body)), localtest.CredentialsOf(t, store, administrator), localtest.Region, "eks", time.Now()); err != nil {
			t.Skip(err)
		}
		recorder := httptest.NewRecorder()
		server.New(server.Config{Store: store, Now: time.Now, Log: slog.New(slog.DiscardHandler)}).ServeHTTP(recorder, r)
		if recorder.Code >= 500 {
			t.Errorf("%d %s", recorder.Code, recorder.Body)
		}
		text, err := localtest.World(t, store).YAML()
		if err != nil {
			t.Fatal(err)
		}
		localtest.Parse(t, string(text))
	})
}
