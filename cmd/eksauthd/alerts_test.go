package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/kube"
)

// The alerts ask for metrics that there are.
func TestAlertsAskForRealMetrics(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For string
				Labels           map[string]string
				Annotations      map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	known := descriptions(t)
	name := regexp.MustCompile(`\b(?:eksauth|aws_iam_authenticator)_[a-z0-9_]+`)
	rules := 0
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			rules++
			used := name.FindAllString(rule.Expr, -1)
			if len(used) == 0 || rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s: %+v", rule.Alert, rule)
			}
			for _, metric := range used {
				if !slices.Contains(known, strings.TrimSuffix(strings.TrimSuffix(metric, "_count"), "_bucket")) {
					t.Errorf("%s asks for %s, which nobody has", rule.Alert, metric)
				}
			}
		}
	}
	if rules < 5 {
		t.Errorf("%d rules", rules)
	}
}

// descriptions are the names of all metrics of both servers.
func descriptions(t *testing.T) []string {
	t.Helper()
	end := func() time.Time { return time.Time{} }
	live := awsauth.NewLive(awsauth.Source{Name: awsauth.EKSConfigMap})
	fqName := regexp.MustCompile(`fqName: "([^"]+)"`)
	var names []string
	for _, registry := range []*prometheus.Registry{newMetrics(live, end).registry, newWebhookMetrics(&kube.ServiceAccounts{}, end).registry} {
		descs := make(chan *prometheus.Desc, 100)
		go func() {
			registry.Describe(descs)
			close(descs)
		}()
		for d := range descs {
			if m := fqName.FindStringSubmatch(d.String()); m != nil {
				names = append(names, m[1])
			}
		}
	}
	if len(names) < 20 {
		t.Fatalf("only %d metrics", len(names))
	}
	return names
}
