package deploy_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

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
		"webhook.args={--port=1}":                                    "/webhook/args/0", // the chart says that itself
		"webhook.args={--tls-cert=x}":                                "/webhook/args/0",
		"webhook.tls.caBundle=eA==":                                  "/webhook/tls/caBundle", // the webhook keeps its own
		"webhook.minAvailable=2":                                     "webhook.minAvailable must be less than webhook.replicas",
		"issuer.enabled=true,issuer.minAvailable=3":                  "issuer.minAvailable must be less than issuer.replicas",
		"webhook.minAvailable=51%":                                   "webhook.minAvailable must be less than webhook.replicas", // it is rounded up
		"issuer.enabled=true,issuer.minAvailable=100%":               "issuer.minAvailable must be less than issuer.replicas",
		"webhook.minAvailable=half":                                  "/webhook/minAvailable",
		"webhook.exemptNamespaces={Kube-System}":                     "/webhook/exemptNamespaces/0",
		"image.digest=sha256:abc":                                    "/image/digest",
		"image.repository=":                                          "image.repository is where you pushed the image",
		"image.repository=Registry.example.com/x":                    "/image/repository",
		"image.pullPolicy=Sometimes":                                 "/image/pullPolicy",
		"authenticator.enabled=true":                                 "/authenticator/config",
		"authenticator.config.server.backendMode={File}":             "/authenticator/config/server/backendMode/0",
		"authenticator.furtherSources={CRD,CRD}":                     "/authenticator/furtherSources",
		"authenticator.args={--config=/etc/x}":                       "/authenticator/args/0",
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

// schemaNode is what the test reads of a JSON schema.
type schemaNode struct {
	Ref         string                `json:"$ref"`
	Description string                `json:"description"`
	Properties  map[string]schemaNode `json:"properties"`
}

// Every value is described by the schema, and every one that the schema describes has
// its place in values.yaml, where people look first.
func TestSchemaDescribesEveryValue(t *testing.T) {
	t.Parallel()
	var schema struct {
		schemaNode
		Definitions map[string]schemaNode `json:"definitions"`
	}
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
	var values map[string]any
	read("values.yaml", &values, func(data []byte, to any) error { return yaml.Unmarshal(data, to) })
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
			if !found && name != "global" && path+"."+name != ".authenticator.config.clusterID" { // which nobody can guess
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
