package awslocal

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/eksauth/eksauth/awsauth"
)

// mapped is a cluster with every sort of mapping.
func mapped(t *testing.T) PlacedCluster {
	t.Helper()
	s := open(t, t.TempDir())
	apply(t, s, parse(t, full))
	c, err := s.Cluster("dev")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sameEntries compares mappings, wherever they stand in a file.
func sameEntries(a, b []awsauth.Entry) string {
	return cmp.Diff(a, b, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(awsauth.Entry{}, "Source", "Line"))
}

func TestAWSAuthManifest(t *testing.T) {
	t.Parallel()
	c := mapped(t)
	text, err := c.AWSAuth()
	if err != nil {
		t.Fatal(err)
	}
	var configMap corev1.ConfigMap
	if err := yaml.UnmarshalStrict(text, &configMap); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if configMap.Kind != "ConfigMap" || configMap.APIVersion != "v1" || configMap.Namespace != "kube-system" || configMap.Name != "aws-auth" {
		t.Errorf("it is %s %s %s/%s", configMap.APIVersion, configMap.Kind, configMap.Namespace, configMap.Name)
	}
	doc := awsauth.ParseConfigMap(configMap.Data)
	if diff := sameEntries(c.entries(), doc.Entries); diff != "" || len(doc.Faults) > 0 {
		t.Errorf("%s%v\n%s", diff, doc.Faults, text)
	}
	mappings, err := c.Mappings()
	if err != nil || sameEntries(doc.Entries, mappings.Entries) != "" {
		t.Errorf("Mappings: %v, %v", mappings, err)
	}
}

func TestAWSAuthManifestOfNoMappings(t *testing.T) {
	t.Parallel()
	text, err := Cluster{Name: "dev"}.AWSAuth()
	if err != nil {
		t.Fatal(err)
	}
	var configMap corev1.ConfigMap
	if err := yaml.UnmarshalStrict(text, &configMap); err != nil || len(configMap.Data) != 0 {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestAuthenticatorConfig(t *testing.T) {
	t.Parallel()
	c := mapped(t)
	for kubeconfig, modes := range map[string][]string{"": {awsauth.MountedFile}, "/data/admin.kubeconfig": {awsauth.EKSAccessEntries, awsauth.EKSConfigMap}} {
		text, err := c.AuthenticatorConfig("/data/authenticator", kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		config, err := awsauth.ParseConfig(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if err := config.Validate(); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
		if len(config.Faults) > 0 || len(config.Mappings.Faults) > 0 {
			t.Errorf("%v %v\n%s", config.Faults, config.Mappings.Faults, text)
		}
		want := awsauth.DefaultConfig().Server
		want.StateDir, want.GenerateKubeconfig = "/data/authenticator", "/data/authenticator/kubeconfig.yaml"
		want.BackendMode, want.Kubeconfig = modes, kubeconfig
		if diff := cmp.Diff(want, config.Server); diff != "" || config.ClusterID != "dev" {
			t.Errorf("cluster %s: %s\n%s", config.ClusterID, diff, text)
		}
		var entries []awsauth.Entry
		if modes[0] == awsauth.MountedFile {
			entries = c.entries()
		}
		if diff := sameEntries(entries, config.Mappings.Entries); diff != "" {
			t.Errorf("%s: %s\n%s", modes, diff, text)
		}
	}
}
