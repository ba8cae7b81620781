package authtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Suite is a file of tests.
type Suite struct {
	File string `yaml:"-"`
	// World is the path of a world file, whose accounts, roles and clusters the
	// tests are about. Paths are relative to the suite's own file.
	World string `yaml:"world,omitempty"`
	// Account is that of the roles and users below, and of short names.
	Account  string    `yaml:"account,omitempty"`
	Clusters []Cluster `yaml:"clusters,omitempty"`
	Roles    []Role    `yaml:"roles,omitempty"`
	Users    []User    `yaml:"users,omitempty"`
	Tests    []Test    `yaml:"tests"`
}

// Cluster is where service accounts and aws-auth are.
type Cluster struct {
	Name string `yaml:"name"`
	// Issuer is the URL of the issuer of its tokens; of a cluster that only signs
	// people in it does not matter.
	Issuer string `yaml:"issuer,omitempty"`
	Region string `yaml:"region,omitempty"` // us-east-1 when not given
	// AWSAuth is the path of the manifest of its ConfigMap aws-auth.
	AWSAuth string `yaml:"awsAuth,omitempty"`
}

// Role is a role whose policies are files.
type Role struct {
	Name        string `yaml:"name"`
	Path        string `yaml:"path,omitempty"`
	TrustPolicy string `yaml:"trustPolicy"` // path of the document
	// Policies are paths of identity policies, or ARNs of AWS's managed ones.
	Policies []string `yaml:"policies,omitempty"`
}

// User is a user whose policies are files.
type User struct {
	Name     string   `yaml:"name"`
	Path     string   `yaml:"path,omitempty"`
	Policies []string `yaml:"policies,omitempty"`
}

// Test is one expectation, or several about the same.
type Test struct {
	Name string `yaml:"name,omitempty"`

	// Who it is about: one of these. Principals are ARNs, or user/NAME and
	// role/NAME of the suite's account.
	ServiceAccount string `yaml:"serviceAccount,omitempty"` // NAMESPACE/NAME
	Principal      string `yaml:"principal,omitempty"`
	Role           string `yaml:"role,omitempty"` // whose trust policy it is

	Cluster string `yaml:"cluster,omitempty"` // name; the only one when not given

	// Of a service account, or of a principal: roles, by name or by ARN.
	MayAssume    []string `yaml:"mayAssume,omitempty"`
	MayNotAssume []string `yaml:"mayNotAssume,omitempty"`
	// How the role is asked for.
	Audience    string            `yaml:"audience,omitempty"` // of the token; sts.amazonaws.com when not given
	ExternalID  string            `yaml:"externalId,omitempty"`
	SessionName string            `yaml:"sessionName,omitempty"`
	SourceIP    string            `yaml:"sourceIp,omitempty"`
	Tags        map[string]string `yaml:"tags,omitempty"` // of the session

	// Of a principal: actions, each "ACTION" or "ACTION on RESOURCE".
	May     []string            `yaml:"may,omitempty"`
	MayNot  []string            `yaml:"mayNot,omitempty"`
	Context map[string][]string `yaml:"context,omitempty"` // condition keys

	// Of a principal: who it is in the cluster.
	SignsInAs string   `yaml:"signsInAs,omitempty"`
	Groups    []string `yaml:"groups,omitempty"` // all of them, in any order
	NotMapped bool     `yaml:"notMapped,omitempty"`

	// Of a role: who is let in, and nobody else. Service accounts are
	// NAMESPACE/NAME, or NAMESPACE/NAME@CLUSTER; the others are principals,
	// accounts and services, as trust policies name them.
	Only []string `yaml:"only,omitempty"`
	// Of a role: accounts. Whoever is let in is of one of them; Except names
	// others, as in Only.
	NobodyOutside []string `yaml:"nobodyOutside,omitempty"`
	Except        []string `yaml:"except,omitempty"`

	line int
}

// UnmarshalYAML remembers where the test stands.
func (t *Test) UnmarshalYAML(n *yaml.Node) error {
	type plain Test
	if err := strict(n, (*plain)(t)); err != nil {
		return err
	}
	t.line = n.Line
	return nil
}

// strict decodes a node and refuses keys that are not known. Package yaml does so
// for whole documents only.
func strict(n *yaml.Node, into any) error {
	text, err := yaml.Marshal(n)
	if err != nil {
		return err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	err = decoder.Decode(into)
	if err == nil {
		return nil
	}
	// The lines are those of the copy, which begins at the node.
	return errors.New(lineOf.ReplaceAllStringFunc(friendly(err), func(s string) string {
		var line int
		fmt.Sscanf(s, "line %d:", &line)
		return fmt.Sprintf("line %d:", n.Line+line-1)
	}))
}

var lineOf = regexp.MustCompile(`line \d+:`)

// friendly words an error of package yaml for whoever wrote the file.
func friendly(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: unmarshal errors:\n")
	text = regexp.MustCompile(`field (\S+) not found in type \S+`).ReplaceAllString(text, `the key "$1" is not known`)
	text = regexp.MustCompile(`cannot unmarshal (\S+) (.*) into \S+`).ReplaceAllString(text, "$2 has no place here")
	return strings.TrimSpace(strings.ReplaceAll(text, "yaml: ", ""))
}

// maxSuite bounds a suite's file in bytes.
const maxSuite = 4 << 20

// Parse reads a suite. Errors name the file and the line.
func Parse(file string, text []byte) (*Suite, error) {
	if len(text) > maxSuite {
		return nil, fmt.Errorf("%s: it is longer than %d bytes", file, maxSuite)
	}
	s := &Suite{File: file}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(s); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: it has no tests", file)
		}
		return nil, fmt.Errorf("%s: %s", file, friendly(err))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: it has more than one document", file)
	}
	if len(s.Tests) == 0 {
		return nil, fmt.Errorf("%s: it has no tests", file)
	}
	for i := range s.Tests {
		if problem := s.Tests[i].check(); problem != "" {
			return nil, fmt.Errorf("%s: line %d: %s", file, s.Tests[i].line, problem)
		}
	}
	return s, nil
}

// check says what is wrong with a test: above all, that it expects nothing.
func (t *Test) check() string {
	subjects := 0
	for _, s := range []string{t.ServiceAccount, t.Principal, t.Role} {
		if s != "" {
			subjects++
		}
	}
	assumes := len(t.MayAssume)+len(t.MayNotAssume) > 0
	does := len(t.May)+len(t.MayNot) > 0
	signsIn := t.SignsInAs != "" || t.NotMapped || len(t.Groups) > 0
	proves := len(t.Only) > 0 || len(t.NobodyOutside) > 0
	namespace, name, ok := strings.Cut(t.ServiceAccount, "/")
	switch {
	case subjects != 1:
		return "a test is about one of serviceAccount, principal and role"
	case !assumes && !does && !signsIn && !proves:
		return "the test expects nothing: give mayAssume, mayNotAssume, may, mayNot, signsInAs, notMapped, only or nobodyOutside"
	case t.ServiceAccount != "" && (!ok || namespace == "" || name == "" || strings.Contains(name, "/")):
		return "serviceAccount is NAMESPACE/NAME"
	case t.ServiceAccount != "" && (does || signsIn || proves):
		return "of a service account a test says mayAssume or mayNotAssume"
	case t.Principal != "" && proves:
		return "only and nobodyOutside are of a role"
	case t.Role != "" && (assumes || does || signsIn):
		return "of a role a test says only or nobodyOutside; for what the role may do, write principal: role/NAME"
	case t.NotMapped && (t.SignsInAs != "" || len(t.Groups) > 0):
		return "notMapped goes without signsInAs and groups"
	case len(t.Groups) > 0 && t.SignsInAs == "":
		return "groups go with signsInAs"
	case len(t.Except) > 0 && len(t.NobodyOutside) == 0:
		return "except goes with nobodyOutside"
	case len(t.Context) > 0 && !does:
		return "context goes with may and mayNot"
	case (t.ExternalID != "" || t.SessionName != "" || t.SourceIP != "" || len(t.Tags) > 0 || t.Audience != "") && !assumes:
		return "audience, externalId, sessionName, sourceIp and tags go with mayAssume and mayNotAssume"
	case t.ServiceAccount != "" && (t.ExternalID != "" || len(t.Tags) > 0):
		return "a service account gives neither externalId nor tags"
	case t.Principal != "" && t.Audience != "":
		return "audience is of a service account's token"
	}
	return ""
}

// title is the test's name, or what it is about.
func (t *Test) title() string {
	if t.Name != "" {
		return t.Name
	}
	return strings.TrimSpace(t.ServiceAccount + t.Principal + t.Role)
}

// path is a path in the suite, from where the suite's file is.
func (s *Suite) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(filepath.Dir(s.File), p)
}
