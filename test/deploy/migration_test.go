package deploy_test

import (
	"os"
	"strings"
	"testing"
)

// The guide to the migration, from what the other's manifests leave in a cluster, however
// that was made and whichever way the reader goes.
func TestTheGuideToTheMigrationOfTheWebhook(t *testing.T) {
	t.Parallel()
	other, err := os.ReadFile("testdata/pod-identity-webhook.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, way := range map[string]struct{ verb, how string }{
		"applied": {"apply", ""},
		"created": {"create", ""},
		"helm":    {"apply", "run: helm"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			helm(t, "version")
			c := startCluster(t)
			r := newReader(t, "migrating-pod-identity-webhook.md")
			r.on(c)
			c.must(string(other), way.verb)
			r.migrate(way.how)
			for _, left := range []string{"deployment/pod-identity-webhook", "clusterrole/pod-identity-webhook", "role/pod-identity-webhook"} {
				if _, _, err := c.try("", "get", "-n", "default", left); err == nil {
					t.Errorf("%s is left", left)
				}
			}
			if got := c.must("", "get", "configmap", "-n", "eksauth", "pod-identity-webhook", "-o", "jsonpath={.data.config}"); !strings.Contains(got, "role/app") {
				t.Errorf("the ConfigMap became %s", got)
			}
			if left := c.must("", "get", "mutatingwebhookconfiguration", "pod-identity-webhook", "-o", `jsonpath={.metadata.annotations.cert-manager\.io/inject-ca-from}`); left != "" {
				t.Errorf("cert-manager would write the caBundle: %s", left)
			}
			// It is ours now: the webhook keeps the caBundle.
			c.start("eksauth", "pod-identity-webhook", c.args("-n", "eksauth", "deployment/pod-identity-webhook")...)
			eventually(t, "both webhooks have the authority", func() bool {
				return len(strings.Fields(c.must("", "get", "mutatingwebhookconfiguration", "pod-identity-webhook", "-o", "jsonpath={.webhooks[*].clientConfig.caBundle}"))) == 2
			})
		})
	}
}

// migrate goes through the guide, with Helm in place of the first kubectl if how says so.
func (r *reader) migrate(how string) {
	r.t.Helper()
	var printed, shown string
	var withHelm block
	blocks := readGuide(r.t, r.name)
	for _, b := range blocks {
		if b.how == "run: helm" {
			withHelm = b
		}
	}
	ran := 0
	for _, b := range blocks {
		switch b.how {
		case "run: helm":
			continue
		case "printed":
			shown = strings.TrimSpace(b.text)
			continue
		case "run: names":
			printed = strings.TrimSpace(r.run(b))
		case "run":
			if first, rest, found := strings.Cut(b.text, "\n"); found && how != "" && first == "kubectl apply -f deploy/webhook.yaml" {
				b.text = withHelm.text + rest
			}
			r.run(b)
		default:
			r.t.Errorf("line %d is not run", b.line)
		}
		ran++
	}
	if ran != 5 || shown == "" || printed != shown {
		r.t.Errorf("%d blocks ran; printed %q, shown %q", ran, printed, shown)
	}
}
