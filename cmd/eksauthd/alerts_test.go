package main

import (
	"os"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Each alert says how bad it is, what has happened and what to do.
func TestAlertsSayWhatToDo(t *testing.T) {
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
	rules := 0
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			rules++
			if rule.Expr == "" || rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s: %+v", rule.Alert, rule)
			}
		}
	}
	if rules < 5 {
		t.Errorf("%d rules", rules)
	}
}
