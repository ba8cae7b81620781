package e2e_test

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/pki"
	"github.com/eksauth/eksauth/internal/require"
)

// mustBeRecognised gives a message, as it was seen, to doctor error, and wants it named.
func mustBeRecognised(t *testing.T, c *client, text, id string) {
	t.Helper()
	r := c.runWith(text, "eksauth", "doctor", "error", "-", "-o", "json")
	var said struct{ Matches []struct{ ID string } }
	if err := json.Unmarshal([]byte(r.stdout), &said); err != nil {
		t.Fatalf("doctor error: %v\n%s%s", err, r.stdout, r.stderr)
	}
	if len(said.Matches) == 0 || said.Matches[0].ID != id {
		t.Errorf("doctor error says %v, want %s, of:\n%s", said.Matches, id, text)
	}
}

// serveWebhook is a webhook with a certificate of the authority, for a name and a time.
func serveWebhook(t *testing.T, ca *pki.CA, name string, issued time.Time, answer http.HandlerFunc) (port int) {
	t.Helper()
	pair, err := ca.Issue(pki.Server(name), issued)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(answer)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair.TLS()}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the API server turns away, and that is the test
	server.StartTLS()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.Listener.Addr().(*net.TCPAddr).Port
}

// webhookRegistration edits the first webhook of the registration, and puts it back.
func (p *patient) webhookRegistration(t *testing.T, operations ...string) {
	t.Helper()
	const get = "kubectl get mutatingwebhookconfiguration pod-identity-webhook -o jsonpath='{.webhooks[0]}'"
	was := strings.TrimSpace(p.sh(get))
	t.Cleanup(func() {
		p.patchRegistration(`{"op":"replace","path":"/webhooks/0","value":` + was + `}`)
	})
	p.patchRegistration(operations...)
}

func (p *patient) patchRegistration(operations ...string) {
	p.sh("kubectl patch mutatingwebhookconfiguration pod-identity-webhook --type=json --patch-file /dev/stdin <<'END'\n[" + strings.Join(operations, ",") + "]\nEND\n")
}

func setField(field string, value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"op":"add","path":"/webhooks/0/%s","value":%s}`, field, raw)
}

// What keeps the API server from calling the webhook: kubectl shows what it says, or
// nothing where the registration lets pods through; the doctor has it tried without
// creating anything.
func TestDoctorWebhook(t *testing.T) {
	require.Program(t, "aws")
	s := theSystem(t)
	now := time.Now()
	ca, err := pki.NewCA("a webhook", now.AddDate(-2, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	ignore := func(http.ResponseWriter, *http.Request) {}
	silent := func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // else nobody would see that the client has gone
		<-r.Context().Done()
	}
	bundle := setField("clientConfig/caBundle", base64.StdEncoding.EncodeToString(ca.PEM()))
	at := func(port int) string {
		return setField("clientConfig/url", fmt.Sprintf("https://localhost:%d/mutate", port))
	}
	closed := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return at(l.Addr().(*net.TCPAddr).Port)
	}
	table := "fault | the user sees | the doctor says | mended by its own advice\n"
	for _, f := range []struct {
		name   string
		breaks func(t *testing.T, p *patient) []string
		sees   string // by kubectl; "" where the pod is created, without its role
		known  string // to doctor error
		says   string
		fixed  bool // by the printed fix, as it is
	}{
		{"nothing listens", func(*testing.T, *patient) []string { return []string{closed()} }, "connection refused", "webhook-unreachable", "nothing listens at https://localhost:", false},
		{"another authority", func(*testing.T, *patient) []string { return []string{bundle} }, "certificate signed by unknown authority", "webhook-ca-unknown", "not of the authority in the registration's caBundle", false},
		{"no caBundle", func(*testing.T, *patient) []string {
			return []string{`{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}`}
		}, "certificate signed by unknown authority", "webhook-ca-unknown", "cannot verify the webhook", false},
		{"a certificate that has ended", func(t *testing.T, _ *patient) []string {
			return []string{at(serveWebhook(t, ca, "localhost", now.AddDate(-1, 0, -1), ignore)), bundle}
		}, "certificate has expired", "webhook-certificate-expired", "the webhook's certificate has ended", false},
		{"a certificate for another name", func(t *testing.T, _ *patient) []string {
			return []string{at(serveWebhook(t, ca, "elsewhere.example", now, ignore)), bundle}
		}, "certificate is valid for elsewhere.example", "webhook-certificate-name", "for another name than the one it is called by", false},
		{"it does not answer", func(t *testing.T, _ *patient) []string {
			return []string{at(serveWebhook(t, ca, "localhost", now, silent)), bundle, setField("timeoutSeconds", 1)}
		}, "context deadline exceeded", "webhook-unreachable", "did not answer in time", false},
		{"its service is gone", func(_ *testing.T, p *patient) []string {
			service := setField("clientConfig/service", map[string]string{"namespace": p.namespace, "name": "hook", "path": "/mutate"})
			return []string{`{"op":"remove","path":"/webhooks/0/clientConfig/url"}`, service}
		}, `service "hook" not found`, "webhook-unreachable", "the webhook is down", false},
		{"it fails open", func(*testing.T, *patient) []string {
			return []string{closed(), setField("failurePolicy", "Ignore")}
		}, "", "credentials-missing", "the webhook does not answer, and pods are admitted without it", false},
		{"a condition that leaves the pod out", func(*testing.T, *patient) []string {
			return []string{setField("matchConditions", []map[string]string{{"name": "never", "expression": "false"}})}
		}, "", "credentials-missing", "matchConditions of the registration leave the pod out", false},
		{"a namespace without the label that it wants", func(*testing.T, *patient) []string {
			return []string{setField("namespaceSelector", map[string]any{"matchLabels": map[string]string{"pod-identity": "on"}})}
		}, "", "credentials-missing", "its namespaceSelector wants pod-identity=on", true},
	} {
		t.Run(f.name, func(t *testing.T) {
			p := newPatient(t, s)
			t.Cleanup(func() { awaitWebhook(t, p) }) // the last but one thing to happen
			p.webhookRegistration(t, f.breaks(t, p)...)
			seen := ""
			// The API server looks at registrations a moment later.
			eventually(t, 10*time.Second, "the fault shows", func() bool {
				p.sh("kubectl delete pod -n NAMESPACE web --force 2>/dev/null || true")
				seen = p.sh(`kubectl run -n NAMESPACE web --image app --overrides '{"spec":{"serviceAccountName":"web"}}' 2>&1 || true`)
				if f.sees == "" {
					seen = p.inside()
					return strings.Contains(seen, "Unable to locate credentials")
				}
				return strings.Contains(seen, f.sees)
			})
			mustBeRecognised(t, p.client, seen, f.known)
			d := p.diagnoseAccount(t)
			if len(d.causes) != 1 || d.causes[0] != "webhook" || !strings.Contains(d.text, f.says) {
				t.Errorf("the doctor says %v\n%s", d.causes, d.text)
			}
			if f.fixed {
				p.env["SSL_CERT_FILE"] = p.system.dir + "/issuer/ca.crt"
				d := diagnose(t, p.client, "pod", p.namespace+"/web")
				delete(p.env, "SSL_CERT_FILE")
				p.paste(t, d.fix)
			}
		})
		sees := f.sees
		if sees == "" {
			sees = "Unable to locate credentials"
		}
		table += f.name + " | " + sees + " | webhook: " + f.says + " | " + map[bool]string{true: "yes", false: "by hand"}[f.fixed] + "\n"
	}
	if d := newPatient(t, s).diagnoseAccount(t); len(d.causes) > 0 {
		t.Errorf("a false alarm: %s", d.text)
	}
	t.Log("\n" + table)
}

func (p *patient) diagnoseAccount(t *testing.T) diagnosis {
	t.Helper()
	p.env["SSL_CERT_FILE"] = p.system.dir + "/issuer/ca.crt"
	defer delete(p.env, "SSL_CERT_FILE")
	return diagnose(t, p.client, "serviceaccount", p.namespace+"/web")
}

// awaitWebhook waits until the API server has seen that all is well again.
func awaitWebhook(t *testing.T, p *patient) {
	t.Helper()
	eventually(t, 10*time.Second, "all is well again", func() bool {
		r := p.run("kubectl", "run", "-n", p.namespace, "again", "--image", "app", "--dry-run=server", "-o", "yaml", "--overrides", `{"spec":{"serviceAccountName":"web"}}`)
		return strings.Contains(r.stdout, "AWS_ROLE_ARN")
	})
}
