package doctor

import (
	"slices"
	"strings"
	"testing"
)

// What would change is enough for all that a selector asks of a label, and one change.
func TestLabelsThatAreAskedForTwice(t *testing.T) {
	t.Parallel()
	type requirements = []requirement
	for name, c := range map[string]struct {
		labels map[string]string
		asks   requirements
		want   []string
	}{
		"In and Exists":      {nil, requirements{{"irsa", "In", []string{"on"}}, {"irsa", "Exists", nil}}, []string{"irsa=on"}},
		"In and NotIn":       {map[string]string{"irsa": "off"}, requirements{{"irsa", "In", []string{"on"}}, {"irsa", "NotIn", []string{"off"}}}, []string{"irsa=on"}},
		"the first is NotIn": {nil, requirements{{"irsa", "In", []string{"a", "b"}}, {"irsa", "NotIn", []string{"a"}}}, []string{"irsa=b"}},
		"Exists, not true":   {nil, requirements{{"irsa", "Exists", nil}, {"irsa", "NotIn", []string{"true"}}}, []string{"irsa=on"}},
		"two In":             {nil, requirements{{"irsa", "In", []string{"a", "b"}}, {"irsa", "In", []string{"b", "c"}}}, []string{"irsa=b"}},
		"none of a value":    {map[string]string{"irsa": "off"}, requirements{{"irsa", "NotIn", []string{"off"}}}, []string{"irsa-"}},
		"no values":          {nil, requirements{{"irsa", "In", nil}}, []string{"irsa-"}}, // for nothing at all
	} {
		if got := (selector{MatchExpressions: c.asks}).wants(c.labels); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Of two registrations the one is named that a label is enough for.
func TestTheNearestRegistration(t *testing.T) {
	t.Parallel()
	d, c, _, _ := healthy(t)
	another(c, selecting("irsa", "Exists"))
	hook(c)["namespaceSelector"] = selecting("kubernetes.io/metadata.name", "In", "other")
	causes := d.ServiceAccount(t.Context(), "apps", "web").Causes()
	if len(causes) != 1 || !slices.Equal(causes[0].Fix, []string{"kubectl label namespace apps --overwrite irsa=true"}) {
		t.Errorf("%+v", causes)
	}
}

// A webhook of this namespace that fails open is not taken for one that is missing: no
// namespace is moved to another revision by a label that it has.
func TestAnotherRevision(t *testing.T) {
	t.Parallel()
	d, c, _, _ := healthy(t)
	c.objects["namespace /apps"] = map[string]any{"metadata": map[string]any{"labels": map[string]string{"rev": "a"}}}
	hook(c)["failurePolicy"], hook(c)["matchConditions"] = "Ignore", []map[string]string{{"name": "x"}}
	another(c, selecting("rev", "In", "b"))
	hook(c)["namespaceSelector"] = selecting("rev", "In", "a")
	c.tried.variable = "NONE"
	causes := d.ServiceAccount(t.Context(), "apps", "web").Causes()
	if len(causes) != 1 || strings.Contains(strings.Join(causes[0].Fix, ""), "rev=b") || !strings.Contains(causes[0].Cause, "does not answer") {
		t.Errorf("%+v", causes)
	}
}

// A label that others go by is not taken out of a pod: Services find it by that.
func TestLabelsOfOthers(t *testing.T) {
	t.Parallel()
	const text = `{"metadata":{"namespace":"apps","name":"web","labels":{"app":"web"}},"spec":{"serviceAccountName":"web","containers":[{"name":"app"}]}}`
	r := examinePod(t, text, func(c cluster) { hook(c)["objectSelector"] = selecting("app", "NotIn", "web") })
	if causes := r.Causes(); len(causes) != 1 || !allComments(causes[0].Fix) {
		t.Errorf("%+v", causes)
	}
}

const ofDeployment = `{"metadata":{"namespace":"apps","name":"web-5d-x","labels":{"pod-template-hash":"5d"},"ownerReferences":[{"apiVersion":"apps/v1","controller":true,"kind":"ReplicaSet","name":"web-5d"}]`

// A container that is skipped keeps a role of its own, and so does one that takes it from
// elsewhere, whether the service account is annotated or not.
func TestRolesThatAreNotTouched(t *testing.T) {
	t.Parallel()
	const (
		bare    = `{"metadata":{"namespace":"apps","name":"web"`
		skip    = `,"annotations":{"eks.amazonaws.com/skip-containers":"own"}`
		own     = `"containers":[{"name":"own","env":[{"name":"AWS_ROLE_ARN","value":"arn:aws:iam::111122223333:role/own"}]},`
		literal = `"value":"arn:aws:iam::111122223333:role/web"`
	)
	misspelt := func(c cluster) {
		c.objects["serviceaccount apps/web"] = annotations("eks.amazonaws.com/rolearn", roleARN)
	}
	for name, c := range map[string]struct {
		pod    string
		breaks func(cluster)
		never  string
	}{
		"skipped, of a template":      {strings.NewReplacer(bare, ofDeployment+skip, "role/web", "role/old", `"containers":[`, own).Replace(healthyPod), nil, `"own"`},
		"skipped, without annotation": {strings.NewReplacer(bare, bare+skip, `"containers":[`, own).Replace(healthyPod), misspelt, "role/own"},
		"from elsewhere":              {strings.NewReplacer(bare, ofDeployment, literal, `"valueFrom":{"configMapKeyRef":{}}`).Replace(healthyPod), misspelt, "AWS_ROLE_ARN"},
	} {
		causes := examinePod(t, c.pod, c.breaks).Causes()
		if len(causes) == 0 || strings.Contains(strings.Join(causes[0].Fix, "\n"), c.never) {
			t.Errorf("%s: %+v", name, causes)
		}
	}
}

// What is wrong with the token files of several containers is mended at once.
func TestTokenFilesOfSeveralContainers(t *testing.T) {
	t.Parallel()
	const env = `"env":[{"name":"AWS_ROLE_ARN","value":"` + roleARN + `"},{"name":"AWS_WEB_IDENTITY_TOKEN_FILE","value":"/nowhere/token"}]`
	r := examinePod(t, `{"metadata":{"namespace":"apps","name":"web"},"spec":{"serviceAccountName":"web","containers":[{"name":"one",`+env+`},{"name":"two",`+env+`}]}}`, nil)
	fix := ""
	for _, cause := range r.Causes() {
		if cause.ID == "volume" {
			fix += strings.Join(cause.Fix, "\n")
		}
	}
	if strings.Count(fix, `"name":"one"`) != 1 || strings.Count(fix, `"name":"two"`) != 1 {
		t.Errorf("%q of %+v", fix, r.Checks)
	}
}

// Whatever has nothing in it where something is expected crashes nothing.
func TestNothingWhereSomethingIsExpected(t *testing.T) {
	t.Parallel()
	empty := map[string]any{"name": "pod-identity-webhook", "namespaceSelector": nil, "objectSelector": map[string]any{"matchLabels": nil, "matchExpressions": []any{nil, map[string]any{"key": "a", "operator": "In", "values": nil}}}}
	for _, hooks := range []any{nil, []any{nil}, []any{empty}} {
		examinePod(t, `{"metadata":{"namespace":"apps","name":"web","labels":null,"ownerReferences":null},"spec":{"serviceAccountName":"web","containers":[null,{"name":"app","env":[null],"envFrom":null}],"volumes":[null]}}`, func(c cluster) {
			c.objects["mutatingwebhookconfigurations /pod-identity-webhook"] = map[string]any{"metadata": map[string]any{"name": "pod-identity-webhook"}, "webhooks": hooks}
		})
		d, c, _, _ := healthy(t)
		c.objects["mutatingwebhookconfigurations /pod-identity-webhook"] = map[string]any{"webhooks": hooks}
		spaces(c, map[string]map[string]string{"apps": nil}, "web")
		d.Everything(t.Context())
	}
}
