package irsa

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write what comes out into testdata/pods; check it by eye against the facts")

// Each file of testdata/pods is a pod: its service account, what the webhook's
// settings are, and what becomes of it.
func TestPods(t *testing.T) {
	files, err := filepath.Glob("testdata/pods/*.txtar")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v: where are the others?", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runPod(t, file) })
	}
}

func runPod(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for _, f := range archive.Files {
		parts[f.Name] = string(f.Data)
	}
	var settings Settings
	var grant Grant
	annotations := map[string]string{}
	for part, into := range map[string]any{"settings": &settings, "serviceaccount": &annotations, "grant": &grant} {
		if err := yaml.UnmarshalStrict([]byte(parts[part]), into); err != nil {
			t.Fatalf("%s: %v", part, err)
		}
	}
	if err := settings.Validate(); err != nil {
		t.Fatal(err)
	}
	settings.Jitter = func(int64) int64 { return 0 }
	grant.ServiceAccount = FromAnnotations(settings.withDefaults().AnnotationPrefix, annotations)
	raw, err := yaml.YAMLToJSON([]byte(parts["pod"]))
	if err != nil {
		t.Fatal(err)
	}
	m := mutateTwice(t, settings, raw, grant)
	patched := raw
	if m.Patch != nil {
		if patched, err = applyPatch(raw, m.Patch); err != nil {
			t.Fatalf("%v\n%s", err, m.Patch)
		}
	}
	got, err := yaml.JSONToYAML(patched)
	if err != nil {
		t.Fatal(err)
	}
	warnings := strings.Join(m.Warnings, "\n")
	if warnings != "" {
		warnings += "\n"
	}
	if *update {
		parts["want"], parts["warnings"] = string(got), warnings
		archive.Files = nil
		for _, name := range []string{"settings", "serviceaccount", "grant", "pod", "want", "warnings"} {
			if text, ok := parts[name]; ok {
				archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(text)})
			}
		}
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(parts["want"], string(got)); diff != "" {
		t.Errorf("the pod (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(parts["warnings"], warnings); diff != "" {
		t.Errorf("the warnings (-want +got)\n%s", diff)
	}
}

// mutateTwice mutates, and shows that a second time nothing happens, whatever the
// jitter.
func mutateTwice(t *testing.T, settings Settings, raw []byte, grant Grant) Mutation {
	t.Helper()
	pod, err := ParsePod(raw)
	if err != nil {
		t.Fatal(err)
	}
	first := settings.Mutate(pod, grant)
	if first.Patch == nil {
		return first
	}
	patched, err := applyPatch(raw, first.Patch)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, raw, first.Patch)
	}
	if pod, err = ParsePod(patched); err != nil {
		t.Fatal(err)
	}
	settings.Jitter = func(n int64) int64 { return n - 1 }
	if second := settings.Mutate(pod, grant); second.Patch != nil {
		t.Errorf("a second time it adds %s\nto %s", second.Patch, patched)
	}
	return first
}

// A field that this build has never heard of is still there afterwards, wherever
// it is, and so is its neighbour.
func TestUnknownFieldsSurvive(t *testing.T) {
	raw := `{"future":1,"metadata":{"future":{"a":[1,2]},"annotations":{"x":"y"}},"spec":{"future":[{"b":null}],"securityContext":{"future":true},
		"containers":[{"name":"app","future":{"c":12345678901234567890},"env":[{"name":"A","future":"d","valueFrom":{"futureRef":{}}}],"volumeMounts":[{"name":"v","mountPath":"/v","future":1}],"startupProbe":{"exec":{}}}],
		"volumes":[{"name":"v","futureVolume":{"e":1.5}}]}}`
	settings := Settings{FSGroup: 1000}
	patched, err := applyPatch([]byte(raw), mutateTwice(t, settings, []byte(raw), Grant{ServiceAccount: ServiceAccount{RoleARN: role}}).Patch)
	if err != nil {
		t.Fatal(err)
	}
	var before, after any
	if err := json.Unmarshal([]byte(raw), &before); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(patched, &after); err != nil {
		t.Fatal(err)
	}
	if missing := lost(before, after, "pod"); len(missing) > 0 {
		t.Errorf("lost: %v", missing)
	}
	if !strings.Contains(string(patched), "AWS_ROLE_ARN") {
		t.Error("nothing was added: the test shows nothing")
	}
}

// lost is what before has and after has not.
func lost(before, after any, at string) (missing []string) {
	switch b := before.(type) {
	case map[string]any:
		a, _ := after.(map[string]any)
		for key, value := range b {
			if _, ok := a[key]; !ok {
				missing = append(missing, at+"."+key)
				continue
			}
			missing = append(missing, lost(value, a[key], at+"."+key)...)
		}
	case []any:
		a, _ := after.([]any)
		for i, value := range b {
			if i >= len(a) {
				return append(missing, at)
			}
			missing = append(missing, lost(value, a[i], at+"[]")...)
		}
	default:
		if !cmp.Equal(before, after) {
			missing = append(missing, at)
		}
	}
	return missing
}
