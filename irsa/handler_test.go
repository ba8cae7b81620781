package irsa

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/eksauth/eksauth/internal/logtest"
)

// lookup is ServiceAccounts by a function.
type lookup func(namespace, name string) (ServiceAccount, error)

func (l lookup) Lookup(_ context.Context, namespace, name string) (ServiceAccount, error) {
	return l(namespace, name)
}

func annotated(string, string) (ServiceAccount, error) { return ServiceAccount{RoleARN: role}, nil }

// rig is a handler, and what it told whom.
type rig struct {
	*Handler
	log     *logtest.Buffer
	counted []string
	events  []string
}

func (r *rig) Reviewed(_ context.Context, o Outcome, reason Reason, _ time.Duration) {
	r.counted = append(r.counted, strings.TrimSuffix(string(o)+":"+string(reason), ":"))
}

func newRig(c Config) *rig {
	r := &rig{log: &logtest.Buffer{}}
	c.Log = slog.New(slog.NewTextHandler(r.log, nil))
	c.Observer = r
	c.Notify = func(namespace, account, message string) {
		r.events = append(r.events, namespace+"/"+account+": "+message)
	}
	r.Handler = New(c)
	return r
}

func (r *rig) post(t testing.TB, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/mutate", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

func (r *rig) review(t testing.TB, body string) *admissionv1.AdmissionResponse {
	t.Helper()
	w := r.post(t, body)
	var answer admissionv1.AdmissionReview
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 || answer.Kind != kind || answer.APIVersion != apiVersion || answer.Response == nil {
		t.Fatalf("HTTP %d %s: %v", w.Code, w.Body, err)
	}
	return answer.Response
}

// creation is a review of a pod that is being created.
func creation(more string) string {
	return `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u1","operation":"CREATE","resource":{"group":"","version":"v1","resource":"pods"},"namespace":"apps"` + more +
		`,"object":{"metadata":{"generateName":"app-"},"spec":{"serviceAccountName":"web","containers":[{"name":"app","env":[{"name":"PASSWORD","value":"hunter2"}]}]}}}}`
}

func golden(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What a real kube-apiserver sent.
func TestAnswersARealReview(t *testing.T) {
	r := newRig(Config{Accounts: lookup(func(namespace, name string) (ServiceAccount, error) {
		if namespace != "apps" || name != "app" {
			t.Errorf("asked about %s/%s", namespace, name)
		}
		return ServiceAccount{RoleARN: role}, nil
	})})
	body := golden(t, "review.json")
	response := r.review(t, body)
	var sent struct {
		Request struct {
			UID    string
			Object json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(body), &sent); err != nil {
		t.Fatal(err)
	}
	if !response.Allowed || string(response.UID) != sent.Request.UID || *response.PatchType != "JSONPatch" || len(response.Warnings) != 0 {
		t.Errorf("%+v", response)
	}
	patched, err := applyPatch(sent.Request.Object, response.Patch)
	if err != nil || strings.Count(string(patched), role) != 3 {
		t.Errorf("%v: %s", err, patched)
	}
	if log := r.log.String(); !strings.Contains(log, "level=INFO") || !strings.Contains(log, "role_arn="+role) || !strings.Contains(log, "pod=app") {
		t.Errorf("%s", log)
	}
	if len(r.counted) != 1 || r.counted[0] != "mutated" {
		t.Errorf("%q", r.counted)
	}
}

// kubectl debug, as a real kube-apiserver told of it. Without the volume there is
// nothing to mount.
func TestAnswersARealEphemeralContainer(t *testing.T) {
	r := newRig(Config{Accounts: lookup(annotated)})
	body := golden(t, "ephemeral.json")
	if response := r.review(t, body); !response.Allowed || response.Patch != nil {
		t.Errorf("a pod that was never mutated: %s", response.Patch)
	}
	body = strings.ReplaceAll(body, `"volumes":[`, `"volumes":[{"name":"aws-iam-token","projected":{"sources":[{"serviceAccountToken":{"audience":"sts.amazonaws.com","path":"token"}}]}},`)
	if response := r.review(t, body); !response.Allowed || !strings.Contains(string(response.Patch), "/spec/ephemeralContainers/0/env") {
		t.Errorf("%s", response.Patch)
	}
}

func TestDecisions(t *testing.T) {
	gone := func(string, string) (ServiceAccount, error) {
		return ServiceAccount{}, fmt.Errorf("x: %w", ErrNotFound)
	}
	down := func(string, string) (ServiceAccount, error) {
		return ServiceAccount{}, errors.New("dial 10.0.0.1: refused")
	}
	broken := func(string, string) (ServiceAccount, error) { panic("a fault") }
	nothing := func(string, string) (ServiceAccount, error) { return ServiceAccount{}, nil }
	fallbacks, _ := ParseFallbacks(`{"apps/web":{"RoleARN":"` + role + `2"},"*/web":{"RoleARN":"` + role + `3"}}`)
	identities, err := ParseIdentities([]byte(`{"identities":[{"namespace":"apps","serviceAccount":"web"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name                  string
		config                Config
		body                  string
		allowed               bool
		patch                 string // part of it; "" for none
		warning               string
		message, log, counted string
		events                int
	}{
		{name: "granted", config: Config{Accounts: lookup(annotated)}, allowed: true, patch: role, counted: "mutated", log: "level=INFO"},
		{name: "not granted", config: Config{Accounts: lookup(nothing)}, allowed: true, counted: "untouched"},
		{name: "a fallback", config: Config{Accounts: lookup(nothing), Fallbacks: func() *Fallbacks { return fallbacks }}, allowed: true, patch: role + "2", counted: "mutated"},
		{name: "annotations win over fallbacks", config: Config{Accounts: lookup(annotated), Fallbacks: func() *Fallbacks { return fallbacks }}, allowed: true, patch: role + `"`, counted: "mutated"},
		{name: "pod identity wins", config: Config{Accounts: lookup(annotated), Identities: func() *Identities { return identities }}, allowed: true, patch: "AWS_CONTAINER_CREDENTIALS_FULL_URI", counted: "mutated"},
		{name: "the service account is gone", config: Config{Accounts: lookup(gone), OnLookupFailure: Refuse}, allowed: true, warning: `"web" does not exist`, counted: "degraded:not_found", log: "level=WARN"},
		{name: "the API server does not answer", config: Config{Accounts: lookup(down)}, allowed: true, warning: "admitted without AWS credentials", counted: "degraded:lookup", log: "refused", events: 1},
		{name: "and it is to be refused", config: Config{Accounts: lookup(down), OnLookupFailure: Refuse}, message: "try again in a moment", counted: "refused:lookup", log: "refused"},
		{name: "a fault", config: Config{Accounts: lookup(broken)}, allowed: true, warning: "admitted without AWS credentials", counted: "degraded:internal", log: "level=ERROR", events: 1},
		{name: "a fault, to be refused", config: Config{Accounts: lookup(broken), OnLookupFailure: Refuse}, message: "try again", counted: "refused:internal", log: "level=ERROR"},
		{name: "a dry run", config: Config{Accounts: lookup(down)}, body: creation(`,"dryRun":true`), allowed: true, warning: "admitted without", counted: "degraded:lookup"},
		{name: "a role that cannot be given", config: Config{Accounts: lookup(func(string, string) (ServiceAccount, error) { return ServiceAccount{RoleARN: "a\nb"}, nil })},
			allowed: true, warning: "gets no credentials", counted: "degraded:unusable", log: "level=WARN"},
		{name: "no pod", config: Config{Accounts: lookup(annotated)}, body: strings.Replace(creation(""), `"spec"`, `"Spec"`, 1), allowed: true, warning: "admitted without", counted: "degraded:unreadable", events: 1},
		{name: "an update", config: Config{Accounts: lookup(annotated)}, body: strings.Replace(creation(""), "CREATE", "UPDATE", 1), allowed: true, counted: "untouched"},
		{name: "a subresource", config: Config{Accounts: lookup(annotated)}, body: creation(`,"subResource":"status"`), allowed: true, counted: "untouched"},
		{name: "not a pod", config: Config{Accounts: lookup(annotated)}, body: strings.Replace(creation(""), `"resource":"pods"`, `"resource":"podtemplates"`, 1), allowed: true, counted: "untouched"},
		{name: "a pod of another group", config: Config{Accounts: lookup(annotated)}, body: strings.Replace(creation(""), `"group":""`, `"group":"metrics.k8s.io"`, 1), allowed: true, counted: "untouched"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(tc.config)
			if tc.body == "" {
				tc.body = creation("")
			}
			response := r.review(t, tc.body)
			if response.Allowed != tc.allowed || response.UID != "u1" {
				t.Errorf("%+v", response)
			}
			if (response.Patch == nil) != (tc.patch == "") || !strings.Contains(string(response.Patch), tc.patch) {
				t.Errorf("patch %s", response.Patch)
			}
			warnings := strings.Join(response.Warnings, "\n")
			if (warnings == "") != (tc.warning == "") || !strings.Contains(warnings, tc.warning) {
				t.Errorf("warnings %q", warnings)
			}
			if response.Result != nil && (!strings.Contains(response.Result.Message, tc.message) || response.Result.Code != 503) || (response.Result == nil) != (tc.message == "") {
				t.Errorf("result %+v", response.Result)
			}
			if len(r.counted) != 1 || r.counted[0] != tc.counted || len(r.events) != tc.events {
				t.Errorf("counted %q, events %q", r.counted, r.events)
			}
			log := r.log.String()
			if !strings.Contains(log, tc.log) || strings.Contains(log, "hunter2") {
				t.Errorf("log %s", log)
			}
			// The cause names hosts, and is for the log only.
			if all := warnings + fmt.Sprint(response.Result) + strings.Join(r.events, ""); strings.Contains(all, "10.0.0.1") || strings.Contains(all, "goroutine") {
				t.Errorf("%s", all)
			}
		})
	}
}

func TestRefusesWhatIsNoReview(t *testing.T) {
	for name, tc := range map[string]struct {
		method, contentType, body string
		status                    int
	}{
		"a GET":              {"GET", "application/json", "", 405},
		"another type":       {"POST", "text/plain", creation(""), 415},
		"no type":            {"POST", "", creation(""), 415},
		"no JSON":            {"POST", "application/json", "{", 400},
		"two documents":      {"POST", "application/json", creation("") + creation(""), 400},
		"another kind":       {"POST", "application/json", strings.Replace(creation(""), `"AdmissionReview"`, `"TokenReview"`, 1), 400},
		"another version":    {"POST", "application/json", strings.Replace(creation(""), "k8s.io/v1", "k8s.io/v1beta1", 1), 400},
		"keys in other case": {"POST", "application/json", strings.Replace(creation(""), `"kind":`, `"Kind":`, 1), 400},
		"no uid":             {"POST", "application/json", strings.Replace(creation(""), `"u1"`, `""`, 1), 400},
		"no request":         {"POST", "application/json", `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`, 400},
		"too long":           {"POST", "application/json", creation(strings.Repeat(" ", maxBody)), 413},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(Config{Accounts: lookup(annotated)})
			req := httptest.NewRequest(tc.method, "/mutate", strings.NewReader(tc.body))
			if tc.contentType != "" {
				req.Header.Set("Content-Type", tc.contentType)
			}
			w := httptest.NewRecorder()
			r.ServeHTTP(w, req)
			if w.Code != tc.status || len(r.counted) != 1 || r.counted[0] != "failed:request" {
				t.Errorf("HTTP %d %s, counted %q", w.Code, w.Body, r.counted)
			}
			if strings.Contains(w.Body.String()+r.log.String(), "hunter2") {
				t.Errorf("parts of the pod are told: %s %s", w.Body, r.log)
			}
		})
	}
	r := newRig(Config{Accounts: lookup(annotated)})
	req := httptest.NewRequest("POST", "/mutate", strings.NewReader(creation("")))
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	w := httptest.NewRecorder()
	if r.ServeHTTP(w, req); w.Code != 200 {
		t.Errorf("with a charset: HTTP %d", w.Code)
	}
}

// The API server drops warnings beyond 4096 bytes in all.
func TestWarningsAreBounded(t *testing.T) {
	var containers []string
	for i := range 100 {
		containers = append(containers, fmt.Sprintf(`{"name":"c%d","env":[{"name":"AWS_ACCESS_KEY_ID","value":"x"}]}`, i))
	}
	body := strings.Replace(creation(""), `"containers":[`, `"containers":[`+strings.Join(containers, ",")+",", 1)
	response := newRig(Config{Accounts: lookup(annotated)}).review(t, body)
	if n := len(strings.Join(response.Warnings, "")); n == 0 || n > 4096 || len(response.Warnings) != maxWarnings {
		t.Errorf("%d warnings, %d bytes", len(response.Warnings), n)
	}
	if got := shorten(strings.Repeat("ä", 200)); len(got) > maxWarning || !strings.HasSuffix(got, "ä…") {
		t.Errorf("%q", got)
	}
}

func FuzzReview(f *testing.F) {
	for _, seed := range []string{creation(""), golden(f, "review.json"), golden(f, "ephemeral.json"), `{}`, `[]`, `null`} {
		f.Add([]byte(seed))
	}
	h := New(Config{Accounts: lookup(annotated)})
	f.Fuzz(func(t *testing.T, body []byte) {
		req := httptest.NewRequest(http.MethodPost, "/mutate", bytes.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code == 200 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s", w.Body)
		}
	})
}

func FuzzMutate(f *testing.F) {
	var sent struct {
		Request struct{ Object json.RawMessage }
	}
	if err := json.Unmarshal([]byte(golden(f, "review.json")), &sent); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(sent.Request.Object), role, "")
	f.Add([]byte(onePod), "$(X)", "60")
	f.Add([]byte(`{"metadata":{"labels":null},"spec":{"containers":[null,{"name":"a","env":null,"volumeMounts":[]}],"securityContext":null,"volumes":null}}`), "x", "é")
	f.Fuzz(func(t *testing.T, raw []byte, roleARN, expiration string) {
		if _, err := ParsePod(raw); err != nil {
			return
		}
		// Two keys that are the same have one meaning for each reader; the API
		// server sends none.
		var plain any
		if json.Unmarshal(raw, &plain) != nil {
			return
		}
		canonical, err := json.Marshal(plain)
		if err != nil {
			return
		}
		pod, err := ParsePod(canonical)
		if err != nil {
			return
		}
		for _, identity := range []bool{false, true} {
			g := Grant{ServiceAccount: ServiceAccount{RoleARN: roleARN, TokenExpiration: expiration}, PodIdentity: identity}
			s := Settings{FSGroup: 1}
			m := s.Mutate(pod, g)
			if m.Patch == nil {
				continue
			}
			patched, err := applyPatch(canonical, m.Patch)
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, canonical, m.Patch)
			}
			again, err := ParsePod(patched)
			if err != nil {
				t.Fatal(err)
			}
			if second := s.Mutate(again, g); second.Patch != nil {
				t.Errorf("a second time it adds %s", second.Patch)
			}
		}
	})
}
