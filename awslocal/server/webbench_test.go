package server_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awslocal/server"
	"github.com/eksauth/eksauth/internal/localtest"
)

// BenchmarkAssumeRoleWithWebIdentity is the whole of it over HTTP on loopback,
// for several callers at once who keep their connections: the token verified with
// a key that is in the cache, the trust policy evaluated, a session sealed. The
// callers run on the same cores.
func BenchmarkAssumeRoleWithWebIdentity(b *testing.B) {
	for _, algorithm := range []string{"RS256", "ES256"} {
		b.Run(algorithm, func(b *testing.B) {
			i := startIssuer(b, algorithm)
			store := localtest.Open(b, b.TempDir())
			w, err := awslocal.DefaultWorld()
			if err != nil {
				b.Fatal(err)
			}
			localtest.Apply(b, store, w)
			if err := store.SetClusterIssuer("dev", i.URL()); err != nil {
				b.Fatal(err)
			}
			server := httptest.NewServer(server.New(server.Config{Store: store, Tokens: i.verifier(), Now: time.Now, Log: slog.New(slog.DiscardHandler)}))
			defer server.Close()
			form := "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=pod-1&RoleArn=" + appARN +
				"&WebIdentityToken=" + i.token(b, "awesome-app", "awesome-app", "sts.amazonaws.com")
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			defer client.CloseIdleConnections()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) { assumeRepeatedly(b, pb, client, server.URL, form) })
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
		})
	}
}

func assumeRepeatedly(b *testing.B, pb *testing.PB, client *http.Client, url, form string) {
	for pb.Next() {
		response, err := client.Post(url, "application/x-www-form-urlencoded", strings.NewReader(form))
		if err != nil {
			b.Error(err)
			return
		}
		io.Copy(io.Discard, response.Body) // so that the connection can be used again
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			b.Error(response.Status)
			return
		}
	}
}
