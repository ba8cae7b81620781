package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/require"
	"github.com/eksauth/eksauth/kube"
	"github.com/eksauth/eksauth/oidc"
	"github.com/eksauth/eksauth/sigv4"
)

// newRegistries are those of the three servers when they start.
func newRegistries() []*prometheus.Registry {
	never := func() time.Time { return time.Time{} }
	end := expiry{never, never}
	live := awsauth.NewLive(awsauth.Source{Name: awsauth.EKSConfigMap})
	keys := &issuerFollower{}
	keys.current.Store(&oidc.State{})
	registries := []*prometheus.Registry{newMetrics(live, end).registry, newWebhookMetrics(&kube.ServiceAccounts{}, end).registry, newIssuerMetrics(keys, end)}
	for _, registry := range registries {
		addLimits(registry, newLimits(0))
	}
	return registries
}

// allMetrics are the labels of all metrics of the servers, by their names.
func allMetrics(t *testing.T) map[string][]string {
	t.Helper()
	parts := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	all := map[string][]string{}
	for _, registry := range newRegistries() {
		descs := make(chan *prometheus.Desc)
		go func() {
			registry.Describe(descs)
			close(descs)
		}()
		for d := range descs {
			if m := parts.FindStringSubmatch(d.String()); m != nil {
				all[m[1]] = strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' })
			}
		}
	}
	if len(all) < 30 {
		t.Fatalf("only %d metrics", len(all))
	}
	return all
}

func isOurs(metric string) bool {
	return strings.HasPrefix(metric, ownNamespace+"_") || strings.HasPrefix(metric, peerNamespace+"_")
}

// The guide has a row for each metric, with its labels, and none for another; and all
// reasons that there are.
func TestTheGuideHasAllMetrics(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/guides/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	row := regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| (counter|gauge|histogram) \\| ([^|]*) \\|")
	all := allMetrics(t)
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		labels := strings.FieldsFunc(m[3], func(r rune) bool { return strings.ContainsRune("`, –", r) })
		if got, ok := all[m[1]]; !ok || !slices.Equal(got, labels) {
			t.Errorf("the guide gives %s the labels %q, it has %q (there is one: %v)", m[1], labels, got, ok)
		}
		if strings.HasSuffix(m[1], "_total") != (m[2] == "counter") || strings.HasSuffix(m[1], "_seconds") && m[2] == "counter" {
			t.Errorf("%s is no %s", m[1], m[2])
		}
		told[m[1]] = true
	}
	for name := range all {
		if isOurs(name) && !told[name] {
			t.Errorf("the guide lacks %s", name)
		}
	}
	constant := regexp.MustCompile(`\bReason = "(\w+)"`)
	for _, file := range []string{"token/errors.go", "tokenreview/observer.go", "irsa/observer.go"} {
		source, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		found := constant.FindAllStringSubmatch(string(source), -1)
		if len(found) < 5 {
			t.Errorf("%s has %d reasons", file, len(found))
		}
		for _, m := range found {
			if !strings.Contains(string(text), "`"+m[1]+"`") {
				t.Errorf("the guide lacks the reason %s of %s", m[1], file)
			}
		}
	}
}

// dashboardExpressions are all queries of the dashboard.
func dashboardExpressions(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Title      string
		Templating struct {
			List []struct{ Name string }
		}
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	var all []string
	ids := map[int]bool{}
	for _, p := range dashboard.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 || (len(p.Targets) == 0) != (p.Type == "row") {
			t.Errorf("panel %d %q is not whole", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	if len(all) < 20 || dashboard.Title == "" || len(dashboard.Templating.List) != 2 {
		t.Fatalf("%d queries, %+v", len(all), dashboard.Templating)
	}
	return all
}

// The dashboard and the alerts ask for metrics, and by labels, that there are.
func TestQueriesAskForWhatThereIs(t *testing.T) {
	t.Parallel()
	known := allMetrics(t)
	outside := []string{"instance", "le"} // Prometheus's own
	queries := dashboardExpressions(t)
	rules, err := os.ReadFile("../../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^ +expr: (.*)$`).FindAllStringSubmatch(string(rules), -1) {
		queries = append(queries, m[1])
	}
	name := regexp.MustCompile(`\b((?:eksauth|aws_iam_authenticator|process|go)_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	label := regexp.MustCompile(`(\w+) *(?:=~|!~|!=|=) *"`)
	group := regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
	for _, query := range queries {
		var labels []string
		found := name.FindAllStringSubmatch(query, -1)
		if len(found) == 0 {
			t.Errorf("asks for nothing of ours: %s", query)
		}
		for _, m := range found {
			has, ok := known[m[1]]
			for _, suffix := range []string{"_count", "_sum", "_bucket"} {
				if h, histogram := known[strings.TrimSuffix(m[1], suffix)]; !ok && histogram {
					has, ok = h, true
				}
			}
			if !ok {
				t.Errorf("%s asks for %s, which nobody has", query, m[1])
			}
			labels = append(labels, has...)
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				if !slices.Contains(has, l[1]) && !slices.Contains(outside, l[1]) {
					t.Errorf("%s asks for the label %s, which %s does not have", query, l[1], m[1])
				}
			}
		}
		for _, m := range group.FindAllStringSubmatch(query, -1) {
			for _, l := range strings.Split(m[1], ",") {
				if l = strings.TrimSpace(l); !slices.Contains(labels, l) && !slices.Contains(outside, l) {
					t.Errorf("%s groups by %s, which none of its metrics has", query, l)
				}
			}
		}
	}
}

// Prometheus's own parser reads the rules and the dashboard, and each alert fires
// when it should, and not else.
func TestPromtoolAgrees(t *testing.T) {
	t.Parallel()
	promtool := require.Program(t, "promtool")
	queries := filepath.Join(t.TempDir(), "dashboard.yaml")
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, query := range dashboardExpressions(t) {
		query = strings.NewReplacer("$__rate_interval", "5m", "$__range", "6h", "$instance", ".*").Replace(query)
		fmt.Fprintf(&rules, "  - {record: 'dashboard:query:%d', expr: %q}\n", i, query)
	}
	if err := os.WriteFile(queries, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "rules", "../../deploy/alerts.yaml"}, {"test", "rules", "../../deploy/alerts_test.yaml"}, {"check", "rules", queries}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	guide, err := os.ReadFile("../../docs/guides/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	scrape := regexp.MustCompile("(?s)```yaml\n(scrape_configs:.*?)```").FindSubmatch(guide)
	if scrape == nil {
		t.Fatal("the guide does not say how to scrape")
	}
	config := filepath.Join(t.TempDir(), "prometheus.yaml")
	// Debian's promtool knows no Kubernetes.
	static := strings.Replace(string(scrape[1]), "kubernetes_sd_configs: [{role: pod}]", "static_configs: [{targets: [a]}]", 1)
	if err := os.WriteFile(config, []byte(static), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(promtool, "check", "config", config).CombinedOutput(); err != nil {
		t.Errorf("promtool check config: %v\n%s", err, out)
	}
	// Each alert has a test of its silence and one of its noise.
	alerts, err := os.ReadFile("../../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("../../deploy/alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(alerts), -1) {
		if n := strings.Count(string(tests), "alertname: "+m[1]); n < 2 {
			t.Errorf("%s has %d tests", m[1], n)
		}
	}
}

// Strangers choose what they send, and not how many series there are.
func TestStrangersMakeNoSeries(t *testing.T) {
	t.Parallel()
	d := start(t, adaOfDev, "--sts-endpoint", newSTS(t))
	series := func() int {
		_, text := d.get(t, "/metrics")
		return strings.Count(grep(text, "^(eksauth|aws_iam)"), "\n")
	}
	flood := func(round int) {
		for i := range 40 {
			name := fmt.Sprintf("stranger-%d-%d", round, i)
			key := fmt.Sprintf("AKIA%016d", round*1000+i)
			for _, raw := range []string{
				name, "k8s-aws-v1." + name, mint(t, sigv4.Credentials{AccessKeyID: key, SecretAccessKey: name}, "dev"), mint(t, ada, name), mint(t, nobody, "dev"),
			} {
				d.review(t, raw, name)
				d.review(t, raw)
			}
			d.get(t, "/"+name)
		}
	}
	flood(0)
	before := series()
	for round := range 3 {
		flood(round + 1)
	}
	if after := series(); after != before || before < 30 {
		t.Errorf("%d series before, %d after", before, after)
	}
}

// What an alert counts is there from the start: Prometheus sees no increase in a series
// that begins with its first event.
func TestWhatAlertsCountBeginsWithNought(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile("../../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var series strings.Builder // such as name{label="value"}
	for _, registry := range newRegistries() {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				fmt.Fprintf(&series, "%s{", f.GetName())
				for _, l := range m.GetLabel() {
					fmt.Fprintf(&series, "%s=%q,", l.GetName(), l.GetValue())
				}
				series.WriteString("}\n")
			}
		}
	}
	count := regexp.MustCompile(`increase\((\w+?)(?:_count)?(?:\{(\w+)=~?"([^"]*)"\})?\[`).FindAllStringSubmatch(string(rules), -1)
	if len(count) < 8 || len(count) != strings.Count(string(rules), "increase(") {
		t.Fatalf("%d counts were read", len(count))
	}
	for _, m := range count {
		for value := range strings.SplitSeq(m[3], "|") {
			want := m[1] + `\{.*`
			if m[2] != "" {
				want += m[2] + `="` + value + `",`
			}
			if !regexp.MustCompile(want).MatchString(series.String()) {
				t.Errorf("%s has no series for %s %q", m[1], m[2], value)
			}
		}
	}
}
