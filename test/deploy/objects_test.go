package deploy_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// objects are those of manifests, by kind, namespace and name.
type objects map[string]*unstructured.Unstructured

func parse(t *testing.T, manifests string) objects {
	t.Helper()
	all := objects{}
	for decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifests), 1<<16); ; {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Object) == 0 {
			continue // nothing but comments
		}
		key := o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
		if all[key] != nil {
			t.Errorf("%s is there twice", key)
		}
		all[key] = o
	}
}

// files are the plain manifests of these names.
func files(t *testing.T, names ...string) objects {
	t.Helper()
	var text strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(repository + "/deploy/" + name)
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString("\n---\n" + string(data))
	}
	return parse(t, text.String())
}

// render is what the chart makes of values, which are those of helm's --set.
func render(t *testing.T, values ...string) objects {
	t.Helper()
	stdout, stderr, err := helm(t, template(values...)...)
	if err != nil {
		t.Fatalf("helm template %v: %v\n%s", values, err, stderr)
	}
	return parse(t, stdout)
}

func template(values ...string) []string {
	args := []string{"template", "eksauthd", chart, "--namespace", "eksauth"}
	for _, v := range values {
		args = append(args, "--set", v)
	}
	return args
}

// list is the list of objects at a path, such as a pod's containers.
func list(t *testing.T, o map[string]any, path ...string) []any {
	t.Helper()
	items, found, err := unstructured.NestedSlice(o, path...)
	if err != nil || !found {
		t.Fatalf("%v: %v, %v", path, found, err)
	}
	return items
}

// podSpec is the spec of the pods that an object makes; nil if it makes none.
func podSpec(o *unstructured.Unstructured) map[string]any {
	path := []string{"spec", "template", "spec"}
	if o.GetKind() == "Pod" {
		path = path[:1]
	}
	if spec, found, err := unstructured.NestedMap(o.Object, path...); found && err == nil && spec["containers"] != nil {
		return spec
	}
	return nil
}
