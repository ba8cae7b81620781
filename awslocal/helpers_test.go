package awslocal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/sts"
)

const (
	account = "111122223333"
	region  = "us-east-1"
	adaARN  = "arn:aws:iam::111122223333:user/ada.lovelace"
	roleARN = "arn:aws:iam::111122223333:role/awesome.role"
)

func parse(t testing.TB, doc string) *World {
	t.Helper()
	w, err := ParseWorld("world.yaml", []byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func apply(t testing.TB, s *Store, w *World) {
	t.Helper()
	if err := s.Apply(w); err != nil {
		t.Fatal(err)
	}
}

func world(t testing.TB, s *Store) *World {
	t.Helper()
	w, err := s.World()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func credentialsOf(t testing.TB, s *Store, owner string) sigv4.Credentials {
	t.Helper()
	p, err := arn.ParsePrincipal(owner)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Credentials(p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sameWorld compares worlds; of policies it compares what they say.
func sameWorld(a, b *World) string {
	return cmp.Diff(a.Accounts, b.Accounts, cmp.Transformer("compact", func(p PolicyDocument) string {
		var b bytes.Buffer
		if json.Compact(&b, []byte(p)) != nil {
			return string(p)
		}
		return b.String()
	}), cmp.Transformer("secret", func(s Secret) string { return string(s) }))
}

// service is a running local AWS.
type service struct {
	store  *Store
	url    string
	server *httptest.Server
	log    *lockedBuffer
	offset atomic.Int64 // of its clock
}

func (s *service) now() time.Time { return time.Now().Add(time.Duration(s.offset.Load())) }

// serve starts a local AWS over a store, which may be closed and opened again.
func serve(t testing.TB, store *Store) *service { return serveTokens(t, store, nil) }

// serveTokens starts one that takes web identities too.
func serveTokens(t testing.TB, store *Store, tokens sts.Tokens) *service {
	t.Helper()
	s := &service{store: store, log: &lockedBuffer{}}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.server = httptest.NewServer(NewServer(Config{Store: store, Tokens: tokens, Now: s.now, Log: log}))
	t.Cleanup(s.server.Close)
	s.url = s.server.URL
	return s
}

// serveDefault serves the default world from a new directory.
func serveDefault(t testing.TB) *service {
	t.Helper()
	store := open(t, t.TempDir())
	w, err := DefaultWorld()
	if err != nil {
		t.Fatal(err)
	}
	apply(t, store, w)
	return serve(t, store)
}

// config is the SDK's configuration for a client with the credentials.
func (s *service) config(c sigv4.Credentials) aws.Config {
	return aws.Config{
		Region:           region,
		BaseEndpoint:     aws.String(s.url),
		Credentials:      credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
		RetryMaxAttempts: 1,
	}
}

// of is the SDK's configuration for a client of a principal's.
func (s *service) of(t testing.TB, owner string) aws.Config {
	t.Helper()
	return s.config(credentialsOf(t, s.store, owner))
}

// isAPIError checks an error as the SDK shows it.
func isAPIError(t testing.TB, err error, status int, code, message string) {
	t.Helper()
	var api smithy.APIError
	var response *awshttp.ResponseError
	if !errors.As(err, &api) || !errors.As(err, &response) {
		t.Errorf("the error is %v, want %s", err, code)
		return
	}
	if api.ErrorCode() != code || response.HTTPStatusCode() != status || !strings.Contains(api.ErrorMessage(), message) {
		t.Errorf("the error is %d %s %q, want %d %s %q", response.HTTPStatusCode(), api.ErrorCode(), api.ErrorMessage(), status, code, message)
	}
	if response.ServiceRequestID() == "" {
		t.Error("the answer has no request id")
	}
}

// lockedBuffer is a log that handlers write while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
