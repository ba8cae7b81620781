package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/eksauth/eksauth/authtest"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/hack/schema/sources"
	generate "github.com/eksauth/eksauth/internal/jsonschema"
)

func TestSchemasAreUpToDate(t *testing.T) {
	t.Chdir("../..")
	for file, source := range sources.All() {
		want, err := generate.Generate(source)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what its types say (%v): go run ./hack/schema", file, err)
		}
	}
}

func compile(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, text string) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return schema.Validate(v)
}

// A validator that others wrote takes the worlds that ParseWorld takes, and refuses
// those whose faults a schema can express.
func TestWorldSchema(t *testing.T) {
	t.Parallel()
	schema := compile(t, awslocal.WorldSchema)
	dir := t.TempDir()
	store, err := awslocal.Open(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	w, err := awslocal.DefaultWorld()
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Apply(w); err != nil {
		t.Fatal(err)
	}
	if w, err = store.World(); err != nil {
		t.Fatal(err)
	}
	exported, err := w.YAML()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"default": string(awslocal.DefaultWorldYAML()), "exported": string(exported), "everything": everything} {
		if _, err := awslocal.ParseWorld(name, []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := validate(t, schema, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"nothing":       "{}",
		"unknown key":   "accounts: [{id: \"111122223333\", user: []}]",
		"no id":         "accounts: [{alias: x}]",
		"a mode":        strings.Replace(everything, "API_AND_CONFIG_MAP", "BOTH", 1),
		"a status":      strings.Replace(everything, "Inactive", "Off", 1),
		"a policy":      strings.Replace(everything, "Statement:", "Statements:", 1),
		"a number":      strings.Replace(everything, "maxSessionDuration: 7200", "maxSessionDuration: long", 1),
		"not a list":    "accounts: {id: \"111122223333\"}",
		"without name":  strings.Replace(everything, "- name: ada\n", "- path: /x/\n", 1),
		"role of a pod": strings.Replace(everything, "roleArn: ", "role: ", 1),
	} {
		if _, err := awslocal.ParseWorld(name, []byte(text)); err == nil {
			t.Errorf("%s: ParseWorld takes it", name)
		}
		if err := validate(t, schema, text); err == nil {
			t.Errorf("%s: the schema takes it", name)
		}
	}
}

const everything = `accounts:
  - id: "111122223333"
    policies:
      - {name: see, document: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "eks:*", Resource: "*"}}, tags: [{key: a, value: b}]}
    groups: [{name: g, managedPolicies: ["arn:aws:iam::111122223333:policy/see"]}]
    users:
      - name: ada
        groups: [g]
        accessKeys: [{id: AKIAIOSFODNN7EXAMPLE, secret: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY, status: Inactive}]
    roles:
      - name: r
        maxSessionDuration: 7200
        serviceAccounts: [{cluster: dev, namespace: a, name: b}]
        permissionsBoundary: arn:aws:iam::aws:policy/AdministratorAccess
    oidcProviders: [{url: "https://oidc.example.com", clientIds: [a]}]
    clusters:
      - name: dev
        region: us-east-1
        authenticationMode: API_AND_CONFIG_MAP
        accessEntries: [{principalArn: "arn:aws:iam::111122223333:user/ada", accessPolicies: [{policy: AmazonEKSViewPolicy, namespaces: [a]}]}]
        podIdentityAssociations: [{namespace: a, serviceAccount: b, roleArn: "arn:aws:iam::111122223333:role/r"}]
`

// The suites of the documentation and of the scripts fit the schema.
func TestSuiteSchema(t *testing.T) {
	t.Parallel()
	schema := compile(t, authtest.Schema)
	script, err := os.ReadFile(filepath.Join("..", "..", "cmd", "eksauth", "testdata", "script", "test.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, part := range strings.Split(string(script), "\n-- ")[1:] {
		name, text, _ := strings.Cut(part, " --\n")
		if strings.HasSuffix(name, "_test.yaml") {
			found++
			if err := validate(t, schema, text); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if name == "typo.yaml" && validate(t, schema, text) == nil {
			t.Error("the schema takes a typo")
		}
	}
	if found < 3 {
		t.Errorf("%d suites in the script", found)
	}
}
