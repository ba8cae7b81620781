package sts

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/internal/logtest"
	"github.com/eksauth/eksauth/sigv4"
)

const (
	account = "111122223333"
	region  = "us-east-1"

	adaKey     = "AKIAIOSFODNN7EXAMPLE"
	adaSecret  = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	rootKey    = "AKIAROOTROOTROOTROOT"
	rootSecret = "rootSecretRootSecretRootSecretRootSecret"
	offKey     = "AKIAINACTIVEINACTIVE"
	offSecret  = "offSecretOffSecretOffSecretOffSecretOffS"
	chinaKey   = "AKIACHINACHINACHINAC"
	chinaSec   = "chinaSecretChinaSecretChinaSecretChinaSe"
	brokenKey  = "AKIABROKENBROKENBROK"

	roleARN  = "arn:aws:iam::111122223333:role/team/awesome.role"
	otherARN = "arn:aws:iam::111122223333:role/other"
	adaARN   = "arn:aws:iam::111122223333:user/staff/ada.lovelace"
)

// world is a Directory in memory, and the service over it.
type world struct {
	keys       map[string]AccessKey
	roles      map[string]Role     // by name
	policies   map[string]Policies // by the name of a user or a role
	everything *iam.Policy
	log        *logtest.Buffer
	offset     atomic.Int64 // of the clock, in nanoseconds
	handler    *Handler
	url        string
}

func (w *world) AccessKey(_ context.Context, id string) (AccessKey, error) {
	if id == brokenKey {
		return AccessKey{}, errors.New("disk on fire")
	}
	key, ok := w.keys[id]
	if !ok {
		return AccessKey{}, ErrNotFound
	}
	return key, nil
}

func (w *world) Role(_ context.Context, role arn.Principal) (Role, error) {
	switch role.Name {
	case "panic":
		panic("no such luck")
	case "broken":
		return Role{}, errors.New("disk on fire")
	}
	r, ok := w.roles[role.Name]
	if !ok || r.Principal.AccountID != role.AccountID {
		return Role{}, ErrNotFound
	}
	return r, nil
}

// Policies are those of the tests that set some; others may do everything.
func (w *world) Policies(_ context.Context, principal arn.Principal) (Policies, error) {
	if principal.Name == "nobodyknows" {
		return Policies{}, errors.New("disk on fire")
	}
	if p, ok := w.policies[principal.Name]; ok {
		return p, nil
	}
	return Policies{Identity: []*iam.Policy{w.everything}}, nil
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

// advance moves the service's clock, not the clients'.
func (w *world) advance(d time.Duration) { w.offset.Add(int64(d)) }

func principal(t testing.TB, s string) arn.Principal {
	t.Helper()
	p, err := arn.ParsePrincipal(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) addUser(t testing.TB, key, secret, userARN, id string) {
	w.keys[key] = AccessKey{Secret: secret, Active: true, Owner: arn.Identity{Principal: principal(t, userARN), UserID: id}}
}

func (w *world) addRole(t testing.TB, roleARN, id, trust string) {
	t.Helper()
	policy, err := iam.Parse([]byte(trust), iam.TrustPolicy)
	if err != nil {
		t.Fatal(err)
	}
	p := principal(t, roleARN)
	w.roles[p.Name] = Role{Principal: p, ID: id, TrustPolicy: policy, MaxSessionDuration: 2 * time.Hour}
}

// trusting is a trust policy of one statement.
func trusting(principal, actions, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":` + actions + condition + `}]}`
}

func sealKey() []byte { return bytes.Repeat([]byte{7}, SealKeySize) }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{keys: map[string]AccessKey{}, roles: map[string]Role{}, policies: map[string]Policies{}, log: &logtest.Buffer{}}
	var err error
	if w.everything, err = iam.Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`), iam.IdentityPolicy); err != nil {
		t.Fatal(err)
	}
	w.addUser(t, adaKey, adaSecret, adaARN, "AIDAADAADAADAADAADAA")
	w.addUser(t, rootKey, rootSecret, "arn:aws:iam::111122223333:root", account)
	w.addUser(t, chinaKey, chinaSec, "arn:aws-cn:iam::444455556666:user/mei", "AIDACHINACHINACHINAC")
	w.addUser(t, offKey, offSecret, adaARN, "AIDAADAADAADAADAADAA")
	off := w.keys[offKey]
	off.Active = false
	w.keys[offKey] = off
	w.addRole(t, roleARN, "AROAAWESOMEAWESOMEAW", trusting(adaARN, `"sts:AssumeRole"`, ""))
	w.addRole(t, otherARN, "AROAOTHEROTHEROTHERO", trusting(roleARN, `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`, ""))
	w.addRole(t, "arn:aws:iam::111122223333:role/panic", "AROAPANICPANICPANICP", trusting("*", `"sts:AssumeRole"`, ""))

	sealer, err := NewSealer(sealKey())
	if err != nil {
		t.Fatal(err)
	}
	w.handler = &Handler{
		Auth: &Authenticator{Directory: w, Sessions: sealer, Now: w.now},
		Log:  slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return w
}

// serve puts the world behind a real listener.
func (w *world) serve(t testing.TB) {
	t.Helper()
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	w.url = server.URL
}

func ada() sigv4.Credentials {
	return sigv4.Credentials{AccessKeyID: adaKey, SecretAccessKey: adaSecret}
}

// form is a query in the order given: name, value, name, value…
func form(pairs ...string) string {
	var parts []string
	for i := 0; i+1 < len(pairs); i += 2 {
		parts = append(parts, url.QueryEscape(pairs[i])+"="+url.QueryEscape(pairs[i+1]))
	}
	return strings.Join(parts, "&")
}

func action(name string, pairs ...string) string {
	return form(append([]string{"Action", name, "Version", apiVersion}, pairs...)...)
}

// post is an unsigned request as a server receives it.
func post(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://sts.us-east-1.amazonaws.com/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return r
}

func get(query string) *http.Request {
	return httptest.NewRequest(http.MethodGet, "http://sts.us-east-1.amazonaws.com/?"+query, nil)
}

// sign signs a request as a server receives it, for the body that it has.
func sign(t testing.TB, r *http.Request, c sigv4.Credentials, region string, at time.Time) *http.Request {
	t.Helper()
	body := readBody(t, r)
	if err := sigv4.Sign(r, sigv4.PayloadHash(body), c, region, "sts", at); err != nil {
		t.Fatal(err)
	}
	return r
}

func readBody(t testing.TB, r *http.Request) []byte {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body
}

// presign is a received presigned GET.
func presign(t testing.TB, r *http.Request, c sigv4.Credentials, region string, at time.Time) *http.Request {
	t.Helper()
	u, err := sigv4.Presign(r, sigv4.EmptyPayload, c, region, "sts", at, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	signed := httptest.NewRequest(r.Method, u.String(), nil)
	signed.Header = r.Header.Clone()
	return signed
}

// answered is what a client reads.
type answered struct {
	status int
	header http.Header
	body   string
}

func (w *world) do(r *http.Request) answered {
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, r)
	return answered{recorder.Code, recorder.Header(), recorder.Body.String()}
}

// call signs a POST and sends it.
func (w *world) call(t testing.TB, c sigv4.Credentials, body string) answered {
	t.Helper()
	return w.do(sign(t, post(body), c, region, w.now()))
}

func decodeXML(t testing.TB, body string, into any) {
	t.Helper()
	if err := xml.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
}
