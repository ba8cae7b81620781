package deploy_test

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/awsauth"
	"sigs.k8s.io/yaml"
)

// What would install something else than was meant is refused, with the place.
func TestBadValuesAreRefused(t *testing.T) {
	t.Parallel()
	for values, place := range map[string]string{
		"webhok.enabled=true":                                        "additional properties 'webhok'",
		"webhook.replica=3":                                          "/webhook': additional properties 'replica'",
		"webhook.replicas=0":                                         "/webhook/replicas",
		"webhook.replicas=two":                                       "/webhook/replicas",
		"webhook.enabled=maybe":                                      "/webhook/enabled",
		"webhook.args={aws-default-region}":                          "/webhook/args/0",
		"webhook.args={--port=1}":                                    "webhook.args: the chart gives --port itself",
		"webhook.args={--tls-cert=x}":                                "webhook.args: the chart gives --tls-cert itself; set webhook.tls",
		"webhook.args={--v=1,--guard-mappings}":                      "webhook.args: the chart gives --guard-mappings itself; set webhook.guard",
		"issuer.args={--dir=/x}":                                     "issuer.args: the chart gives --dir itself",
		"webhook.tls.secretName=foo":                                 "Give webhook.tls.caBundle, or webhook.tls.annotations",
		"webhook.tls.caBundle=eA==":                                  "/webhook/tls/caBundle", // the webhook keeps its own
		"webhook.minAvailable=2":                                     "webhook.minAvailable must be less than webhook.replicas",
		"issuer.enabled=true,issuer.minAvailable=3":                  "issuer.minAvailable must be less than issuer.replicas",
		"webhook.minAvailable=51%":                                   "webhook.minAvailable must be less than webhook.replicas", // it is rounded up
		"issuer.enabled=true,issuer.minAvailable=100%":               "issuer.minAvailable must be less than issuer.replicas",
		"webhook.minAvailable=half":                                  "/webhook/minAvailable",
		"webhook.exemptNamespaces={Kube-System}":                     "/webhook/exemptNamespaces/0",
		"image.digest=sha256:abc":                                    "/image/digest",
		"image.repository=":                                          "image.repository is where you pushed the image",
		"image.repository=-registry.example.com/x":                   "/image/repository",
		"image.repository=registry.example.com/X":                    "is not the name of an image",
		"image.repository=r.example.com/e:v1":                        "image.repository: r.example.com/e:v1 has a tag, which belongs into image.tag",
		"image.repository=localhost:5000/e@sha256:abc":               "which belongs into image.digest",
		"image.repository=https://r.example.com/e":                   "is a URL",
		"image.pullPolicy=Sometimes":                                 "/image/pullPolicy",
		"authenticator.enabled=true":                                 "/authenticator/config",
		"authenticator.config.server.backendMode={File}":             "/authenticator/config/server/backendMode/0",
		"authenticator.furtherSources={CRD,CRD}":                     "/authenticator/furtherSources",
		"authenticator.args={--config=/etc/x}":                       "authenticator.args: the chart gives --config itself; set authenticator.config",
		"authenticator.config.bogus=1":                               "/authenticator/config': additional properties 'bogus'",
		"authenticator.config.mapRoles[0].rolearn=xx":                "/authenticator/config': additional properties 'mapRoles'", // they are the server's
		"authenticator.config.server.statedir=/x":                    "/authenticator/config/server': additional properties 'statedir'",
		"authenticator.config.server.mapRoles[0].rolearn=xx":         "/authenticator/config/server/mapRoles/0/rolearn",
		"authenticator.config.server.mapRoles[0].username=x":         "/authenticator/config/server/mapRoles/0",
		"authenticator.config.server.mapUsers[0].rolearn=xx":         "/authenticator/config/server/mapUsers/0",
		"authenticator.config.server.mapAccounts={12}":               "/authenticator/config/server/mapAccounts/0",
		"authenticator.config.server.port=0":                         "/authenticator/config/server/port",
		"authenticator.metricsAddress=localhost":                     "/authenticator/metricsAddress",
		"authenticator.runAsUser=-1":                                 "/authenticator/runAsUser",
		"issuer.service.type=Ingress":                                "/issuer/service/type",
		"issuer.service.port=70000":                                  "/issuer/service/port",
		"issuer.configMap=":                                          "/issuer/configMap",
		"imagePullSecrets={pull}":                                    "/imagePullSecrets/0",
		"authenticator.enabled=true,authenticator.config.clusterID=": "/authenticator/config/clusterID",
	} {
		_, stderr, err := helm(t, template(values)...)
		if err == nil || !strings.Contains(stderr, place) {
			t.Errorf("%s: want a complaint about %s: %v %s", values, place, err, stderr)
		}
	}
}

// What is right must not be refused with what is not.
func TestGoodValuesAreAccepted(t *testing.T) {
	t.Parallel()
	for _, values := range []string{
		"image.repository=localhost:5000/team/eksauthd",
		"image.repository=registry.example.com/a/b__c",
		"webhook.tls.secretName=mine,webhook.tls.caBundle=eA==",
		"webhook.tls.secretName=mine,webhook.tls.annotations.ca=mine",
		"webhook.enabled=false,webhook.tls.secretName=mine",
		"webhook.args={--aws-default-region=eu-west-1}",
		"authenticator.config.server.mapRoles[0].rolearn=arn:aws-cn:iam::111122223333:role/path/a*",
		"authenticator.config.server.mapRoles[0].sso.permissionSetName=x,authenticator.config.server.mapRoles[0].sso.accountID=111122223333",
		"authenticator.config.server.reservedPrefixConfig[0].backendMode=CRD,authenticator.config.server.reservedPrefixConfig[0].usernamePrefixReserveList={aws:}",
	} {
		set := "--set-string" // a number of twelve digits is none
		if strings.Contains(values, "enabled=") {
			set = "--set"
		}
		if _, stderr, err := helm(t, "template", "eksauthd", chart, set, values); err != nil {
			t.Errorf("%s: %v %s", values, err, stderr)
		}
	}
}

// The schema has the settings that eksauthd reads, and no others.
func TestSchemaHasTheSettings(t *testing.T) {
	t.Parallel()
	schema, _ := readChart(t)
	config := schema.Properties["authenticator"].Properties["config"]
	server := config.Properties["server"]
	text := map[string]any{}
	for name := range config.Properties {
		text[name] = nil
	}
	settings := map[string]any{}
	for name := range server.Properties {
		settings[name] = nil
	}
	text["server"] = settings
	data, err := yaml.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	parsed, _ := awsauth.ParseConfig(data)
	for _, f := range parsed.Faults {
		if strings.Contains(f.Message, "not known") {
			t.Error(f)
		}
	}
	for field := range reflect.TypeFor[awsauth.Server]().Fields() {
		name := field.Name
		if name == "ReservedPrefixes" {
			name = "reservedPrefixConfig"
		}
		if !slices.ContainsFunc(slices.Collect(maps.Keys(settings)), func(s string) bool { return strings.EqualFold(s, name) }) {
			t.Errorf("server.%s is not in the schema", name)
		}
	}
}

// schemaNode is what the test reads of a JSON schema.
type schemaNode struct {
	Ref         string                `json:"$ref"`
	Description string                `json:"description"`
	Properties  map[string]schemaNode `json:"properties"`
}

// schemaFile is values.schema.json.
type schemaFile struct {
	schemaNode
	Definitions map[string]schemaNode `json:"definitions"`
}

// readChart reads the schema and values.yaml.
func readChart(t *testing.T) (schema schemaFile, values map[string]any) {
	t.Helper()
	read := func(name string, to any, unmarshal func([]byte, any) error) {
		data, err := os.ReadFile(chart + "/" + name)
		if err == nil {
			err = unmarshal(data, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	read("values.schema.json", &schema, json.Unmarshal)
	read("values.yaml", &values, func(data []byte, to any) error { return yaml.Unmarshal(data, to) })
	return schema, values
}

// Every value is described by the schema, and every one that the schema describes has
// its place in values.yaml, where people look first.
func TestSchemaDescribesEveryValue(t *testing.T) {
	t.Parallel()
	schema, values := readChart(t)
	count := 0
	var walk func(path string, node schemaNode, value any)
	walk = func(path string, node schemaNode, value any) {
		count++
		if node.Description == "" && schema.Definitions[strings.TrimPrefix(node.Ref, "#/definitions/")].Description == "" && path != "" {
			t.Errorf("%s has no description", path)
		}
		object, _ := value.(map[string]any)
		for name, child := range node.Properties {
			v, found := object[name]
			// What is in config is as eksauthd has it, or cannot be guessed.
			if !found && name != "global" && !strings.HasPrefix(path, ".authenticator.config") {
				t.Errorf("%s.%s is not in values.yaml", path, name)
			}
			walk(path+"."+name, child, v)
		}
		for name := range object {
			if _, found := node.Properties[name]; !found && node.Properties != nil {
				t.Errorf("%s.%s is not in the schema", path, name)
			}
		}
	}
	walk("", schema.schemaNode, values)
	if count < 60 {
		t.Errorf("only %d values", count)
	}
}
