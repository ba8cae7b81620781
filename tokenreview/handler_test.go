package tokenreview_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/logtest"
	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/token"
	"github.com/eksauth/eksauth/tokenreview"
)

const (
	cluster = "dev"
	account = "111122223333"

	adaARN   = "arn:aws:iam::111122223333:user/ada.lovelace"
	roleARN  = "arn:aws:iam::111122223333:role/awesome.role"
	adaID    = "AIDACKCEVSQ6C2EXAMPLE"
	roleID   = "AROACKCEVSQ6C2EXAMPLE"
	otherARN = "arn:aws:iam::111122223333:user/nobody"
)

var start = time.Date(2026, 11, 23, 7, 4, 50, 0, time.UTC)

func key(id string) sigv4.Credentials {
	return sigv4.Credentials{AccessKeyID: id, SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
}

var (
	ada     = key("AKIAADAADAADAADAADAA")
	session = key("ASIASESSIONSESSIONSE")
	nobody  = key("AKIANOBODYNOBODYNOBO")
	deleted = key("AKIADELETEDDELETEDDE")
)

// fakeSTS verifies signatures as STS does and answers who signed.
type fakeSTS struct {
	*httptest.Server
	asked   atomic.Int64
	instead atomic.Pointer[http.HandlerFunc] // answers in place of it
	arrived chan struct{}                    // if not nil, told of every question
	release chan struct{}                    // if not nil, waited for before the answer
}

func newSTS(t testing.TB) *fakeSTS {
	s := &fakeSTS{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *fakeSTS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	if s.arrived != nil {
		s.arrived <- struct{}{}
	}
	if s.release != nil {
		<-s.release
	}
	if f := s.instead.Load(); f != nil {
		(*f)(w, r)
		return
	}
	sig, err := sigv4.ParseSignature(r)
	if err != nil || sig.Verify(r, sigv4.EmptyPayload, ada.SecretAccessKey) != nil {
		refuse(w, 403, "SignatureDoesNotMatch")
		return
	}
	switch sig.AccessKeyID {
	case ada.AccessKeyID:
		identify(w, adaARN, adaID)
	case session.AccessKeyID:
		identify(w, "arn:aws:sts::111122223333:assumed-role/awesome.role/ada@example.com", roleID+":ada@example.com")
	case nobody.AccessKeyID:
		identify(w, otherARN, "AIDANOBODY")
	default:
		refuse(w, 403, "InvalidClientTokenId")
	}
}

func (s *fakeSTS) answer(status int, code string) {
	f := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, code) })
	s.instead.Store(&f)
}

func identify(w http.ResponseWriter, arn, userID string) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":%q,"Arn":%q,"UserId":%q}}}`, account, arn, userID)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"Error":{"Code":%q,"Message":"m","Type":"Sender"},"RequestId":"r"}`, code)
}

// clock is one that stands still until it is moved.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return start.Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// rig is a handler with everything around it.
type rig struct {
	*tokenreview.Handler
	sts      *fakeSTS
	clock    *clock
	live     *awsauth.Live
	log      *logtest.Buffer
	observed *observer
}

// Table makes the rig the Mappings, so that a test can replace live.
func (r *rig) Table() *awsauth.Table { return r.live.Table() }

const mappings = `
- userarn: ` + adaARN + `
  username: ada.lovelace
  groups: [awesome-app-admin]
`

const roleMappings = `
- rolearn: ` + roleARN + `
  username: "awesome:{{SessionName}}"
  groups: [readers, "session:{{SessionNameRaw}}"]
`

func newRig(t testing.TB, change ...func(*rig, *tokenreview.Config)) *rig {
	r := &rig{
		sts: newSTS(t), clock: &clock{}, log: &logtest.Buffer{}, observed: &observer{},
		live: awsauth.NewLive(awsauth.Source{Name: awsauth.EKSConfigMap}),
	}
	endpoint, err := url.Parse(r.sts.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := tokenreview.Config{
		Verifier: &token.Verifier{ClusterID: cluster, Partition: "aws", Endpoint: endpoint, Now: r.clock.now},
		Mappings: r,
		Log:      slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observer: r.observed,
		Now:      r.clock.now,
	}
	r.update(t, map[string]string{"mapUsers": mappings, "mapRoles": roleMappings})
	for _, f := range change {
		f(r, &c)
	}
	r.Handler = tokenreview.New(c)
	return r
}

func (r *rig) update(t testing.TB, data map[string]string) {
	t.Helper()
	if err := r.live.Update(awsauth.EKSConfigMap, awsauth.ParseConfigMap(data)); err != nil {
		t.Fatal(err)
	}
}

// mint makes a token of region us-east-1 at the clock's time.
func (r *rig) mint(t testing.TB, c sigv4.Credentials, clusterID string) string {
	t.Helper()
	raw, _, err := token.New(c, token.Options{ClusterID: clusterID, Region: "us-east-1", Time: r.clock.now()})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func body(apiVersion, raw string, audiences ...string) string {
	b, err := json.Marshal(map[string]any{
		"apiVersion": apiVersion, "kind": "TokenReview", "metadata": map[string]any{"creationTimestamp": nil},
		"spec": map[string]any{"token": raw, "audiences": audiences},
	})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// answered is a TokenReview as any client of the API would read it.
type answered struct {
	HTTP       int    `json:"-"`
	Text       string `json:"-"`
	Retry      string `json:"-"`
	APIVersion string
	Kind       string
	Status     struct {
		Authenticated bool
		Error         string
		Audiences     []string
		User          struct {
			Username, UID string
			Groups        []string
			Extra         map[string][]string
		}
	}
}

func (r *rig) post(t testing.TB, body string) answered {
	t.Helper()
	req := httptest.NewRequest("POST", "/authenticate", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	return r.do(t, req)
}

func (r *rig) do(t testing.TB, req *http.Request) answered {
	t.Helper()
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	a := answered{HTTP: w.Code, Text: w.Body.String(), Retry: w.Header().Get("Retry-After")}
	if w.Code == 200 {
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("Content-Type %q", got)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
	}
	return a
}

func (r *rig) review(t testing.TB, raw string, audiences ...string) answered {
	t.Helper()
	return r.post(t, body("authentication.k8s.io/v1", raw, audiences...))
}

// lines are the log's, parsed.
func (r *rig) lines(t testing.TB) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for dec := json.NewDecoder(strings.NewReader(r.log.String())); ; {
		var line map[string]any
		if err := dec.Decode(&line); err == io.EOF {
			return lines
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
}

func (r *rig) lastLine(t testing.TB) map[string]any {
	t.Helper()
	lines := r.lines(t)
	if len(lines) == 0 {
		t.Fatal("nothing was logged")
	}
	return lines[len(lines)-1]
}

// observer notes what it is told.
type observer struct {
	mu             sync.Mutex
	reviews, asked []string
	hits, misses   int
}

func (o *observer) Reviewed(_ context.Context, outcome tokenreview.Outcome, reason tokenreview.Reason, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reviews = append(o.reviews, strings.TrimSpace(string(outcome)+" "+string(reason)))
}

func (o *observer) Asked(reason tokenreview.Reason, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, string(reason))
}

func (o *observer) LookedUp(hit bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if hit {
		o.hits++
	} else {
		o.misses++
	}
}
