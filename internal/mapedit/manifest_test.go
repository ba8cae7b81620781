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

func TestLine(t *testing.T) {
	m, err := ReadManifest([]byte("kind: Secret\n---\nkind: ConfigMap\ndata:\n  mapUsers: |\n    - a\n    - b\n  mapRoles: \"- a\\n- b\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		key        string
		line, want int
	}{{"mapUsers", 1, 6}, {"mapUsers", 2, 7}, {"mapUsers", 0, 5}, {"mapRoles", 2, 8}, {"mapAccounts", 1, 0}, {"", 1, 0}} {
		if got := m.Line(test.key, test.line); got != test.want {
			t.Errorf("%s line %d is line %d, not %d", test.key, test.line, got, test.want)
		}
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

func TestSet(t *testing.T) {
	const text = "# top\nkind: ConfigMap\ndata:\n  # users\n  mapUsers: |\n    - a # x\n\n    - b\n  other: y\nmetadata: {name: aws-auth}\n"
	for _, test := range []struct{ key, value, want string }{
		{"mapUsers", "- a # x\n\n- b\n- c\n", strings.Replace(text, "- b\n", "- b\n    - c\n", 1)},
		{"mapUsers", "- a # x\n", strings.Replace(text, "\n\n    - b\n", "\n", 1)},
		{"mapRoles", "- r\n", strings.Replace(text, "  mapUsers:", "  mapRoles: |\n    - r\n  mapUsers:", 1)},
	} {
		m, err := ReadManifest([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := m.Set(test.key, test.value); err != nil || string(got) != test.want {
			t.Errorf("%s\nwant\n%s\n%v", got, test.want, err)
		}
	}
	for _, text := range []string{"kind: ConfigMap\n", "kind: ConfigMap\ndata: {mapUsers: x}\n", "kind: ConfigMap\ndata:\n  mapUsers: x\n"} {
		m, err := ReadManifest([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := m.Set("mapUsers", "- a\n"); !errors.Is(err, ErrByHand) {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	}
}
