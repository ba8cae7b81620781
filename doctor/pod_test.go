package doctor

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// healthyPod is a pod of apps/web as the webhook made it.
const healthyPod = `{"metadata":{"namespace":"apps","name":"web"},"spec":{"serviceAccountName":"web",
"containers":[{"name":"app","env":[{"name":"AWS_ROLE_ARN","value":"arn:aws:iam::111122223333:role/web"},{"name":"AWS_WEB_IDENTITY_TOKEN_FILE","value":"/var/run/secrets/eks.amazonaws.com/serviceaccount/token"}],
"volumeMounts":[{"name":"aws-iam-token","mountPath":"/var/run/secrets/eks.amazonaws.com/serviceaccount"}]}],
"volumes":[{"name":"aws-iam-token","projected":{"sources":[{"serviceAccountToken":{"audience":"sts.amazonaws.com","path":"token"}}]}}]}}`

func examinePod(t *testing.T, text string, breaks func(c cluster)) Report {
	t.Helper()
	d, c, _, _ := healthy(t)
	c.objects["pod apps/web"] = json.RawMessage(text)
	if breaks != nil {
		breaks(c)
	}
	return d.Pod(t.Context(), "apps", "web")
}

func said(r Report, id string) (all string) {
	for _, c := range r.Checks {
		if c.ID == id {
			all += string(c.Status) + ": " + c.Said + "\n"
		}
	}
	return all
}

func TestHealthyPods(t *testing.T) {
	t.Parallel()
	change := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(healthyPod) }
	const sidecar = `"containers":[{"name":"proxy"},{"name":"app"`
	for name, c := range map[string]struct{ pod, id, says string }{
		"as the webhook makes it": {healthyPod, "volume", "ok: the token is mounted"},
		"on Windows":              {change(`"/var/run/secrets/eks.amazonaws.com/serviceaccount/token"`, `"C:\\var\\run\\secrets\\eks.amazonaws.com\\serviceaccount\\token"`), "volume", "ok: the token is mounted"},
		"keys that are empty":     {change(`"env":[`, `"env":[{"name":"AWS_ACCESS_KEY_ID","value":""},{"name":"AWS_SECRET_ACCESS_KEY"},`), "variables", "ok: nothing in the containers wins"},
		"variables that are not read": {change(`"name":"app",`, `"name":"app","envFrom":[{"secretRef":{"name":"x"}}],`), "variables",
			"ok: nothing in the containers wins over the role, as far as can be seen: app takes variables from elsewhere (envFrom)"},
		"a sidecar of another webhook": {change(`"containers":[{"name":"app"`, sidecar), "mutation", "unknown: could not check whether all containers need the role, because another webhook added some after this one was asked: proxy lacks"},
		"a role from elsewhere":        {change(`"value":"arn:aws:iam::111122223333:role/web"`, `"valueFrom":{"fieldRef":{}}`), "variables", "unknown: could not check the role of container app, because AWS_ROLE_ARN is taken from elsewhere"},
	} {
		r := examinePod(t, c.pod, nil)
		if len(r.Causes()) > 0 || !strings.Contains(said(r, c.id), c.says) {
			t.Errorf("%s: %+v\nwant %s", name, r.Checks, c.says)
		}
	}
}

const agent = "http://169.254.170.23/v1/credentials"

// EKS Pod Identity needs no annotation, and wins over one.
func TestPodIdentity(t *testing.T) {
	t.Parallel()
	const pod = `{"metadata":{"namespace":"apps","name":"web"},"spec":{"serviceAccountName":"web","containers":[{"name":"app","env":[{"name":"AWS_CONTAINER_CREDENTIALS_FULL_URI","value":"` + agent + `"}]}]}}`
	for name, breaks := range map[string]func(c cluster){
		"annotated": func(c cluster) { c.tried.variable, c.tried.role = "AWS_CONTAINER_CREDENTIALS_FULL_URI", agent },
		"not annotated": func(c cluster) {
			c.tried.variable, c.tried.role = "AWS_CONTAINER_CREDENTIALS_FULL_URI", agent
			c.objects["serviceaccount apps/web"] = map[string]any{"metadata": map[string]any{}}
		},
	} {
		r := examinePod(t, pod, breaks)
		if len(r.Causes()) > 0 || !strings.Contains(said(r, "pod-identity"), "ok: ") {
			t.Errorf("%s: %+v", name, r.Checks)
		}
		d, c, a, _ := healthy(t)
		a.role = Role{} // IRSA does not matter
		breaks(c)
		if r := d.ServiceAccount(t.Context(), "apps", "web"); len(r.Causes()) > 0 || !strings.Contains(said(r, "pod-identity"), "EKS Pod Identity") {
			t.Errorf("%s: %+v", name, r.Checks)
		}
	}
	// A pod that was there before the association does not have its credentials.
	before := strings.Replace(pod, `,"env":[{"name":"AWS_CONTAINER_CREDENTIALS_FULL_URI","value":"`+agent+`"}]`, "", 1)
	causes := examinePod(t, before, func(c cluster) {
		c.tried.variable, c.tried.role = "AWS_CONTAINER_CREDENTIALS_FULL_URI", agent
		c.objects["serviceaccount apps/web"] = map[string]any{"metadata": map[string]any{}}
	}).Causes()
	if len(causes) != 1 || !strings.Contains(causes[0].Cause, "older than the Pod Identity association") || !strings.Contains(strings.Join(causes[0].Fix, ""), "kubectl replace --force") {
		t.Errorf("before the association: %+v", causes)
	}
	keys := strings.Replace(pod, `"env":[`, `"env":[{"name":"AWS_ACCESS_KEY_ID","value":"x"},`, 1)
	if causes := examinePod(t, keys, nil).Causes(); len(causes) != 1 || causes[0].ID != "variables" {
		t.Errorf("static keys win: %+v", causes)
	}
}

// Of several annotations that may have been meant the same one is proposed each time: that
// of EKS, misspelt, before another's.
func TestTheAnnotationThatWasMeant(t *testing.T) {
	t.Parallel()
	d, c, _, _ := healthy(t)
	c.objects["serviceaccount apps/web"] = map[string]any{"metadata": map[string]any{"annotations": map[string]string{
		"eks.amazonaws.com/rolearn": "arn:aws:iam::111122223333:role/meant", "audit.example.com/role": "arn:aws:iam::111122223333:role/audit", "iam.amazonaws.com/role": "arn:aws:iam::111122223333:role/old",
	}}}
	for range 20 {
		causes := d.ServiceAccount(t.Context(), "apps", "web").Causes()
		if len(causes) != 1 || !strings.Contains(strings.Join(causes[0].Fix, ""), "role/meant") || !strings.Contains(causes[0].Said, "; audit.example.com/role is not read; eks.amazonaws.com/rolearn is not read; ") {
			t.Fatalf("%+v", causes)
		}
	}
}

// A template that names the API server's token must not.
func TestTheOrdinaryToken(t *testing.T) {
	t.Parallel()
	const mount = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
	text := strings.NewReplacer(
		`"value":"`+mount+`/token"`, `"value":"/var/run/secrets/kubernetes.io/serviceaccount/token"`,
		`"volumeMounts":[`, `"volumeMounts":[{"name":"kube-api-access","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"},`,
		`"volumes":[`, `"volumes":[{"name":"kube-api-access","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{}}]}},`,
	).Replace(healthyPod)
	r := examinePod(t, text, nil)
	causes := r.Causes()
	if len(causes) != 1 || !strings.Contains(causes[0].Cause, "points the SDK at the service account's ordinary token") || !strings.Contains(strings.Join(causes[0].Fix, ""), `kubectl patch --local -o yaml -f "$saved" -p '{"spec":{"containers":[{"env":[{"$patch":"delete","name":"AWS_ROLE_ARN"},{"$patch":"delete","name":"AWS_WEB_IDENTITY_TOKEN_FILE"}],"name":"app"}]}}' > `) {
		t.Errorf("%+v", causes)
	}
	canBePasted(t, r)
}

// What a pod's manifest says against its role is taken out where it came from: out of the
// template, of the pod itself, or by hand where another makes it.
func TestWhatThePodSaysItself(t *testing.T) {
	t.Parallel()
	const bare = `{"metadata":{"namespace":"apps","name":"web"`
	owners := map[string]string{
		"deployment/web":  bare + `,"ownerReferences":[{"apiVersion":"apps/v1","controller":true,"kind":"ReplicaSet","name":"web-5d"}],"labels":{"pod-template-hash":"5d","LABEL":"true"}`,
		"statefulset/web": bare + `,"ownerReferences":[{"apiVersion":"apps/v1","controller":true,"kind":"StatefulSet","name":"web"}],"labels":{"LABEL":"true"}`,
		"a job":           bare + `,"ownerReferences":[{"apiVersion":"batch/v1","controller":true,"kind":"Job","name":"web"}],"labels":{"LABEL":"true"}`,
		"nobody":          bare + `,"labels":{"LABEL":"true"}`,
	}
	for name, c := range map[string]struct {
		label, annotations, env string
		template, local, hand   string // of the first line of the fix; NAME is the owner
	}{
		"keys": {"a", "", `{"name":"AWS_ACCESS_KEY_ID","value":"x"},{"name":"AWS_SECRET_ACCESS_KEY","valueFrom":{"secretKeyRef":{}}},{"name":"AWS_SESSION_TOKEN","value":"x"},`,
			`kubectl patch -n apps NAME -p '{"spec":{"template":{"spec":{"containers":[{"env":[{"$patch":"delete","name":"AWS_ACCESS_KEY_ID"},{"$patch":"delete","name":"AWS_SECRET_ACCESS_KEY"},{"$patch":"delete","name":"AWS_SESSION_TOKEN"}],"name":"app"}]}}}}'`,
			`kubectl patch --local -o yaml -f "$saved" -p '{"spec":{"containers":[{"env":[{"$patch":"delete","name":"AWS_ACCESS_KEY_ID"},{"$patch":"delete","name":"AWS_SECRET_ACCESS_KEY"},{"$patch":"delete","name":"AWS_SESSION_TOKEN"}],"name":"app"}]}}' > "$saved.new" &&`,
			"# take AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN out of the template of container app; then make the pod anew"},
		"skipped containers": {"a", `,"annotations":{"eks.amazonaws.com/skip-containers":"app"}`, "",
			`kubectl patch -n apps NAME -p '{"spec":{"template":{"metadata":{"annotations":{"eks.amazonaws.com/skip-containers":null}}}}}'`,
			`kubectl patch --local -o yaml -f "$saved" -p '{"metadata":{"annotations":{"eks.amazonaws.com/skip-containers":null}}}' > "$saved.new" &&`,
			"# the pod's template must have these annotations: no eks.amazonaws.com/skip-containers; then make the pod anew"},
		"a label": {"eks.amazonaws.com/skip-pod-identity-webhook", "", "",
			`kubectl patch -n apps NAME -p '{"spec":{"template":{"metadata":{"labels":{"eks.amazonaws.com/skip-pod-identity-webhook":null}}}}}'`,
			`kubectl patch --local -o yaml -f "$saved" -p '{"metadata":{"labels":{"eks.amazonaws.com/skip-pod-identity-webhook":null}}}' > "$saved.new" &&`,
			"# the pod's template must have these labels: no eks.amazonaws.com/skip-pod-identity-webhook; then make the pod anew"},
	} {
		for owner, metadata := range owners {
			text := strings.NewReplacer("LABEL", c.label, bare, bare+c.annotations).Replace(metadata) + `},"spec":{"serviceAccountName":"web","containers":[{"name":"app","env":[` + strings.TrimSuffix(c.env, ",") + `]}]}}`
			if c.env != "" {
				text = strings.NewReplacer(bare, strings.Replace(metadata, "LABEL", c.label, 1), `"env":[`, `"env":[`+c.env).Replace(healthyPod)
			}
			r := examinePod(t, text, func(cl cluster) {
				if name == "a label" {
					hook(cl)["objectSelector"] = selecting("eks.amazonaws.com/skip-pod-identity-webhook", "DoesNotExist")
				}
			})
			causes := r.Causes()
			want, at := strings.Replace(c.template, "NAME", owner, 1), 0
			switch owner {
			case "a job":
				want = c.hand
			case "nobody":
				want, at = c.local, 1
			}
			if len(causes) != 1 || len(causes[0].Fix) <= at || causes[0].Fix[at] != want {
				t.Errorf("%s of %s: %+v\nwant %s", name, owner, causes, want)
			}
			canBePasted(t, r)
		}
	}
}

// The labels that a registration wants are named, and given where they can be.
func TestLabelsThatTheWebhookWants(t *testing.T) {
	t.Parallel()
	const bare = `{"metadata":{"namespace":"apps","name":"web","labels":{"off":"1"}},"spec":{"serviceAccountName":"web","containers":[{"name":"app"}]}}`
	for name, c := range map[string]struct {
		namespace, pod map[string]any // selectors
		says           string
		fix            []string // beginnings of the lines that count
	}{
		"of the namespace": {selecting("irsa", "In", "on", "yes"), nil, "leaves out the namespace apps: its namespaceSelector wants irsa=on", []string{"kubectl label namespace apps --overwrite irsa=on", "saved="}},
		"none of a value":  {selecting("team", "NotIn", "navy"), nil, "wants no team", []string{"# if nothing else goes by these labels: kubectl label namespace apps --overwrite team-"}},
		"of its name":      {selecting("kubernetes.io/metadata.name", "NotIn", "apps"), nil, "wants no kubernetes.io/metadata.name", []string{"kubectl get mutatingwebhookconfigurations -o yaml # the namespace is left out by its name"}},
		"of the pod":       {nil, selecting("on", "Exists"), "leaves out a pod of these labels: its objectSelector wants on=true", []string{"saved=", `kubectl patch --local -o yaml -f "$saved" -p '{"metadata":{"labels":{"on":"true"}}}' > `}},
		"of one of two":    {selecting("irsa", "Exists"), nil, "its namespaceSelector wants irsa=true", []string{"kubectl label namespace apps --overwrite irsa=true"}},
		"of both":          {selecting("irsa", "Exists"), selecting("off", "DoesNotExist"), "its namespaceSelector wants irsa=true", []string{"kubectl label namespace apps --overwrite irsa=true", "saved=", `kubectl patch --local -o yaml -f "$saved" -p '{"metadata":{"labels":{"off":null}}}' > `}},
	} {
		r := examinePod(t, bare, func(cl cluster) {
			cl.objects["namespace /apps"] = map[string]any{"metadata": map[string]any{"labels": map[string]string{"team": "navy", "kubernetes.io/metadata.name": "apps"}}}
			hook(cl)["namespaceSelector"], hook(cl)["objectSelector"] = c.namespace, c.pod
			if name == "of one of two" { // the other is for critical pods
				critical := maps.Clone(hook(cl))
				critical["namespaceSelector"], critical["matchConditions"], critical["failurePolicy"] = nil, []map[string]string{{"name": "critical"}}, "Ignore"
				registration := cl.objects["mutatingwebhookconfigurations /pod-identity-webhook"].(map[string]any)
				registration["webhooks"] = append(registration["webhooks"].([]any), critical)
				cl.tried.variable = "NONE"
			}
		})
		causes := r.Causes()
		if len(causes) != 1 || !strings.Contains(causes[0].Cause, c.says) {
			t.Errorf("%s: %+v", name, causes)
			continue
		}
		for i, want := range c.fix {
			if len(causes[0].Fix) <= i || !strings.HasPrefix(causes[0].Fix[i], want) {
				t.Errorf("%s: %q\nwant %q", name, causes[0].Fix, want)
			}
		}
		canBePasted(t, r)
	}
}

func selecting(key, operator string, values ...string) map[string]any {
	return map[string]any{"matchExpressions": []map[string]any{{"key": key, "operator": operator, "values": values}}}
}

// A Deployment whose own template names a role is told so with the rollout.
func TestARoleOfTheTemplate(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(`{"metadata":{"namespace":"apps","name":"web"`, `{"metadata":{"namespace":"apps","name":"web-5d-x","labels":{"pod-template-hash":"5d"},"ownerReferences":[{"apiVersion":"apps/v1","controller":true,"kind":"ReplicaSet","name":"web-5d"}]`, "role/web", "role/old").Replace(healthyPod)
	causes := examinePod(t, text, nil).Causes()
	if len(causes) != 1 || !slices.Equal(causes[0].Fix, []string{`kubectl patch -n apps deployment/web -p '{"spec":{"template":{"spec":{"containers":[{"env":[{"$patch":"delete","name":"AWS_ROLE_ARN"}],"name":"app"}]}}}}'`, "kubectl rollout restart -n apps deployment/web"}) {
		t.Errorf("%+v", causes)
	}
}

func annotations(pairs ...string) map[string]any {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return map[string]any{"metadata": map[string]any{"annotations": m}}
}

// An annotation on the pod is seen, and moved to where it counts.
func TestAnAnnotationOnThePod(t *testing.T) {
	t.Parallel()
	text := `{"metadata":{"namespace":"apps","name":"web","annotations":{"eks.amazonaws.com/role-arn":"arn:aws:iam::111122223333:role/mine"}},"spec":{"serviceAccountName":"web","containers":[{"name":"app"}]}}`
	r := examinePod(t, text, func(c cluster) { c.objects["serviceaccount apps/web"] = annotations() })
	causes := r.Causes()
	if len(causes) != 1 || causes[0].Cause != "the annotation is on the pod; it counts on the service account only" || causes[0].Fix[0] != "kubectl annotate serviceaccount -n apps web --overwrite eks.amazonaws.com/role-arn=arn:aws:iam::111122223333:role/mine" {
		t.Errorf("%+v", causes)
	}
	canBePasted(t, r)
	r = examinePod(t, strings.Replace(text, `"serviceAccountName":"web",`, "", 1), func(c cluster) { c.objects["serviceaccount apps/default"] = annotations() })
	if causes := r.Causes(); len(causes) != 1 || !allComments(causes[0].Fix) {
		t.Errorf("of default: %+v", causes)
	}
}

func allComments(fix []string) bool {
	return len(fix) > 0 && !slices.ContainsFunc(fix, func(line string) bool { return !strings.HasPrefix(line, "# ") })
}

// A blank around the ARN is not carried on into what mends it.
func TestBlanksInTheAnnotation(t *testing.T) {
	t.Parallel()
	for _, value := range []string{roleARN + " ", " " + roleARN, roleARN + "\n"} {
		r := examinePod(t, healthyPod, func(c cluster) {
			c.objects["serviceaccount apps/web"] = annotations("eks.amazonaws.com/role-arn", value)
		})
		causes := r.Causes()
		if len(causes) == 0 || causes[0].ID != "annotation" || !strings.Contains(causes[0].Cause, "a blank") || causes[0].Fix[0] != "kubectl annotate serviceaccount -n apps web --overwrite eks.amazonaws.com/role-arn="+roleARN {
			t.Errorf("%q: %+v", value, causes)
		}
		canBePasted(t, r)
	}
}

// A role is proposed only if its trust policy names the service account, and then it is
// said that this is why. All else is a comment, that does nothing when it is pasted.
func TestTheRoleThatIsProposed(t *testing.T) {
	t.Parallel()
	sub := func(operator string, values ...string) string {
		return trust(allow(`"` + operator + `": {"` + issuerHost + `:sub": ["` + strings.Join(values, `","`) + `"]}`))
	}
	for _, c := range []struct {
		account, value, policy string
		proposed               bool
	}{
		{"web", "", sub("StringEquals", "system:serviceaccount:apps:web"), true},
		{"web", "", sub("StringLike", "system:serviceaccount:apps:api", "system:serviceaccount:apps:web"), true},
		{"web", "", sub("StringLike", "system:serviceaccount:apps:*"), false},
		{"web", "", sub("StringEquals", "system:serviceaccount:apps:api"), false},
		{"web", "", trust(allow(`"StringEquals": {"` + issuerHost + `:aud": "sts.amazonaws.com"}`)), false},
		{"web", "", trust(allow(`"StringNotEquals": {"` + issuerHost + `:sub": "system:serviceaccount:apps:api"}`)), false},
		{"web", "web", sub("StringEquals", "system:serviceaccount:apps:web"), true},
		{"web", "other", sub("StringEquals", "system:serviceaccount:apps:web"), false}, // it says another name
		{"default", "", sub("StringEquals", "system:serviceaccount:apps:default"), false},
		{"default", "", sub("StringLike", "system:serviceaccount:apps:*"), false},
	} {
		d, cl, a, _ := healthy(t)
		cl.tried.role = c.value
		a.role.TrustPolicy = c.policy
		cl.objects["serviceaccount apps/"+c.account] = annotations("eks.amazonaws.com/role-arn", c.value)
		r := d.ServiceAccount(t.Context(), "apps", c.account)
		causes := r.Causes()
		if len(causes) == 0 || causes[0].ID != "annotation" {
			t.Fatalf("%+v: %+v", c, r.Checks)
		}
		fix := causes[0].Fix
		if c.proposed && (len(fix) != 2 || !strings.Contains(fix[0], "# "+roleARN+": its trust policy lets this service account in") || !strings.HasSuffix(fix[1], "="+roleARN)) || !c.proposed && !allComments(fix) {
			t.Errorf("%+v: %q", c, fix)
		}
		canBePasted(t, r)
	}
}

// What differs in case alone is called so.
func TestARoleInAnotherCase(t *testing.T) {
	t.Parallel()
	d, c, _, _ := healthy(t)
	c.objects["serviceaccount apps/web"] = annotations("eks.amazonaws.com/role-arn", "arn:aws:iam::111122223333:role/Web")
	causes := d.ServiceAccount(t.Context(), "apps", "web").Causes()
	if len(causes) != 1 || !strings.Contains(causes[0].Cause, "in another case") || !strings.HasSuffix(causes[0].Fix[0], "="+roleARN) {
		t.Errorf("%+v", causes)
	}
}

// A webhook with --account-id makes an ARN of a name: where that is seen it is no
// mistake, and the chain goes on with the ARN.
func TestARoleByItsName(t *testing.T) {
	t.Parallel()
	const made = "ok: annotated with \"web\", of which the webhook makes " + roleARN
	without := strings.Replace(healthyPod, `{"name":"AWS_ROLE_ARN","value":"`+roleARN+`"},`, "", 1)
	byName := strings.Replace(healthyPod, roleARN, "web", 1)
	for name, c := range map[string]struct {
		pod    string
		tried  tried
		status Status // of the annotation
	}{
		"a new pod has the ARN":       {healthyPod, tried{}, OK},
		"only the pod has it":         {healthyPod, tried{says: "pods is forbidden", as: "forbidden"}, OK},
		"nobody knows":                {without, tried{says: "pods is forbidden", as: "forbidden"}, Bad},
		"a webhook without account":   {byName, tried{role: "web"}, Bad},
		"an ARN of another name":      {healthyPod, tried{role: roleARN + "2"}, Bad},
		"a new pod would not have it": {healthyPod, tried{role: "web"}, Bad},
	} {
		r := examinePod(t, c.pod, func(cl cluster) {
			*cl.tried = c.tried
			cl.objects["serviceaccount apps/web"] = annotations("eks.amazonaws.com/role-arn", "web")
		})
		if got := said(r, "annotation"); c.status == OK && (strings.TrimSpace(got) != made || len(r.Causes()) > 0 || !strings.HasPrefix(said(r, "sts"), "ok: ")) || c.status == Bad && !strings.HasPrefix(got, "bad: ") {
			t.Errorf("%s: %+v", name, r.Checks)
		}
		canBePasted(t, r)
	}
	d, c, a, _ := healthy(t)
	c.objects["serviceaccount apps/web"] = annotations("eks.amazonaws.com/role-arn", "web")
	if r := d.ServiceAccount(t.Context(), "apps", "web"); len(r.Causes()) > 0 || strings.TrimSpace(said(r, "annotation")) != made || !strings.HasPrefix(said(r, "role"), "ok: ") {
		t.Errorf("%+v", r.Checks)
	}
	a.role.TrustPolicy = strings.Replace(a.role.TrustPolicy, "apps:web", "apps:api", 1)
	if causes := d.ServiceAccount(t.Context(), "apps", "web").Causes(); len(causes) != 1 || causes[0].ID != "trust-policy" {
		t.Errorf("%+v", causes)
	}
}

// Several containers with another role are one cause: what mends one mends all.
func TestSeveralContainersWithAnotherRole(t *testing.T) {
	t.Parallel()
	const app = `{"name":"app","env":[{"name":"AWS_ROLE_ARN","value":"billing"},{"name":"AWS_WEB_IDENTITY_TOKEN_FILE","value":"/var/run/secrets/eks.amazonaws.com/serviceaccount/token"}],"volumeMounts":[{"name":"aws-iam-token","mountPath":"/var/run/secrets/eks.amazonaws.com/serviceaccount"}]}`
	text := strings.NewReplacer(`"containers":[`, `"containers":[`+app+`,`+strings.NewReplacer(`"app"`, `"second"`, "billing", "other").Replace(app)+`,`, `"name":"app"`, `"name":"third"`).Replace(healthyPod)
	causes := examinePod(t, text, nil).Causes()
	if len(causes) != 1 || causes[0].Said != "container app has the role billing" || !strings.Contains(strings.Join(causes[0].Fix, ""), `"*billing"*$`) || !strings.Contains(strings.Join(causes[0].Fix, ""), `"*other"*$`) {
		t.Errorf("%+v", causes)
	}
}
