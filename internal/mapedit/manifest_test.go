package mapedit

import (
	"errors"
	"strings"
	"testing"
)

func TestReadManifest(t *testing.T) {
	const named = "kind: ConfigMap\nmetadata: {name: aws-auth}\ndata: {mapUsers: x}\n"
	for text, want := range map[string]string{
		named: "x",
		"kind: ConfigMap\nmetadata: {name: other}\ndata: {mapUsers: y}\n---\n" + named: "x",
		"kind: ConfigMap\ndata: {mapUsers: z}\n":                                       "z",
		`{"kind": "ConfigMap", "data": {"mapUsers": "j"}}`:                             "j",
		"kind: ConfigMap\nmetadata: {name: aws-auth}\n":                                "",
	} {
		m, err := ReadManifest([]byte(text))
		if err != nil || m.Data["mapUsers"] != want {
			t.Errorf("%q: %v, %v", text, m, err)
		}
	}
	other := "kind: ConfigMap\nmetadata: {name: a}\n---\nkind: ConfigMap\nmetadata: {name: b}\n"
	for _, text := range []string{"", "kind: Secret\n", "- a\n", "a: [", other, "kind: ConfigMap\ndata: [a]\n"} {
		if _, err := ReadManifest([]byte(text)); !errors.Is(err, ErrNoConfigMap) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ReadManifest([]byte(strings.Repeat(" ", maxManifest+1))); err == nil {
		t.Error("it has no bound")
	}
}

func FuzzReadManifest(f *testing.F) {
	f.Add([]byte("kind: ConfigMap\ndata: {mapUsers: x}\n"))
	f.Add([]byte("a: &a [*a]\n---\nkind: ConfigMap\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ReadManifest(text)
		if (m == nil) == (err == nil) {
			t.Errorf("%v, %v", m, err)
		}
	})
}
