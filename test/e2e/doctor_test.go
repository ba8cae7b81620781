package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/require"
)

// patient is a service account with its role and its pod, all of it healthy, in the
// local system.
type patient struct {
	*client
	namespace, role string
	issuer          string // without a scheme
}

const doctorTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",` +
	`"Principal":{"Federated":"arn:aws:iam::` + account + `:oidc-provider/ISSUER"},` +
	`"Condition":{"StringEquals":{"ISSUER:sub":"system:serviceaccount:NAMESPACE:web","ISSUER:aud":"sts.amazonaws.com"}}}]}`

// patients are as many as there were: each has a namespace and a role of its own.
var patients atomic.Int32

func newPatient(t *testing.T, s *system) *patient {
	t.Helper()
	number := patients.Add(1)
	c := s.client(t).as("administrator")
	c.env["KUBECONFIG"] = filepath.Join(s.dir, "controlplane", "admin.kubeconfig")
	p := &patient{client: c, namespace: fmt.Sprintf("doctor-%d", number), role: fmt.Sprintf("doctor.%d", number)}
	url, err := os.ReadFile(filepath.Join(s.dir, "issuer", "url"))
	if err != nil {
		t.Fatal(err)
	}
	p.issuer = strings.TrimPrefix(strings.TrimSpace(string(url)), "https://")
	p.sh("kubectl create namespace NAMESPACE\nkubectl create serviceaccount -n NAMESPACE web\n" +
		"kubectl annotate serviceaccount -n NAMESPACE web eks.amazonaws.com/role-arn=arn:aws:iam::" + account + ":role/ROLE\n" +
		"aws iam create-role --role-name ROLE --assume-role-policy-document '" + doctorTrust + "'\n")
	p.pod("")
	t.Cleanup(func() {
		p.sh("kubectl delete namespace NAMESPACE --wait=false; aws iam delete-role --role-name ROLE || true")
	})
	return p
}

func (p *patient) fill(text string) string {
	return strings.NewReplacer("NAMESPACE", p.namespace, "ROLE", p.role, "ISSUER", p.issuer).Replace(text)
}

func (p *patient) sh(script string) string {
	p.t.Helper()
	return p.must("bash", "-euo", "pipefail", "-c", p.fill(script))
}

// pod makes the pod web anew, with more in its metadata or spec.
func (p *patient) pod(env string) {
	p.t.Helper()
	if env == "" {
		env = "[]"
	}
	p.sh("kubectl delete pod -n NAMESPACE web --ignore-not-found --force 2>/dev/null\nkubectl create -n NAMESPACE -f - <<'END'\n" +
		"apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  serviceAccountName: web\n  containers:\n  - {name: app, image: app, env: " + env + "}\nEND\n")
}

// container has what the pod's container has: its variables, and a token as the kubelet
// would put it there.
func (p *patient) container() *client {
	p.t.Helper()
	var pod struct {
		Spec struct {
			Containers []struct {
				Env []struct{ Name, Value string }
			}
			Volumes []struct {
				Name      string
				Projected struct {
					Sources []struct {
						ServiceAccountToken struct{ Audience string }
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(p.sh("kubectl get pod -n NAMESPACE web -o json")), &pod); err != nil {
		p.t.Fatal(err)
	}
	c := p.system.client(p.t)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"} {
		delete(c.env, name)
	}
	c.env["AWS_EC2_METADATA_DISABLED"], c.env["AWS_MAX_ATTEMPTS"] = "true", "1"
	for _, v := range pod.Spec.Containers[0].Env {
		c.env[v.Name] = v.Value
	}
	for _, v := range pod.Spec.Volumes {
		for _, s := range v.Projected.Sources {
			if s.ServiceAccountToken.Audience != "" {
				file := filepath.Join(c.home, "token")
				token := p.sh("kubectl create token -n NAMESPACE web --duration 10m --audience " + s.ServiceAccountToken.Audience)
				if err := os.WriteFile(file, []byte(strings.TrimSpace(token)), 0o600); err != nil {
					p.t.Fatal(err)
				}
				c.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = file
			}
		}
	}
	return c
}

// inside is what the aws CLI says in the pod's container.
func (p *patient) inside() string {
	p.t.Helper()
	r := p.container().run("aws", "sts", "get-caller-identity")
	return r.stdout + r.stderr
}

// examine runs the doctor.
func (p *patient) examine() (report struct {
	Checks []struct {
		ID, Status, Said, Cause string
		Fix                     []string
	}
}, text string) {
	p.t.Helper()
	p.env["SSL_CERT_FILE"] = filepath.Join(p.system.dir, "issuer", "ca.crt")
	defer delete(p.env, "SSL_CERT_FILE")
	r := p.run("eksauth", "doctor", "pod", p.namespace+"/web", "-o", "json")
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		p.t.Fatalf("%v\n%s%s", err, r.stdout, r.stderr)
	}
	text = p.run("eksauth", "doctor", "pod", p.namespace+"/web").stdout
	return report, text
}

// shownFault is the one whose examination is shown in the guide.
const shownFault = "trust: another namespace"

// mustBeShown holds the guide to what is really printed, but for the names.
func (p *patient) mustBeShown(text string) {
	p.t.Helper()
	guide, err := os.ReadFile(filepath.Join(repository(), "docs", "guides", "doctor.md"))
	if err != nil {
		p.t.Fatal(err)
	}
	if text = strings.NewReplacer(p.namespace, "apps", p.role, "web", p.issuer, "oidc.example.com/dev").Replace(text); !strings.Contains(string(guide), text) {
		p.t.Errorf("the guide does not show\n%s", text)
	}
}

// faults are scripts that break one thing in a healthy system.
var faults = []struct {
	name   string
	breaks string
	again  bool   // the pod is made anew after it
	sees   string // by the aws CLI
	cause  string // id of the check
	says   string
	fixed  bool // by the printed fix, as it is
}{
	{"no annotation", "kubectl annotate serviceaccount -n NAMESPACE web eks.amazonaws.com/role-arn-", true, "Unable to locate credentials", "annotation", "is not annotated", true},
	{"a misspelt annotation", "kubectl annotate serviceaccount -n NAMESPACE web eks.amazonaws.com/role-arn- eks.amazonaws.com/rolearn=arn:aws:iam::" + account + ":role/ROLE", true, "Unable to locate credentials", "annotation", "is not annotated", true},
	{"an annotation that is no ARN", "kubectl annotate serviceaccount -n NAMESPACE web --overwrite eks.amazonaws.com/role-arn=arn:aws:iam::1111:role/ROLE", true, "ValidationError", "annotation", "is not the ARN of a role", true},
	{"the ARN of a user", "kubectl annotate serviceaccount -n NAMESPACE web --overwrite eks.amazonaws.com/role-arn=arn:aws:iam::" + account + ":user/ROLE", true, "ValidationError", "annotation", "is not the ARN of a role", true},
	{"a pod older than the annotation", "kubectl annotate serviceaccount -n NAMESPACE web eks.amazonaws.com/role-arn-\nkubectl delete pod -n NAMESPACE web --force 2>/dev/null\nkubectl run -n NAMESPACE web --image app --overrides '{\"spec\":{\"serviceAccountName\":\"web\"}}'\nsleep 1.1\nkubectl annotate serviceaccount -n NAMESPACE web eks.amazonaws.com/role-arn=arn:aws:iam::" + account + ":role/ROLE", false, "Unable to locate credentials", "mutation", "it is older than the annotation", true},
	{"a pod older than a changed annotation", "kubectl annotate serviceaccount -n NAMESPACE web --overwrite eks.amazonaws.com/role-arn=arn:aws:iam::" + account + ":role/other.ROLE\n" + "kubectl delete pod -n NAMESPACE web --force 2>/dev/null\nkubectl run -n NAMESPACE web --image app --overrides '{\"spec\":{\"serviceAccountName\":\"web\"}}'\nkubectl annotate serviceaccount -n NAMESPACE web --overwrite eks.amazonaws.com/role-arn=arn:aws:iam::" + account + ":role/ROLE", false, "Not authorized to perform sts:AssumeRoleWithWebIdentity", "variables", "another role than its service account is annotated with", true},
	{"a container that is skipped", "kubectl delete pod -n NAMESPACE web --force 2>/dev/null\nkubectl run -n NAMESPACE web --image app --overrides '{\"metadata\":{\"annotations\":{\"eks.amazonaws.com/skip-containers\":\"web\"}},\"spec\":{\"serviceAccountName\":\"web\"}}'", false, "Unable to locate credentials", "mutation", "its containers get no role", true},
	{"a pod that the webhook passes over", "kubectl delete pod -n NAMESPACE web --force 2>/dev/null\nkubectl run -n NAMESPACE web --image app --labels eks.amazonaws.com/skip-pod-identity-webhook=true --overrides '{\"spec\":{\"serviceAccountName\":\"web\"}}'", false, "Unable to locate credentials", "webhook", "leaves out a pod of these labels: its objectSelector wants no eks.amazonaws.com/skip-pod-identity-webhook", true},
	{"an audience that the provider does not take", "kubectl annotate serviceaccount -n NAMESPACE web eks.amazonaws.com/audience=nobody", true, "Incorrect token audience", "provider", "asks for an audience that the OIDC provider does not take", true},
	{"a role that does not exist", "aws iam delete-role --role-name ROLE", false, "Not authorized to perform sts:AssumeRoleWithWebIdentity", "role", "does not exist", true},
	{"a role of another path", "aws iam delete-role --role-name ROLE\naws iam create-role --path /team/ --role-name ROLE --assume-role-policy-document '" + doctorTrust + "'", false, "Not authorized to perform sts:AssumeRoleWithWebIdentity", "role", "another path", true},
	{"another account's role", "kubectl annotate serviceaccount -n NAMESPACE web --overwrite eks.amazonaws.com/role-arn=arn:aws:iam::444455556666:role/ROLE", true, "No OpenIDConnect provider found in your account", "sts", "IAM does not know the issuer of the token", false},
	{"static keys in the container", "kubectl delete pod -n NAMESPACE web --force 2>/dev/null\nkubectl run -n NAMESPACE web --image app --env AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE --env AWS_SECRET_ACCESS_KEY=example --overrides '{\"spec\":{\"serviceAccountName\":\"web\"}}'", false, "InvalidClientTokenId", "variables", "static credentials, which win", true},
	{"no OIDC provider", "aws iam delete-open-id-connect-provider --open-id-connect-provider-arn arn:aws:iam::" + account + ":oidc-provider/ISSUER", false, "No OpenIDConnect provider found in your account", "provider", "does not know this cluster's issuer", true},
	{"a provider for another audience", "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn arn:aws:iam::" + account + ":oidc-provider/ISSUER --client-id other\naws iam remove-client-id-from-open-id-connect-provider --open-id-connect-provider-arn arn:aws:iam::" + account + ":oidc-provider/ISSUER --client-id sts.amazonaws.com", false, "Incorrect token audience", "provider", "does not take the audience", true},
	{"no webhook", "kubectl get mutatingwebhookconfiguration pod-identity-webhook -o yaml > \"$HOME/webhook.yaml\"\nkubectl delete mutatingwebhookconfiguration pod-identity-webhook\nkubectl delete pod -n NAMESPACE web --force 2>/dev/null\nkubectl run -n NAMESPACE web --image app --overrides '{\"spec\":{\"serviceAccountName\":\"web\"}}'", false, "Unable to locate credentials", "webhook", "the webhook is not installed", false},
	{"trust: another namespace", trust("serviceaccount:NAMESPACE:", "serviceaccount:default:"), false, "Not authorized", "trust-policy", "is not for this service account", true},
	{"trust: another service account", trust(":web", ":api"), false, "Not authorized", "trust-policy", "is not for this service account", true},
	{"trust: a wildcard under StringEquals", trust(":web", ":*"), false, "Not authorized", "trust-policy", "has a wildcard, and StringEquals compares it letter for letter", true},
	{"trust: https:// in a key", trust(`"ISSUER:`, `"https://ISSUER:`), false, "Not authorized", "trust-policy", "is not for this service account", true},
	{"trust: the provider's ARN as a key", trust(`"ISSUER:`, `"arn:aws:iam::`+account+`:oidc-provider/ISSUER:`), false, "Not authorized", "trust-policy", "is not for this service account", true},
	{"trust: aud for sub", trust("ISSUER:sub", "ISSUER:aud2"), false, "Not authorized", "trust-policy", "is not for this service account", true},
	{"trust: another audience", trust(`"sts.amazonaws.com"`, `"sts.amazonaws.com.cn"`), false, "Not authorized", "trust-policy", "is not for this service account", true},
	{"trust: wrong case", trust("system:serviceaccount", "system:ServiceAccount"), false, "Not authorized", "trust-policy", "is not for this service account", true},
	{"trust: another issuer", trust("oidc-provider/ISSUER", "oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/AAAA"), false, "Not authorized", "trust-policy", "is not for this service account", true},
	{"trust: a provider of another account", trust("::"+account+":oidc", "::444455556666:oidc"), false, "Not authorized", "trust-policy", "is not for this service account", true},
	{"trust: a principal of AWS", trust(`{"Federated":"arn:aws:iam::`+account+`:oidc-provider/ISSUER"}`, `{"AWS":"arn:aws:iam::`+account+`:root"}`), false, "Not authorized", "trust-policy", "is not for this service account", true},
	{"trust: https:// in the provider", trust("oidc-provider/ISSUER", "oidc-provider/https://ISSUER"), false, "Not authorized", "trust-policy", "a scheme in it", true},
	{"trust: a Deny", trust(`"Statement":[`, `"Statement":[{"Effect":"Deny","Principal":{"Federated":"arn:aws:iam::`+account+`:oidc-provider/ISSUER"},"Action":"sts:AssumeRoleWithWebIdentity"},`), false, "Not authorized", "trust-policy", "a Deny wins", false},
	{"trust: sts:AssumeRole", trust(`sts:AssumeRoleWithWebIdentity`, `sts:AssumeRole`), false, "Not authorized", "trust-policy", "is not for this service account", true},
}

// paste does what the doctor says, as it is, and wants the pod to be its role then.
func (p *patient) paste(t *testing.T, fix []string) {
	t.Helper()
	time.Sleep(100 * time.Millisecond)
	p.must("bash", "-euo", "pipefail", "-c", "export TMPDIR=\"$HOME\"\n"+strings.Join(fix, "\n")) // ROLE is in AWS_ROLE_ARN
	if out := p.inside(); !strings.Contains(out, ":assumed-role/"+p.role+"/") {
		t.Errorf("after the fix the pod is not its role: %s\n%s", out, strings.Join(fix, "\n"))
	}
}

// trust is a trust policy with one thing in it changed.
func trust(from, to string) string {
	return "aws iam update-assume-role-policy --role-name ROLE --policy-document '" + strings.ReplaceAll(doctorTrust, from, to) + "'"
}

// Each fault breaks one thing in a healthy system. A real client shows what the user
// sees, the doctor must name that cause first and no other, and its fix, pasted into a
// shell as it is, must mend it.
func TestDoctor(t *testing.T) {
	require.Program(t, "aws")
	s := theSystem(t)
	healthy := newPatient(t, s)
	report, text := healthy.examine()
	if out := healthy.inside(); !strings.Contains(out, ":assumed-role/"+healthy.role+"/") {
		t.Fatalf("the healthy pod is not its role: %s", out)
	}
	for _, c := range report.Checks {
		if c.Status != "ok" {
			t.Errorf("a false alarm: %+v", c)
		}
	}
	if r := healthy.container().run("eksauth", "doctor", "self"); r.err != nil || !strings.Contains(r.stdout, "STS gives the role") {
		t.Errorf("doctor self: %s%s", r.stdout, r.stderr)
	}
	t.Logf("healthy:\n%s", text)
	healthy.env["SSL_CERT_FILE"] = filepath.Join(s.dir, "issuer", "ca.crt")
	if out := healthy.run("eksauth", "doctor", "cluster").stdout; !strings.Contains(out, healthy.namespace+"/web") || !strings.Contains(out, "its pods get the role") {
		t.Errorf("doctor cluster: %s", out)
	}
	delete(healthy.env, "SSL_CERT_FILE")
	table := "fault | the user sees | the doctor says | mended by its own advice\n"
	for _, f := range faults {
		passed := t.Run(f.name, func(t *testing.T) {
			p := newPatient(t, s)
			t.Cleanup(func() { p.sh("test ! -f \"$HOME/webhook.yaml\" || kubectl create -f \"$HOME/webhook.yaml\"") })
			p.sh(f.breaks)
			if f.again {
				p.pod("")
			}
			if out := p.inside(); !strings.Contains(out, f.sees) {
				t.Errorf("the user sees %q, want %q", out, f.sees)
			}
			report, text := p.examine()
			var fix []string
			causes := 0
			for _, c := range report.Checks {
				if c.Status != "bad" {
					continue
				}
				if causes++; causes == 1 && (c.ID != f.cause || !strings.Contains(c.Cause, f.says)) {
					t.Errorf("the doctor says %s: %s\n%s", c.ID, c.Cause, text)
				}
				fix = c.Fix
			}
			if f.name == shownFault {
				p.mustBeShown(text)
			}
			if causes != 1 {
				t.Errorf("%d causes:\n%s", causes, text)
			}
			if !f.fixed {
				return
			}
			p.paste(t, fix)
		})
		mended := map[bool]string{true: "yes", false: "by hand"}[f.fixed]
		if !passed {
			mended = "THE TEST FAILED"
		}
		table += f.name + " | " + f.sees + " | " + f.cause + ": " + f.says + " | " + mended + "\n"
	}
	t.Log("\n" + table)
}

// What the template of a Deployment says against the role is taken out of the template,
// and nothing else is. Here no controller makes its pods, so one stands for them.
func TestDoctorTemplates(t *testing.T) {
	require.Program(t, "aws")
	p := newPatient(t, theSystem(t))
	p.env["SSL_CERT_FILE"] = filepath.Join(p.system.dir, "issuer", "ca.crt")
	sh := func(script string) string { // ROLE is in AWS_ROLE_ARN
		return p.must("bash", "-euo", "pipefail", "-c", strings.ReplaceAll(script, "NAMESPACE", p.namespace))
	}
	sh(`kubectl create -f - <<'END'
{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"NAMESPACE"},"spec":{"selector":{"matchLabels":{"app":"web"}},"template":{
"metadata":{"labels":{"app":"web"},"annotations":{"note":"kept","eks.amazonaws.com/skip-containers":"app"}},
"spec":{"serviceAccountName":"web","containers":[{"name":"app","image":"app","env":[{"name":"AWS_REGION","value":"us-east-1"},{"name":"AWS_ROLE_ARN","value":"arn:aws:iam::111122223333:role/old"},{"name":"AWS_ACCESS_KEY_ID","value":"AKIAIOSFODNN7EXAMPLE"},{"name":"AWS_SECRET_ACCESS_KEY","value":"example"}]}]}}}}
END
`)
	template := func(field string) string {
		return sh("kubectl get deployment -n NAMESPACE web -o jsonpath='{.spec.template" + field + "}'")
	}
	for _, step := range []struct {
		fault, cause string
		gone         string // "" if it was not in the template
	}{
		{"skip-containers", "mutation", "skip-containers"},
		{"AWS_ACCESS_KEY_ID", "variables", "AWS_ACCESS_KEY_ID"},
		{"role/old", "variables", "AWS_ROLE_ARN"},
		{"role/old", "variables", ""}, // of a pod that is older than the annotation
	} {
		annotation, env := "note", "[]"
		switch step.fault {
		case "skip-containers":
			annotation = "eks.amazonaws.com/skip-containers"
		case "AWS_ACCESS_KEY_ID":
			env = `[{"name":"AWS_ACCESS_KEY_ID","value":"AKIAIOSFODNN7EXAMPLE"},{"name":"AWS_SECRET_ACCESS_KEY","value":"example"}]`
		case "role/old":
			env = `[{"name":"AWS_ROLE_ARN","value":"arn:aws:iam::111122223333:role/old"}]`
		}
		sh("kubectl delete pod -n NAMESPACE web --force 2>/dev/null\nkubectl create -f - <<'END'\n" +
			`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"NAMESPACE","labels":{"app":"web","pod-template-hash":"5d"},"annotations":{"` + annotation + `":"app"},` +
			`"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","controller":true,"name":"web-5d","uid":"00000000-0000-0000-0000-000000000000"}]},` +
			`"spec":{"serviceAccountName":"web","containers":[{"name":"app","image":"app","env":` + env + `}]}}` + "\nEND\n")
		d := diagnose(t, p.client, "pod", p.namespace+"/web")
		if len(d.causes) != 1 || d.causes[0] != step.cause {
			t.Fatalf("%s: %v\n%s", step.fault, d.causes, d.text)
		}
		if before := template(""); step.gone != "" && !strings.Contains(before, step.gone) {
			t.Fatalf("%s is not in %s", step.gone, before)
		}
		sh(strings.Join(d.fix, "\n"))
		time.Sleep(1100 * time.Millisecond) // kubectl rolls out once a second at most
		if after := template(""); step.gone != "" && strings.Contains(after, step.gone) || !strings.Contains(after, "AWS_REGION") || !strings.Contains(after, "kept") {
			t.Errorf("%s is in %s\nafter %q", step.gone, after, d.fix)
		}
	}
	if keys := template(".spec.containers[0].env[*].name"); keys != "AWS_REGION" {
		t.Errorf("what is left is %s", keys)
	}
	if template(".metadata.annotations.kubectl\\.kubernetes\\.io/restartedAt") == "" {
		t.Error("nothing rolls out anew")
	}
}
