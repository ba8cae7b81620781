package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/token"
)

const (
	account = "111122223333"
	cluster = "dev"

	// users are how many are mapped; tokens come from all of them in turn.
	users = 100

	keyPrefix = "AKIAIOSFODNN"
)

func userARN(i int) string { return fmt.Sprintf("arn:aws:iam::%s:user/user-%d", account, i) }

// fakeSTS says whose a key is, after a delay. It verifies nothing, so that what is
// measured is not its own work.
type fakeSTS struct {
	*httptest.Server
	delay atomic.Int64
}

func newFakeSTS() *fakeSTS {
	s := &fakeSTS{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(s.delay.Load()))
		key, _, _ := strings.Cut(r.URL.Query().Get("X-Amz-Credential"), "/")
		n, err := strconv.Atoi(strings.TrimPrefix(key, keyPrefix))
		if err != nil {
			http.Error(w, "no key of this bench", http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":%q,"Arn":%q,"UserId":"AIDA%016d"},"ResponseMetadata":{"RequestId":"6f3b1f0e-9d57-4c1b-8a5c-1d2f3c4b5a69"}}}`,
			account, userARN(n%users), n%users)
	}))
	return s
}

// answerAfter is how long the next answers take.
func (s *fakeSTS) answerAfter(d time.Duration) { s.delay.Store(int64(d)) }

// minter makes TokenReviews of tokens no two of which are alike: each is signed
// with a key of its own.
type minter struct{ made int }

func (m *minter) reviews(n int) ([][]byte, error) {
	list := make([][]byte, n)
	for i := range list {
		c := sigv4.Credentials{AccessKeyID: fmt.Sprintf("%s%08d", keyPrefix, m.made), SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
		raw, _, err := token.New(c, token.Options{ClusterID: cluster, Region: "us-east-1", Time: time.Now()})
		if err != nil {
			return nil, err
		}
		list[i], err = json.Marshal(map[string]any{
			"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
			"metadata": map[string]any{"creationTimestamp": nil}, "spec": map[string]string{"token": raw},
		})
		if err != nil {
			return nil, err
		}
		m.made++
	}
	return list, nil
}

// again gives the reviews again and again.
func again(reviews [][]byte) func() ([]byte, bool) {
	var next atomic.Int64
	return func() ([]byte, bool) { return reviews[int(next.Add(1)-1)%len(reviews)], true }
}

// once gives each review once.
func once(reviews [][]byte) func() ([]byte, bool) {
	var next atomic.Int64
	return func() ([]byte, bool) {
		i := int(next.Add(1) - 1)
		if i >= len(reviews) {
			return nil, false
		}
		return reviews[i], true
	}
}
