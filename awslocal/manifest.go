package awslocal

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"

	"go.yaml.in/yaml/v3"

	"github.com/eksauth/eksauth/awsauth"
)

// AWSAuth is the manifest of the ConfigMap kube-system/aws-auth with the
// cluster's mappings, for kubectl apply.
func (c Cluster) AWSAuth() ([]byte, error) {
	data, err := c.configMapData()
	if err != nil {
		return nil, err
	}
	type metadata struct {
		Name      string `yaml:"name"`
		Namespace string `yaml:"namespace"`
	}
	return encodeYAML(struct {
		APIVersion string            `yaml:"apiVersion"`
		Kind       string            `yaml:"kind"`
		Metadata   metadata          `yaml:"metadata"`
		Data       map[string]string `yaml:"data"`
	}{"v1", "ConfigMap", metadata{"aws-auth", "kube-system"}, data})
}

// Mappings are the cluster's mappings as the authenticator reads them from its
// ConfigMap.
func (c Cluster) Mappings() (awsauth.Document, error) {
	data, err := c.configMapData()
	if err != nil {
		return awsauth.Document{}, err
	}
	return awsauth.ParseConfigMap(data), nil
}

// configMapData has only the keys that have entries.
func (c Cluster) configMapData() (map[string]string, error) {
	data := map[string]string{}
	for key, list := range map[string]any{awsauth.MapRoles: c.MapRoles, awsauth.MapUsers: c.MapUsers, awsauth.MapAccounts: c.MapAccounts} {
		text, err := encodeYAML(list)
		if err != nil {
			return nil, err
		}
		if string(text) != "[]\n" {
			data[key] = string(text)
		}
	}
	return data, nil
}

// AuthenticatorConfig is a configuration file for eksauthd authenticator, or for
// aws-iam-authenticator, that serves the cluster. State is kept under dir. With
// a kubeconfig the mappings come from the cluster's access entries and from the
// ConfigMap aws-auth of that API server; without, from the file itself.
func (c PlacedCluster) AuthenticatorConfig(dir, kubeconfig string) ([]byte, error) {
	type server struct {
		Address            string        `yaml:"address"`
		StateDir           string        `yaml:"stateDir"`
		GenerateKubeconfig string        `yaml:"generateKubeconfig"`
		Partition          string        `yaml:"partition"`
		BackendMode        []string      `yaml:"backendMode"`
		Kubeconfig         string        `yaml:"kubeconfig,omitempty"`
		MapRoles           []RoleMapping `yaml:"mapRoles,omitempty"`
		MapUsers           []UserMapping `yaml:"mapUsers,omitempty"`
		MapAccounts        []string      `yaml:"mapAccounts,omitempty"`
	}
	s := server{
		Address:            "127.0.0.1",
		StateDir:           dir,
		GenerateKubeconfig: filepath.Join(dir, "kubeconfig.yaml"),
		Partition:          c.Partition,
	}
	if kubeconfig != "" {
		s.BackendMode, s.Kubeconfig = []string{awsauth.EKSAccessEntries, awsauth.EKSConfigMap}, kubeconfig
	} else {
		s.BackendMode = []string{awsauth.MountedFile}
		s.MapRoles, s.MapUsers, s.MapAccounts = c.MapRoles, c.MapUsers, c.MapAccounts
	}
	return encodeYAML(struct {
		ClusterID string `yaml:"clusterID"`
		Server    server `yaml:"server"`
	}{c.Name, s})
}

func encodeYAML(v any) ([]byte, error) {
	n, err := yamlNode(reflect.ValueOf(v))
	if err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(n); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return b.Bytes(), nil
}
