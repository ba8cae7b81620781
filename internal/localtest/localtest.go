// Package localtest runs a local AWS for the tests of those that stand above the
// store: its APIs, and the programs.
package localtest

import (
	"bytes"
	"errors"
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

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awslocal/server"
	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/sts"
)

// What the default world has.
const (
	Account = "111122223333"
	Region  = "us-east-1"
	AdaARN  = "arn:aws:iam::111122223333:user/ada.lovelace"
	RoleARN = "arn:aws:iam::111122223333:role/awesome.role"
)

// Parse reads a world.
func Parse(t testing.TB, doc string) *awslocal.World {
	t.Helper()
	w, err := awslocal.ParseWorld("world.yaml", []byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Open opens a store until the test ends.
func Open(t testing.TB, dir string) *awslocal.Store {
	t.Helper()
	s, err := awslocal.Open(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Apply makes the store what the world says.
func Apply(t testing.TB, s *awslocal.Store, w *awslocal.World) {
	t.Helper()
	if err := s.Apply(w); err != nil {
		t.Fatal(err)
	}
}

// World is what the store has.
func World(t testing.TB, s *awslocal.Store) *awslocal.World {
	t.Helper()
	w, err := s.World()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// CredentialsOf are the first active access key of a principal, by ARN.
func CredentialsOf(t testing.TB, s *awslocal.Store, owner string) sigv4.Credentials {
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

// Service is a running local AWS.
type Service struct {
	Store  *awslocal.Store
	URL    string
	Server *httptest.Server
	Log    *Log
	offset atomic.Int64 // of its clock
}

// Now is the time of its clock.
func (s *Service) Now() time.Time { return time.Now().Add(time.Duration(s.offset.Load())) }

// Serve starts a local AWS over a store, which may be closed and opened again.
// Without tokens it takes no web identities.
func Serve(t testing.TB, store *awslocal.Store, tokens sts.Tokens) *Service {
	t.Helper()
	s := &Service{Store: store, Log: &Log{}}
	log := slog.New(slog.NewTextHandler(s.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.Server = httptest.NewServer(server.New(server.Config{Store: store, Tokens: tokens, Now: s.Now, Log: log}))
	t.Cleanup(s.Server.Close)
	s.URL = s.Server.URL
	return s
}

// ServeDefault serves the default world from a new directory.
func ServeDefault(t testing.TB) *Service {
	t.Helper()
	store := Open(t, t.TempDir())
	w, err := awslocal.DefaultWorld()
	if err != nil {
		t.Fatal(err)
	}
	Apply(t, store, w)
	return Serve(t, store, nil)
}

// Config is the SDK's configuration for a client with the credentials.
func (s *Service) Config(c sigv4.Credentials) aws.Config {
	return aws.Config{
		Region:           Region,
		BaseEndpoint:     aws.String(s.URL),
		Credentials:      credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
		RetryMaxAttempts: 1,
	}
}

// Of is the SDK's configuration for a client of a principal's.
func (s *Service) Of(t testing.TB, owner string) aws.Config {
	t.Helper()
	return s.Config(CredentialsOf(t, s.Store, owner))
}

// IsAPIError checks an error as the SDK shows it.
func IsAPIError(t testing.TB, err error, status int, code, message string) {
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

// Log is a log that handlers write while a test reads it.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// SetClock sets its clock ahead of the real one.
func (s *Service) SetClock(ahead time.Duration) { s.offset.Store(int64(ahead)) }

// Anonymous is the SDK's configuration for a client without credentials.
func (s *Service) Anonymous() aws.Config {
	return aws.Config{Region: Region, BaseEndpoint: aws.String(s.URL), Credentials: aws.AnonymousCredentials{}, RetryMaxAttempts: 1}
}
