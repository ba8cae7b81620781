package guard

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/logtest"
)

// review is an AdmissionReview of an edit of aws-auth, as kube-apiserver sends it.
func review(operation, before, after string, change func(request map[string]any)) string {
	object := func(text string) any {
		if text == "" {
			return nil
		}
		return map[string]any{
			"kind": "ConfigMap", "apiVersion": "v1", "metadata": map[string]any{"name": "aws-auth", "namespace": "kube-system"},
			"data": map[string]string{"mapRoles": text},
		}
	}
	request := map[string]any{
		"uid": "0a1b", "kind": map[string]string{"group": "", "version": "v1", "kind": "ConfigMap"},
		"resource": map[string]string{"group": "", "version": "v1", "resource": "configmaps"}, "requestKind": nil,
		"namespace": "kube-system", "name": "aws-auth", "operation": operation, "dryRun": false,
		"userInfo": map[string]any{"username": "somebody", "groups": []string{"system:authenticated"}},
		"object":   object(after), "oldObject": object(before),
	}
	if change != nil {
		change(request)
	}
	text, err := json.Marshal(map[string]any{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// cluster has nodes, and nothing else, unless it says otherwise.
type cluster struct {
	nodes  func() (bool, error)
	data   map[string]string
	custom []awsauth.IdentityMapping
	err    error // of all but nodes
}

func (c cluster) NodesExist(context.Context) (bool, error) {
	if c.nodes == nil {
		return true, nil
	}
	return c.nodes()
}
func (c cluster) ConfigMap(context.Context) (map[string]string, error) { return c.data, c.err }
func (c cluster) IdentityMappings(context.Context) ([]awsauth.IdentityMapping, error) {
	return c.custom, c.err
}

type reply struct {
	Kind, APIVersion string
	Response         struct {
		UID     string
		Allowed bool
		Status  struct {
			Code            int
			Reason, Message string
		}
		Warnings         []string
		AuditAnnotations map[string]string
	}
}

func post(t *testing.T, h http.Handler, body string) (int, reply) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var got reply
	if w.Code == 200 {
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Kind != kind || got.APIVersion != apiVersion || got.Response.UID != "0a1b" {
			t.Fatalf("%v: %s", err, w.Body)
		}
	}
	return w.Code, got
}

func annotate(which, value string) func(map[string]any) {
	return func(request map[string]any) {
		request[which].(map[string]any)["metadata"].(map[string]any)["annotations"] = map[string]string{Override: value}
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	signedIn := func(request map[string]any) {
		request["userInfo"] = map[string]any{"username": "dev", "extra": map[string][]string{
			"arn": {"arn:aws:sts::111122223333:assumed-role/dev/ada"}, "principalId": {"AROADEV"}, "accessKeyId": {"ASIAEXAMPLE"},
		}}
	}
	both := func(list ...func(map[string]any)) func(map[string]any) {
		return func(request map[string]any) {
			for _, f := range list {
				f(request)
			}
		}
	}
	elsewhere := func(key, value string) func(map[string]any) {
		return func(request map[string]any) { request[key] = value }
	}
	for name, c := range map[string]struct {
		body    string
		outcome Outcome
		want    string // in the refusal, or in the warnings
	}{
		"good":                     {review("UPDATE", admin, admin+dev, nil), Allowed, ""},
		"created":                  {review("CREATE", "", all, nil), Allowed, ""},
		"bad":                      {review("UPDATE", admin, dev, nil), Refused, "nobody would be left in system:masters"},
		"deleted":                  {review("DELETE", admin, "", nil), Refused, "nobody would be left in system:masters"},
		"deleted with others":      {review("DELETE", admin, "", func(request map[string]any) { request["name"] = "" }), Refused, "nobody would be left in system:masters"},
		"says the way past":        {review("UPDATE", admin, dev, nil), Refused, "set the annotation eksauth.dev/override-guard to the reason why, in the same edit"},
		"nodes":                    {review("UPDATE", node, dev, nil), Refused, "could not sign in any more, and the cluster has nodes"},
		"oneself":                  {review("UPDATE", admin+dev, admin, signedIn), Refused, "the edit would lock you out"},
		"overridden":               {review("UPDATE", admin, dev, annotate("object", "ticket 1")), Overridden, "the guard was overridden: mapRoles: nobody"},
		"not overridden":           {review("UPDATE", admin, dev, annotate("object", " ")), Refused, "nobody"},
		"overridden before":        {review("UPDATE", admin, dev, both(annotate("object", "ticket 1"), annotate("oldObject", "ticket 1"))), Refused, "nobody"},
		"overridden again":         {review("UPDATE", admin, dev, both(annotate("object", "ticket 2"), annotate("oldObject", "ticket 1"))), Overridden, "nobody"},
		"annotation taken out":     {review("UPDATE", admin, dev, annotate("oldObject", "ticket 1")), Refused, "nobody"},
		"deleted all the same":     {review("DELETE", admin, "", annotate("oldObject", "ticket 1")), Overridden, "nobody"},
		"an exception for nothing": {review("UPDATE", admin, admin, annotate("object", "x")), Allowed, ""},
		"another ConfigMap":        {review("UPDATE", admin, "{", elsewhere("name", "other")), Unrelated, ""},
		"another namespace":        {review("UPDATE", admin, "{", elsewhere("namespace", "default")), Unrelated, ""},
		"a subresource":            {review("UPDATE", admin, "{", elsewhere("subResource", "status")), Unrelated, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var outcome Outcome
			h := New(Config{Cluster: cluster{}, Reviewed: func(o Outcome, _ time.Duration) { outcome = o }})
			status, got := post(t, h, c.body)
			r := got.Response
			text := r.Status.Message + strings.Join(r.Warnings, "\n")
			if status != 200 || outcome != c.outcome || r.Allowed != (c.outcome != Refused) || !strings.Contains(text, c.want) || c.want == "" && text != "" {
				t.Errorf("HTTP %d, %s, %+v; want %s, %q", status, outcome, r, c.outcome, c.want)
			}
			if !r.Allowed && (r.Status.Code != 403 || r.Status.Reason != "Forbidden") {
				t.Errorf("%+v", r.Status)
			}
			if (r.AuditAnnotations["override"] != "") != (c.outcome == Overridden) {
				t.Errorf("%+v", r.AuditAnnotations)
			}
		})
	}
}

// customReview is an edit of the custom resource "one".
func customReview(operation, before, after string, change func(request map[string]any)) string {
	object := func(arn string) any {
		if arn == "" {
			return nil
		}
		return map[string]any{
			"metadata": map[string]any{"name": "one", "creationTimestamp": "2026-01-02T03:04:05Z"},
			"spec":     map[string]any{"arn": arn, "username": "one", "groups": []string{"system:masters"}},
		}
	}
	return review(operation, "x", "x", func(request map[string]any) {
		request["resource"] = map[string]string{"group": "iamauthenticator.k8s.aws", "version": "v1alpha1", "resource": "iamidentitymappings"}
		request["namespace"], request["name"] = "", "one"
		request["oldObject"], request["object"] = object(before), object(after)
		if change != nil {
			change(request)
		}
	})
}

func TestHandlerOfCustomResources(t *testing.T) {
	t.Parallel()
	const one, two = "arn:aws:iam::111122223333:role/one", "arn:aws:iam::111122223333:role/two"
	mapping := func(name, arn string, day int) awsauth.IdentityMapping {
		return awsauth.IdentityMapping{Name: name, Created: time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC), ARN: arn, Username: name, Groups: []string{"system:masters"}}
	}
	signedIn := func(request map[string]any) {
		request["userInfo"] = map[string]any{"username": "one", "extra": map[string][]string{"arn": {"arn:aws:sts::111122223333:assumed-role/one/ada"}}}
	}
	for name, c := range map[string]struct {
		cluster cluster
		body    string
		outcome Outcome
		want    string
	}{
		"created":                     {cluster{}, customReview("CREATE", "", one, nil), Allowed, ""},
		"malformed":                   {cluster{}, customReview("CREATE", "", "nonsense", nil), Refused, `one: "nonsense" does not begin with "arn:"`},
		"shadowed":                    {cluster{custom: []awsauth.IdentityMapping{mapping("old", one, 1)}}, customReview("CREATE", "", one, nil), Refused, "one: the entry is never used: CRD old comes first"},
		"shadows another":             {cluster{custom: []awsauth.IdentityMapping{mapping("new", two, 3), mapping("one", one, 2)}}, customReview("UPDATE", one, two, nil), Refused, "new: the entry is never used: CRD one comes first"},
		"the last administrator":      {cluster{custom: []awsauth.IdentityMapping{mapping("one", one, 1)}}, customReview("DELETE", one, "", nil), Refused, "nobody would be left in system:masters"},
		"not the last":                {cluster{custom: []awsauth.IdentityMapping{mapping("one", one, 1), mapping("two", two, 1)}}, customReview("DELETE", one, "", nil), Allowed, ""},
		"another is in aws-auth":      {cluster{data: map[string]string{"mapRoles": admin}}, customReview("DELETE", one, "", nil), Allowed, ""},
		"the others are not known":    {cluster{err: errors.New("forbidden")}, customReview("DELETE", one, "", nil), Refused, "nobody would be left"},
		"oneself":                     {cluster{custom: []awsauth.IdentityMapping{mapping("two", two, 1)}}, customReview("DELETE", one, "", signedIn), Refused, "the edit would lock you out"},
		"oneself, and aws-auth knows": {cluster{data: map[string]string{"mapRoles": strings.Replace(admin, "role/admin", "role/one", 1)}}, customReview("DELETE", one, "", signedIn), Allowed, ""},
		"its status":                  {cluster{}, customReview("UPDATE", one, "nonsense", func(r map[string]any) { r["subResource"] = "status" }), Unrelated, ""},
		"aws-auth, and here is one":   {cluster{custom: []awsauth.IdentityMapping{mapping("two", two, 1)}}, review("UPDATE", admin, dev, nil), Allowed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var outcome Outcome
			status, got := post(t, New(Config{Cluster: c.cluster, Reviewed: func(o Outcome, _ time.Duration) { outcome = o }}), c.body)
			text := got.Response.Status.Message + strings.Join(got.Response.Warnings, "\n")
			if status != 200 || outcome != c.outcome || !strings.Contains(text, c.want) || c.want == "" && text != "" {
				t.Errorf("HTTP %d, %s, %q; want %s, %q", status, outcome, text, c.outcome, c.want)
			}
		})
	}
}

// What is no decision is an HTTP error, which failurePolicy is about.
func TestHandlerFails(t *testing.T) {
	t.Parallel()
	h := New(Config{Cluster: cluster{}})
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"empty":          {"", 400},
		"not JSON":       {"{", 400},
		"another kind":   {strings.Replace(review("UPDATE", admin, dev, nil), `"AdmissionReview"`, `"TokenReview"`, 1), 400},
		"another API":    {strings.Replace(review("UPDATE", admin, dev, nil), `admission.k8s.io/v1`, `admission.k8s.io/v1beta1`, 1), 400},
		"no request":     {`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`, 400},
		"no object":      {review("UPDATE", "", "", nil), 400},
		"data of no map": {strings.Replace(review("UPDATE", admin, dev, nil), `"data":{`, `"data":[{`, 1), 400},
		"too long":       {strings.Repeat(" ", maxBody+1), 413},
	} {
		if status, _ := post(t, h, c.body); status != c.want {
			t.Errorf("%s: HTTP %d, want %d", name, status, c.want)
		}
	}
	for method, want := range map[string]int{http.MethodGet: 405, http.MethodPost: 415} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/", strings.NewReader("{}")))
		if w.Code != want {
			t.Errorf("%s without a Content-Type: HTTP %d, want %d", method, w.Code, want)
		}
	}
	log := &logtest.Buffer{}
	broken := New(Config{Log: slog.New(slog.NewTextHandler(log, nil)), Cluster: cluster{nodes: func() (bool, error) { panic("boom") }}})
	if status, _ := post(t, broken, review("UPDATE", admin, dev, nil)); status != 500 || !strings.Contains(log.String(), "boom") {
		t.Errorf("a panic: HTTP %d\n%s", status, log)
	}
}

// Not to know whether there are nodes is as if there were.
func TestHandlerWithoutKnowingOfNodes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		exist bool
		err   error
		want  bool
	}{"nodes": {true, nil, false}, "none": {false, nil, true}, "nobody knows": {false, errors.New("forbidden"), false}} {
		log := &logtest.Buffer{}
		h := New(Config{Log: slog.New(slog.NewTextHandler(log, nil)), Cluster: cluster{nodes: func() (bool, error) { return c.exist, c.err }}})
		if _, got := post(t, h, review("UPDATE", node+dev, dev, nil)); got.Response.Allowed != c.want {
			t.Errorf("%s: %+v", name, got)
		}
		if c.err != nil && !strings.Contains(log.String(), "not all could be found out") {
			t.Errorf("%s: %s", name, log)
		}
	}
}

func TestHandlerLogsWhoseEdit(t *testing.T) {
	t.Parallel()
	log := &logtest.Buffer{}
	h := New(Config{Cluster: cluster{}, Log: slog.New(slog.NewTextHandler(log, nil))})
	post(t, h, review("UPDATE", admin, admin+dev, nil))
	if log.String() != "" {
		t.Errorf("a good edit: %s", log)
	}
	post(t, h, review("UPDATE", admin, dev, annotate("object", "ticket 1")))
	for _, want := range []string{"outcome=overridden", "by=somebody", "object=kube-system/aws-auth", `override="ticket 1"`, `problem="mapRoles: nobody`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, log)
		}
	}
}

// Answers stay within what the API server takes, whatever the edit.
func FuzzHandler(f *testing.F) {
	f.Add(review("UPDATE", all, dev, nil))
	f.Add(review("DELETE", all, "", annotate("oldObject", "x")))
	f.Add(review("UPDATE", dev, strings.Repeat("- rolearn: x\n", 50), nil))
	f.Add(review("CREATE", "", strings.Repeat(dev, 50), nil))
	f.Add(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"0a1b","object":{"data":null}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		New(Config{Cluster: cluster{}}).ServeHTTP(w, r)
		if w.Code == 500 || w.Code != 200 && w.Code != 400 {
			t.Fatalf("HTTP %d %s", w.Code, w.Body)
		}
		if w.Code != 200 {
			return
		}
		var got reply
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.Response.Allowed != (got.Response.Status.Message == "") || len(got.Response.Warnings) > maxWarnings {
			t.Fatalf("%+v", got)
		}
		for _, warning := range got.Response.Warnings {
			if len(warning) > maxWarning {
				t.Fatalf("a warning of %d bytes", len(warning))
			}
		}
	})
}
