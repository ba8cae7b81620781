package doctor

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/oidc"
)

var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// cluster is objects by resource, namespace and name; a missing one is not found.
type cluster struct {
	objects map[string]any
	err     error // of everything
	issuer  *oidc.Issuer
	tried   *tried // of TryPod; nil for a webhook that does its work
}

// tried is how the API server admits a pod.
type tried struct {
	says string // a refusal
	as   string // ... of this kind
	role string // what it gets
	// variable that has it; "" for AWS_ROLE_ARN
	variable string
}

func (c cluster) TryPod(_ context.Context, namespace string, p []byte) ([]byte, error) {
	t := tried{role: roleARN}
	if c.tried != nil && *c.tried != (tried{}) {
		t = *c.tried
	}
	var asked pod
	if err := json.Unmarshal(p, &asked); err != nil || asked.Metadata.Namespace != namespace {
		return nil, fmt.Errorf("%s in %s: %w", p, namespace, err)
	}
	if t.as == "forbidden" {
		return nil, fmt.Errorf("%w: %s", ErrForbidden, t.says)
	}
	if t.says != "" {
		return nil, errors.New(t.says)
	}
	if t.role != "none" {
		asked.Spec.Containers[0].Env = append(asked.Spec.Containers[0].Env, struct {
			Name      string    `json:"name"`
			Value     string    `json:"value"`
			ValueFrom *struct{} `json:"valueFrom"`
		}{Name: cmp.Or(t.variable, "AWS_ROLE_ARN"), Value: t.role})
	}
	return json.Marshal(asked)
}

func (c cluster) Get(_ context.Context, resource, namespace, name string) ([]byte, error) {
	o, ok := c.objects[resource+" "+namespace+"/"+name]
	switch {
	case c.err != nil:
		return nil, c.err
	case !ok:
		return nil, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	return json.Marshal(o)
}

func (c cluster) List(_ context.Context, resource, namespace string) ([]byte, error) {
	items := []any{}
	for key, o := range c.objects {
		if strings.HasPrefix(key, resource+" "+namespace+"/") {
			items = append(items, o)
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	return json.Marshal(map[string]any{"items": items})
}

func (c cluster) Token(_ context.Context, namespace, account, audience string) (string, error) {
	if c.err != nil {
		return "", c.err
	}
	return c.issuer.Mint(oidc.TokenRequest{
		ServiceAccount: oidc.ServiceAccount{Namespace: namespace, Object: oidc.Object{Name: account}}, Audiences: []string{audience}, Lifetime: time.Hour,
	})
}

// account is an IAM with one role and one provider, and an STS that believes it.
type account struct {
	role     Role
	provider Provider
	err      error // of IAM
	says     error // of STS
}

func (a account) Role(context.Context, string) (Role, error) {
	if a.err == nil && a.role.ARN == "" {
		return Role{}, ErrNotFound
	}
	return a.role, a.err
}
func (a account) Roles(context.Context) ([]Role, error) { return []Role{a.role}, a.err }
func (a account) Provider(context.Context, string) (Provider, error) {
	if a.err == nil && a.provider.URL == "" {
		return Provider{}, ErrNotFound
	}
	return a.provider, a.err
}
func (a account) Account(context.Context) (string, error)      { return "111122223333", nil }
func (a account) Assume(context.Context, string, string) error { return a.says }

type keys struct {
	ids []string
	err error
}

func (k keys) PublishedKeys(context.Context, string) ([]string, error) { return k.ids, k.err }

func bundle(t *testing.T, from, to time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: to, IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

const roleARN = "arn:aws:iam::111122223333:role/web"

// healthy is a service account for which all is well.
func healthy(t *testing.T) (*Doctor, cluster, *account, *keys) {
	t.Helper()
	key, err := oidc.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	set, err := oidc.NewKeySet(key)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := oidc.NewIssuer("https://issuer.example.com/dev", set)
	if err != nil {
		t.Fatal(err)
	}
	c := cluster{issuer: issuer, tried: &tried{}, objects: map[string]any{
		"serviceaccount apps/web": map[string]any{"metadata": map[string]any{"name": "web", "annotations": map[string]string{"eks.amazonaws.com/role-arn": roleARN}}},
		"namespace /apps":         map[string]any{"metadata": map[string]any{"labels": map[string]string{"kubernetes.io/metadata.name": "apps"}}},
		"mutatingwebhookconfigurations /pod-identity-webhook": map[string]any{
			"metadata": map[string]any{"name": "pod-identity-webhook"},
			"webhooks": []any{map[string]any{"name": "x", "clientConfig": map[string]any{
				"caBundle": bundle(t, now.Add(-time.Hour), now.Add(time.Hour)), "service": map[string]string{"namespace": "eks", "name": "hook"},
			}}},
		},
		"endpointslices eks/hook-1": map[string]any{
			"metadata":  map[string]any{"labels": map[string]string{"kubernetes.io/service-name": "hook"}},
			"endpoints": []any{map[string]any{"addresses": []string{"10.0.0.1"}}},
		},
	}}
	provider := "arn:aws:iam::111122223333:oidc-provider/issuer.example.com/dev"
	a := &account{
		role:     Role{ARN: roleARN, TrustPolicy: compact(statementFor(provider, claims{subject: "system:serviceaccount:apps:web", audience: defaultAudience}), nil)},
		provider: Provider{URL: "issuer.example.com/dev", ClientIDs: []string{defaultAudience}},
	}
	k := &keys{ids: []string{key.Public().ID()}}
	return &Doctor{Cluster: c, IAM: a, STS: a, Issuer: k, Now: func() time.Time { return now }, AnnotationPrefix: DefaultPrefix}, c, a, k
}

func TestHealthyServiceAccount(t *testing.T) {
	t.Parallel()
	d, _, _, _ := healthy(t)
	r := d.ServiceAccount(t.Context(), "apps", "web")
	if len(r.Checks) < 9 {
		t.Errorf("%d checks", len(r.Checks))
	}
	for _, c := range r.Checks {
		if c.Status != OK {
			t.Errorf("%+v", c)
		}
	}
}

// A webhook that is called by a URL may have a certificate of a public authority.
func TestAWebhookWithoutABundle(t *testing.T) {
	t.Parallel()
	d, c, _, _ := healthy(t)
	hook(c)["clientConfig"] = map[string]any{"url": "https://hook.example.com/mutate"}
	if causes := d.ServiceAccount(t.Context(), "apps", "web").Causes(); len(causes) > 0 {
		t.Errorf("%+v", causes)
	}
	c.tried.says = `failed calling webhook "x": failed to call webhook: tls: failed to verify certificate: x509: certificate signed by unknown authority`
	if causes := d.ServiceAccount(t.Context(), "apps", "web").Causes(); len(causes) != 1 || !strings.Contains(causes[0].Cause, "has no caBundle") {
		t.Errorf("%+v", causes)
	}
}

// What cannot be tried is not guessed.
func TestAWebhookThatCannotBeTried(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tried  tried
		status Status
		says   string
	}{
		"no right to create pods":    {tried{says: "pods is forbidden", as: "forbidden"}, OK, "whether it answers could not be tried: forbidden: pods is forbidden"},
		"another webhook refuses":    {tried{says: `admission webhook "policy.example.com" denied the request: no`}, Unknown, "a pod is refused for another reason"},
		"another webhook is down":    {tried{says: `failed calling webhook "policy.example.com": connection refused`}, Unknown, "a pod is refused for another reason"},
		"an API server that is away": {tried{says: "connection refused"}, Unknown, "a pod is refused for another reason"},
	} {
		d, cluster, _, _ := healthy(t)
		*cluster.tried = c.tried
		r := d.ServiceAccount(t.Context(), "apps", "web")
		i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.ID == "webhook" })
		if len(r.Causes()) > 0 || i < 0 || r.Checks[i].Status != c.status || !strings.Contains(r.Checks[i].Said, c.says) {
			t.Errorf("%s: %+v", name, r.Checks)
		}
	}
}

// hook is the first webhook of the registration.
func hook(c cluster) map[string]any {
	return c.objects["mutatingwebhookconfigurations /pod-identity-webhook"].(map[string]any)["webhooks"].([]any)[0].(map[string]any)
}

func TestServiceAccountCauses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		breaks func(c cluster, a *account, k *keys)
		id     string
		says   string
		fix    string
	}{
		"no service account": {func(c cluster, _ *account, _ *keys) { delete(c.objects, "serviceaccount apps/web") }, "service-account", "does not exist", "kubectl create serviceaccount -n apps web"},
		"no annotation": {func(c cluster, _ *account, _ *keys) {
			c.objects["serviceaccount apps/web"] = map[string]any{"metadata": map[string]any{}}
		}, "annotation", "is not annotated", "--overwrite eks.amazonaws.com/role-arn=" + roleARN},
		"an annotation that is a shell's": {func(c cluster, _ *account, _ *keys) {
			c.objects["serviceaccount apps/web"] = map[string]any{"metadata": map[string]any{"annotations": map[string]string{"x": "arn:aws:iam::111122223333:role/a", "eks.amazonaws.com/role-arn": "$(reboot)"}}}
		}, "annotation", "is not the ARN of a role", "role-arn=" + roleARN},
		"no webhook": {func(c cluster, _ *account, _ *keys) {
			delete(c.objects, "mutatingwebhookconfigurations /pod-identity-webhook")
		}, "webhook", "is not installed", "deploy/webhook.yaml"},
		"another selector": {func(c cluster, _ *account, _ *keys) {
			hook(c)["namespaceSelector"] = map[string]any{"matchLabels": map[string]string{"a": "b"}}
		}, "webhook", "leaves out the namespace apps: its namespaceSelector wants a=b", "kubectl label namespace apps --overwrite a=b"},
		"an old caBundle": {func(c cluster, _ *account, _ *keys) {
			hook(c)["clientConfig"].(map[string]any)["caBundle"] = bundle(t, now.Add(-2*time.Hour), now.Add(-time.Hour))
		}, "webhook", "cannot verify the webhook", "kubectl get"},
		"no caBundle": {func(c cluster, _ *account, _ *keys) { delete(hook(c)["clientConfig"].(map[string]any), "caBundle") }, "webhook", "cannot verify the webhook", "kubectl get"},
		"refused": {func(c cluster, _ *account, _ *keys) {
			c.tried.says = `Internal error occurred: failed calling webhook "x": failed to call webhook: Post "https://hook.eks.svc:443/mutate": dial tcp 10.0.0.1:443: connect: connection refused`
		}, "webhook", "nothing listens at the service eks/hook", "kubectl get pods,endpointslices -n eks"},
		"another authority": {func(c cluster, _ *account, _ *keys) {
			c.tried.says = `failed calling webhook "x": failed to call webhook: tls: failed to verify certificate: x509: certificate signed by unknown authority`
		}, "webhook", "not of the authority in the registration's caBundle", "caBundle"},
		"a timeout": {func(c cluster, _ *account, _ *keys) {
			c.tried.says = `failed calling webhook "x": failed to call webhook: Post "https://hook.eks.svc:443/mutate": context deadline exceeded`
		}, "webhook", "did not answer in time", "kubectl get pods"},
		"something new": {func(c cluster, _ *account, _ *keys) {
			c.tried.says = `failed calling webhook "x": failed to call webhook: the moon is full`
		}, "webhook", "cannot be called", "kubectl get pods"},
		"conditions": {func(c cluster, _ *account, _ *keys) {
			c.tried.role = "none"
			hook(c)["failurePolicy"], hook(c)["matchConditions"] = "Fail", []any{map[string]string{"name": "x"}}
		}, "webhook", "the matchConditions of the registration leave the pod out", "matchConditions of x"},
		"it fails open": {func(c cluster, _ *account, _ *keys) {
			c.tried.role, hook(c)["failurePolicy"] = "none", "Ignore"
		}, "webhook", "does not answer, and pods are admitted without it", "failing open"},
		"nobody answers": {func(c cluster, _ *account, _ *keys) { delete(c.objects, "endpointslices eks/hook-1") }, "webhook", "the webhook is down", "kubectl get pods -n eks"},
		"old keys":       {func(_ cluster, _ *account, k *keys) { k.ids = []string{"old"} }, "issuer", "not those of the cluster", "curl https://issuer.example.com/dev/openid/v1/jwks"},
		"an issuer down": {func(_ cluster, a *account, k *keys) {
			k.err, a.says = errors.New("connection refused"), errors.New("InvalidIdentityToken")
		}, "issuer", "STS cannot read the issuer's keys", "curl"},
		"no provider":      {func(_ cluster, a *account, _ *keys) { a.provider = Provider{} }, "provider", "does not know this cluster's issuer", "aws iam create-open-id-connect-provider --url https://issuer.example.com/dev --client-id-list sts.amazonaws.com"},
		"another audience": {func(_ cluster, a *account, _ *keys) { a.provider.ClientIDs = []string{"x"} }, "provider", "does not take the audience", "aws iam add-client-id-to-open-id-connect-provider"},
		"no role":          {func(_ cluster, a *account, _ *keys) { a.role = Role{} }, "role", "does not exist", "aws iam create-role --role-name web --assume-role-policy-document"},
		"another subject": {func(_ cluster, a *account, _ *keys) {
			a.role.TrustPolicy = strings.Replace(a.role.TrustPolicy, "apps:web", "apps:api", 1)
		}, "trust-policy", "is not for this service account", "aws iam update-assume-role-policy --role-name web --policy-document"},
		"STS knows better":       {func(_ cluster, a *account, _ *keys) { a.says = errors.New("RegionDisabled") }, "sts", "STS is not activated in this region", "# 1. "},
		"STS says something new": {func(_ cluster, a *account, _ *keys) { a.says = errors.New("the moon is full") }, "sts", "nothing that can be seen from here", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, cl, a, k := healthy(t)
			c.breaks(cl, a, k)
			r := d.ServiceAccount(t.Context(), "apps", "web")
			causes := r.Causes()
			if len(causes) != 1 || causes[0].ID != c.id || !strings.Contains(causes[0].Cause, c.says) || !strings.Contains(strings.Join(causes[0].Fix, "\n"), c.fix) {
				t.Errorf("%+v", causes)
			}
			canBePasted(t, r)
		})
	}
}

// canBePasted holds fixes to what a shell takes: commands, and comments.
func canBePasted(t *testing.T, r Report) {
	t.Helper()
	programs := []string{"aws", "curl", "date", "echo", "eksauth", "kubectl", "saved=$(mktemp)", "sed"}
	quoted := regexp.MustCompile(`'[^']*'|"[^"]*"`)
	for _, cause := range r.Causes() {
		for _, line := range cause.Fix {
			line, _, _ = strings.Cut(quoted.ReplaceAllString(line, "x"), "#")
			if strings.Contains(line, "ACCOUNT") {
				t.Errorf("a placeholder would be run: %q", cause.Fix)
			}
			for part := range strings.FieldsFuncSeq(line, func(r rune) bool { return r == ';' || r == '|' || r == '&' }) {
				if words := strings.Fields(part); len(words) > 0 && !slices.Contains(programs, words[0]) {
					t.Errorf("a shell would run %q of %q", words[0], cause.Fix)
				}
			}
		}
	}
}

// STS that only this machine cannot reach says nothing of the role.
func TestNoWayToSTS(t *testing.T) {
	t.Parallel()
	d, _, a, _ := healthy(t)
	a.says = fmt.Errorf("%w: dial tcp: i/o timeout", ErrNoAnswer)
	if r := d.ServiceAccount(t.Context(), "apps", "web"); len(r.Causes()) > 0 || !strings.HasPrefix(said(r, "sts"), "unknown: ") {
		t.Errorf("%+v", r.Checks)
	}
}

// What may not be read is said, and nothing is made of it.
func TestWhatCouldNotBeChecked(t *testing.T) {
	t.Parallel()
	d, _, _, _ := healthy(t)
	d.IAM, d.STS, d.NoAWS = nil, nil, "there are no AWS credentials"
	d.Issuer = keys{err: &UntrustedError{errors.New("x509")}}
	var unknown []string
	for _, c := range d.ServiceAccount(t.Context(), "apps", "web").Checks {
		if c.Status == Unknown {
			unknown = append(unknown, c.ID)
		} else if c.Status != OK {
			t.Errorf("%+v", c)
		}
	}
	if want := []string{"issuer", "provider", "role", "trust-policy", "sts"}; !slices.Equal(unknown, want) {
		t.Errorf("unknown are %v, want %v", unknown, want)
	}
	d.Cluster = cluster{err: fmt.Errorf("%w: serviceaccounts", ErrForbidden)}
	if r := d.ServiceAccount(t.Context(), "apps", "web"); len(r.Causes()) > 0 || r.Checks[0].Status != Unknown {
		t.Errorf("without rights: %+v", r)
	}
}

// An issuer that only this machine cannot reach is no cause: STS could.
func TestAnIssuerThatSTSReaches(t *testing.T) {
	t.Parallel()
	d, c, a, k := healthy(t)
	k.err = errors.New("dial tcp: i/o timeout")
	r := d.ServiceAccount(t.Context(), "apps", "web")
	if len(r.Causes()) > 0 || !strings.HasPrefix(said(r, "issuer"), "unknown: ") {
		t.Errorf("%+v", r.Checks)
	}
	c.objects["serviceaccounts /web"] = map[string]any{"metadata": map[string]any{"namespace": "apps", "name": "web", "annotations": map[string]string{"eks.amazonaws.com/role-arn": roleARN}}}
	if e := d.Everything(t.Context()); e.Failing() || !strings.HasPrefix(said(e.Cluster, "issuer"), "unknown: ") {
		t.Errorf("%+v", e)
	}
	a.says = errors.New("InvalidIdentityToken: Couldn't retrieve verification key from your identity provider")
	if causes := d.ServiceAccount(t.Context(), "apps", "web").Causes(); len(causes) != 1 || causes[0].ID != "issuer" {
		t.Errorf("%+v", causes)
	}
	k.err, k.ids, a.says = nil, []string{"old"}, nil // STS keeps keys for a while
	if causes := d.ServiceAccount(t.Context(), "apps", "web").Causes(); len(causes) != 1 || causes[0].ID != "issuer" {
		t.Errorf("%+v", causes)
	}
}

// Roles may all be of another account than the credentials: it needs no provider then.
func TestEverythingOfAnotherAccount(t *testing.T) {
	t.Parallel()
	d, c, a, _ := healthy(t)
	a.provider = Provider{}
	annotated := func(role string) map[string]any {
		return map[string]any{"metadata": map[string]any{"namespace": "apps", "name": "web", "annotations": map[string]string{"eks.amazonaws.com/role-arn": role}}}
	}
	c.objects["serviceaccounts /web"] = annotated("arn:aws:iam::444455556666:role/web")
	if e := d.Everything(t.Context()); e.Failing() || !strings.HasPrefix(said(e.Cluster, "provider"), "unknown: ") {
		t.Errorf("%+v", e)
	}
	d, c, _, _ = healthy(t)
	c.objects["serviceaccounts /web"] = annotated("arn:aws:iam::111122223333:role/team/web")
	if e := d.Everything(t.Context()); len(e.Accounts) != 1 || e.Accounts[0].Said != "the role web is "+roleARN+", and the annotation gives it another path" {
		t.Errorf("%+v", e.Accounts)
	}
}

func TestSelectors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{}`: true, `{"matchLabels":{"a":"1"}}`: true, `{"matchLabels":{"a":"2"}}`: false, `{"matchLabels":{"b":""}}`: false,
		`{"matchExpressions":[{"key":"a","operator":"In","values":["1","2"]}]}`: true, `{"matchExpressions":[{"key":"b","operator":"In","values":[""]}]}`: false,
		`{"matchExpressions":[{"key":"a","operator":"NotIn","values":["1"]}]}`: false, `{"matchExpressions":[{"key":"b","operator":"NotIn","values":["1"]}]}`: true,
		`{"matchExpressions":[{"key":"a","operator":"Exists"}]}`: true, `{"matchExpressions":[{"key":"b","operator":"Exists"}]}`: false,
		`{"matchExpressions":[{"key":"a","operator":"DoesNotExist"}]}`: false, `{"matchExpressions":[{"key":"b","operator":"DoesNotExist"}]}`: true,
	} {
		var s selector
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		if got := s.matches(map[string]string{"a": "1"}); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestRecreate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"metadata":{"namespace":"apps","name":"web-5d-x","labels":{"pod-template-hash":"5d"},"ownerReferences":[{"apiVersion":"apps/v1","controller":true,"kind":"ReplicaSet","name":"web-5d"}]}}`: "kubectl rollout restart -n apps deployment/web",
		`{"metadata":{"namespace":"apps","name":"db-0","ownerReferences":[{"apiVersion":"apps/v1","controller":true,"kind":"StatefulSet","name":"db"}]}}`:                                            "kubectl rollout restart -n apps statefulset/db",
		`{"metadata":{"namespace":"apps","name":"job-x","ownerReferences":[{"apiVersion":"batch/v1","controller":true,"kind":"Job","name":"job"}]}}`:                                                 byHand,
		`{"metadata":{"namespace":"apps","name":"web-x","ownerReferences":[{"apiVersion":"apps/v1","controller":true,"kind":"ReplicaSet","name":"web"}]}}`:                                           "kubectl delete pod -n apps web-x",
		// Who does not control the pod does not make it anew, and a custom resource may not.
		`{"metadata":{"namespace":"apps","name":"web","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"x"}]}}`:                                    byHand,
		`{"metadata":{"namespace":"apps","name":"web","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"x"}]}}`:                              byHand,
		`{"metadata":{"namespace":"apps","name":"web","ownerReferences":[{"apiVersion":"apps.kruise.io/v1","controller":true,"kind":"StatefulSet","name":"x"}]}}`: byHand,
		`{"metadata":{"namespace":"apps","name":"web"},"spec":{"containers":[{"env":[{"name":"AWS_ROLE_ARN","value":"x|e reboot"}]}]}}`:                           byHand,
		`{"metadata":{"namespace":"apps","name":"web"},"spec":{"containers":[{"env":[{"name":"AWS_ROLE_ARN"}]}]}}`:                                                byHand,
		`{"metadata":{"namespace":"apps","name":"$(reboot)"}}`:                                                                                                    byHand,
	} {
		var p pod
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(recreate(p, roleARN, ""), "\n"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
}

// aPod is as kubectl prints it, with all that looks like a role and is none.
const aPod = `apiVersion: v1
kind: Pod
metadata:
  annotations:
    note: |
      - name: AWS_ROLE_ARN
        value: OLD
  name: web
  namespace: apps
spec:
  containers:
  - args:
    - |
      - name: AWS_ROLE_ARN
        value: OLD
    env:
    - name: ADMIN_ROLE
      value: OLD-admin
    - name: COPY
      value: OLD
    - name: AWS_ROLE_ARN
      value: QUOTED
    - name: AWS_WEB_IDENTITY_TOKEN_FILE
      value: /token/token
    image: OLD
    name: OLD
  volumes:
  - name: aws-iam-token
    projected:
      sources:
      - serviceAccountToken:
          audience: AUDIENCE
          path: token
  - name: vault
    projected:
      sources:
      - serviceAccountToken:
          audience: AUDIENCE
          path: token
`

// A fix that makes a pod anew changes in it the role and the token's audience, and
// nothing that happens to look like them. What the API server would refuse is not put in
// the place of a pod that runs.
func TestRecreateFromItself(t *testing.T) {
	t.Parallel()
	const script = `kubectl() {
	case "$*" in
	"get pod -n apps web -o yaml") cat old;;
	"create --dry-run=server -f -") cat > tried; test ! -e refuse;;
	"replace --force -f "*) cat "$4" > made;;
	*) echo "kubectl $*" >&2; false;;
	esac
}
TMPDIR=.; export TMPDIR
`
	for _, c := range []struct{ was, printed, role, audience, aud string }{
		{"arn:aws:iam::111122223333:role/web", "arn:aws:iam::111122223333:role/web", "arn:aws:iam::111122223333:role/team/web", "", "vault"},
		{"billing", "billing", roleARN, "", "vault"},
		{"111122223333", `"111122223333"`, roleARN, "", "vault"},
		{roleARN + " ", "'" + roleARN + " '", roleARN, "", "vault"},
		{roleARN, roleARN, "", defaultAudience, "vault"},
		{roleARN, roleARN, "", defaultAudience, `"123"`},
		{roleARN, roleARN, "", "", "vault"},
	} {
		aud := strings.Trim(c.aud, `"`)
		var p pod
		text := fmt.Sprintf(`{"metadata":{"namespace":"apps","name":"web"},"spec":{"containers":[{"env":[{"name":"AWS_ROLE_ARN","value":%q},{"name":"AWS_WEB_IDENTITY_TOKEN_FILE","value":"/token/token"}],"volumeMounts":[{"name":"aws-iam-token","mountPath":"/token"}]}],
"volumes":[{"name":"aws-iam-token","projected":{"sources":[{"serviceAccountToken":{"audience":%q,"path":"token"}}]}},{"name":"vault","projected":{"sources":[{"serviceAccountToken":{"audience":%q,"path":"token"}}]}}]}}`, c.was, aud, aud)
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		old := strings.NewReplacer("OLD", strings.TrimSpace(c.was), "QUOTED", c.printed, "AUDIENCE", c.aud).Replace(aPod)
		want := old
		if c.role != "" {
			want = strings.Replace(want, "    - name: AWS_ROLE_ARN\n      value: "+c.printed, "    - name: AWS_ROLE_ARN\n      value: "+c.role, 1)
		}
		if c.audience != "" {
			want = strings.Replace(want, "audience: "+c.aud, "audience: "+c.audience, 1)
		}
		fix := recreate(p, c.role, c.audience)
		canBePasted(t, Report{Checks: []Check{{Status: Bad, Fix: fix}}})
		for _, refused := range []bool{false, true} {
			dir := t.TempDir()
			write := func(name, text string) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("old", old)
			if refused {
				write("refuse", "")
			}
			sh := exec.Command("sh", "-c", script+strings.Join(fix, "\n"))
			sh.Dir = dir
			out, err := sh.CombinedOutput()
			made, _ := os.ReadFile(filepath.Join(dir, "made"))
			tried, _ := os.ReadFile(filepath.Join(dir, "tried"))
			if string(tried) != strings.Replace(want, "\n  name: web\n", "\n  name: eksauth-doctor-dry-run\n", 1) {
				t.Errorf("%+v: tried %s", c, tried)
			}
			if refused != (err != nil) || refused != (len(made) == 0) || !refused && string(made) != want {
				t.Errorf("%+v, refused %v: %v %s\n%s\n%s\nwant %s", c, refused, err, out, strings.Join(fix, "\n"), made, want)
			}
		}
	}
}

// counted counts the questions to a cluster.
type counted struct {
	cluster
	n *int
}

func (c counted) Get(ctx context.Context, resource, namespace, name string) ([]byte, error) {
	*c.n++
	return c.cluster.Get(ctx, resource, namespace, name)
}

func (c counted) List(ctx context.Context, resource, namespace string) ([]byte, error) {
	*c.n++
	return c.cluster.List(ctx, resource, namespace)
}

func TestEverything(t *testing.T) {
	t.Parallel()
	d, c, a, _ := healthy(t)
	add := func(name, role string, more ...string) {
		annotations := map[string]string{"eks.amazonaws.com/role-arn": role}
		for i := 0; i+1 < len(more); i += 2 {
			annotations[more[i]] = more[i+1]
		}
		c.objects["serviceaccounts /"+name] = map[string]any{"metadata": map[string]any{"namespace": "apps", "name": name, "annotations": annotations}}
	}
	add("web", roleARN)
	c.objects["serviceaccounts /plain"] = map[string]any{"metadata": map[string]any{"namespace": "apps", "name": "plain"}}
	add("api", roleARN)
	add("gone", "arn:aws:iam::111122223333:role/gone")
	add("far", "arn:aws:iam::444455556666:role/far")
	add("typo", "arn:aws:iam::1111:role/x")
	add("odd", roleARN, "eks.amazonaws.com/audience", "nobody")
	c.objects["serviceaccounts /meant"] = map[string]any{"metadata": map[string]any{"namespace": "apps", "name": "meant", "annotations": map[string]string{"eks.amazonaws.com/role-anr": roleARN}}}
	c.objects["configmap kube-system/aws-auth"] = map[string]any{"data": map[string]string{"mapUsers": "- userarn: nonsense\n  username: x\n"}}
	c.objects["serviceaccount apps/api"] = c.objects["serviceaccounts /api"]
	n := 0
	d.Cluster = counted{c, &n}
	e := d.Everything(t.Context())
	var got []string
	for _, v := range e.Accounts {
		got = append(got, v.Name+" "+string(v.Status)+" "+v.Said)
	}
	want := []string{
		"api bad the trust policy does not let it in: ", "far unknown the role is in account 444455556666", "gone bad the role does not exist",
		"meant bad the annotation eks.amazonaws.com/role-anr is not read; it is eks.amazonaws.com/role-arn",
		"odd bad the OIDC provider does not take the audience nobody", "typo bad the annotation is not the ARN of a role", "web ok its pods get the role",
	}
	if len(got) != len(want) || !e.Failing() {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%q, want %q", got[i], want[i])
		}
	}
	if causes := e.Cluster.Causes(); len(causes) != 1 || causes[0].ID != "aws-auth" || !strings.Contains(causes[0].Said, "nonsense") {
		t.Errorf("%+v", causes)
	}
	for i := range 5000 {
		add(fmt.Sprint("many-", i), roleARN)
	}
	before := n
	n = 0
	if e := d.Everything(t.Context()); len(e.Accounts) != 5007 || n != before {
		t.Errorf("%d accounts, %d questions where it was %d", len(e.Accounts), n, before)
	}
	a.provider = Provider{}
	if e := d.Everything(t.Context()); !e.Failing() || e.Accounts[len(e.Accounts)-1].Status != Follows {
		t.Errorf("without the provider: %+v", e.Accounts[len(e.Accounts)-1])
	}
}

func TestCommandsAreSafe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ word, want string }{
		{"plain", "echo plain"}, {"$(reboot)", "echo '$(reboot)'"}, {"it's", `echo 'it'\''s'`},
		{"\x1b[2J", `# by hand: one of the names has control characters in it, "\x1b[2J"`}, {"a\nb", `# by hand: one of the names has control characters in it, "a\nb"`},
	} {
		if got := command("echo", c.word); got != c.want {
			t.Errorf("%q: %s", c.word, got)
		}
	}
}

// A role's name alone is no mistake of any service account where the webhook is seen to
// make an ARN of one.
func TestEverythingWithRolesByName(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		tried tried
		want  map[string]string
	}{
		{tried{}, map[string]string{"web": "ok its pods get the role", "yonder": "bad the role does not exist", "case": "bad the role is " + roleARN + ", and the annotation writes it in another case"}},
		{tried{role: "web"}, map[string]string{"web": "bad the annotation is not the ARN of a role", "yonder": "bad the annotation is not the ARN of a role"}},
	} {
		d, c, _, _ := healthy(t)
		*c.tried = tc.tried
		for account, role := range map[string]string{"web": "web", "yonder": "team/yonder", "case": strings.Replace(roleARN, "role/web", "role/Web", 1)} {
			object := map[string]any{"metadata": map[string]any{"namespace": "apps", "name": account, "annotations": map[string]string{"eks.amazonaws.com/role-arn": role}}}
			c.objects["serviceaccounts /"+account] = object
			c.objects["serviceaccount apps/"+account] = object
		}
		got := map[string]string{}
		for _, v := range d.Everything(t.Context()).Accounts {
			got[v.Name] = string(v.Status) + " " + v.Said
		}
		for name, want := range tc.want {
			if got[name] != want {
				t.Errorf("%+v: %s: %q, want %q", tc.tried, name, got[name], want)
			}
		}
	}
}
