package kubeconfig

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"github.com/eksauth/eksauth/internal/atomicfile"
)

// Entry is one way to reach one cluster.
type Entry struct {
	Context string // name of the context
	Cluster string // name of the cluster
	User    string // name of the user

	Server string // the API server's URL
	CA     []byte // PEM; nil means the system's trust

	// One of Exec and ClientCert.
	Exec       *Exec
	ClientCert *ClientCert

	// Current makes it the file's current context.
	Current bool
}

// Exec is a credential plugin (client.authentication.k8s.io/v1beta1).
type Exec struct {
	Command string
	Args    []string
	Env     []EnvVar
}

// EnvVar is a variable in the environment of an Exec.
type EnvVar struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
}

// ClientCert is a TLS client certificate and its key, both PEM.
type ClientCert struct{ Cert, Key []byte }

// Merge returns doc, the content of a kubeconfig file or nothing, with e in it.
// Entries of the same names are replaced.
func Merge(doc []byte, e Entry) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(doc, &root); err != nil {
		return nil, fmt.Errorf("the kubeconfig is not YAML: %w", err)
	}
	if root.Kind == 0 {
		root = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode, Tag: "!!map"}}}
	}
	top := root.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, errors.New("the kubeconfig is not a YAML mapping")
	}
	setDefault(top, "apiVersion", "v1")
	setDefault(top, "kind", "Config")
	for _, part := range []struct {
		list, name, key string
		value           any
	}{
		{"clusters", e.Cluster, "cluster", e.cluster()},
		{"contexts", e.Context, "context", map[string]string{"cluster": e.Cluster, "user": e.User}},
		{"users", e.User, "user", e.user()},
	} {
		if err := put(top, part.list, part.name, part.key, part.value); err != nil {
			return nil, err
		}
	}
	if e.Current {
		set(top, "current-context", scalar(e.Context))
	} else {
		setDefault(top, "current-context", "")
	}
	spellNulls(top, false)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&root); err != nil {
		return nil, fmt.Errorf("write the kubeconfig: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("write the kubeconfig: %w", err)
	}
	// Keys that are no names, or what the encoder writes so that nobody can read it.
	if err := yaml.Unmarshal(out.Bytes(), new(map[string]yaml.Node)); err != nil {
		return nil, errors.New("the kubeconfig is YAML of a kind that cannot be edited")
	}
	return out.Bytes(), nil
}

// WriteFile merges e into the file at path, which need not exist. The file is
// replaced as a whole and readable by its owner only: it may hold keys.
func WriteFile(path string, e Entry) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	doc, err := Merge(old, e)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	// A kubeconfig may be a symlink into a repository of dotfiles: keep it one.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	return atomicfile.Write(path, doc, 0o600)
}

func (e Entry) cluster() any {
	type cluster struct {
		CA     string `yaml:"certificate-authority-data,omitempty"`
		Server string `yaml:"server"`
	}
	return cluster{CA: base64.StdEncoding.EncodeToString(e.CA), Server: e.Server}
}

func (e Entry) user() any {
	if e.ClientCert != nil {
		type user struct {
			Cert string `yaml:"client-certificate-data"`
			Key  string `yaml:"client-key-data"`
		}
		return user{base64.StdEncoding.EncodeToString(e.ClientCert.Cert), base64.StdEncoding.EncodeToString(e.ClientCert.Key)}
	}
	type exec struct {
		APIVersion         string   `yaml:"apiVersion"`
		Command            string   `yaml:"command"`
		Args               []string `yaml:"args"`
		Env                []EnvVar `yaml:"env,omitempty"`
		InteractiveMode    string   `yaml:"interactiveMode"`
		ProvideClusterInfo bool     `yaml:"provideClusterInfo"`
	}
	type user struct {
		Exec exec `yaml:"exec"`
	}
	return user{exec{
		APIVersion: "client.authentication.k8s.io/v1beta1",
		Command:    e.Exec.Command, Args: e.Exec.Args, Env: e.Exec.Env,
		// IfAvailable lets the plugin ask for an MFA code.
		InteractiveMode: "IfAvailable",
	}}
}

// put replaces or appends {name: NAME, KEY: value} in the list named list.
func put(top *yaml.Node, list, name, key string, value any) error {
	entry := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	var body yaml.Node
	if err := body.Encode(value); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	set(entry, key, &body)
	set(entry, "name", scalar(name))

	seq := get(top, list)
	if seq == nil || seq.Tag == "!!null" {
		seq = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		set(top, list, seq)
	}
	if seq.Kind != yaml.SequenceNode {
		return fmt.Errorf("line %d: %s is not a list", seq.Line, list)
	}
	seq.Style = 0 // "[]" must not stay on one line
	for i, old := range seq.Content {
		if n := get(old, "name"); n != nil && n.Value == name {
			seq.Content[i] = entry
			return nil
		}
	}
	seq.Content = append(seq.Content, entry)
	return nil
}

// spellNulls writes null where nothing stands for a key, or within braces or
// brackets: the encoder would make an empty text of it.
func spellNulls(n *yaml.Node, flow bool) {
	flow = flow || n.Style&yaml.FlowStyle != 0
	if flow && n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Value == "" {
		n.Value = "null"
	}
	for i, c := range n.Content {
		spellNulls(c, flow || n.Kind == yaml.MappingNode && i%2 == 0)
	}
}

func get(m *yaml.Node, key string) *yaml.Node {
	if m.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

func set(m *yaml.Node, key string, value *yaml.Node) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			m.Content[i+1] = value
			return
		}
	}
	m.Content = append(m.Content, scalar(key), value)
}

func setDefault(m *yaml.Node, key, value string) {
	if get(m, key) == nil {
		set(m, key, scalar(value))
	}
}

func scalar(s string) *yaml.Node {
	var n yaml.Node
	n.SetString(s)
	return &n
}
