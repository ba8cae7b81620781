package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/eksauth/eksauth/accessentry"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/mapedit"
)

// said is what a text with mappings says.
type said struct {
	doc     awsauth.Document
	entries []accessentry.Entry // where it is access entries
}

// read reads mappings from where s says, in any of the forms that have them.
func (p *program) read(ctx context.Context, s *mapSource) (said, error) {
	if s.file == "" {
		return s.readCluster(ctx)
	}
	text, err := p.readInput(s.file)
	if err != nil {
		return said{}, err
	}
	said, err := readMappingsText(text)
	if errors.Is(err, mapedit.ErrNoConfigMap) {
		return said, cli.Hint(fmt.Errorf("%s: %w", s.name(), err),
			"kubectl -n kube-system get configmap aws-auth -o yaml; or kubectl get iamidentitymappings -o yaml; or the answers of aws eks describe-access-entry, one after the other")
	} else if err != nil {
		return said, fmt.Errorf("%s: %w", s.name(), err)
	}
	return said, nil
}

func (s *mapSource) readCluster(ctx context.Context) (said, error) {
	if s.kind != customResources {
		data, err := readCluster(ctx, s.cluster)
		return said{doc: awsauth.ParseConfigMap(data)}, err
	}
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	raw, err := s.cluster.List(ctx, "iamidentitymappings.iamauthenticator.k8s.aws", "", "")
	if err != nil {
		return said{}, kubectlHint(err)
	}
	var list identityList
	if err := json.Unmarshal(raw, &list); err != nil {
		return said{}, fmt.Errorf("kubectl printed no list: %w", err)
	}
	return said{doc: awsauth.ParseIdentityMappings(list.mappings())}, nil
}

// identityObject is an IAMIdentityMapping as its manifest has it.
type identityObject struct {
	APIVersion string `json:"apiVersion" yaml:"apiVersion"`
	Kind       string `json:"kind" yaml:"kind"`
	Metadata   struct {
		Name              string    `json:"name" yaml:"name"`
		CreationTimestamp time.Time `json:"creationTimestamp" yaml:"creationTimestamp,omitempty"`
	} `json:"metadata" yaml:"metadata"`
	Spec struct {
		ARN      string   `json:"arn" yaml:"arn"`
		Username string   `json:"username" yaml:"username"`
		Groups   []string `json:"groups" yaml:"groups,omitempty,flow"`
	} `json:"spec" yaml:"spec"`
}

type identityList struct {
	Kind  string           `json:"kind" yaml:"kind"`
	Items []identityObject `json:"items" yaml:"items"`
}

func (l identityList) mappings() []awsauth.IdentityMapping {
	var list []awsauth.IdentityMapping
	for _, o := range l.Items {
		if o.Kind == "" || o.Kind == identityKind {
			list = append(list, awsauth.IdentityMapping{Name: o.Metadata.Name, Created: o.Metadata.CreationTimestamp, ARN: o.Spec.ARN, Username: o.Spec.Username, Groups: o.Spec.Groups})
		}
	}
	return list
}

const identityKind = "IAMIdentityMapping"

// readMappingsText finds out by what stands in it what a text is.
func readMappingsText(text []byte) (said, error) {
	if entries, ok := readAWSAnswers(text); ok {
		return said{doc: accessentry.Document(entries), entries: entries}, nil
	}
	custom := identityList{}
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var node yaml.Node
		if err := decoder.Decode(&node); err != nil {
			break // the end, or what ReadManifest will complain of
		}
		var head struct {
			Kind          string
			AccessEntries []yaml.Node `yaml:"accessEntries"`
		}
		if node.Decode(&head) != nil {
			continue
		}
		switch {
		case head.AccessEntries != nil:
			entries, err := readWorldEntries(&node)
			return said{doc: accessentry.Document(entries), entries: entries}, err
		case head.Kind == identityKind:
			var o identityObject
			if err := node.Decode(&o); err != nil {
				return said{}, fmt.Errorf("a custom resource: %w", err)
			}
			custom.Items = append(custom.Items, o)
		case head.Kind == "List" || head.Kind == identityKind+"List":
			var l identityList
			if err := node.Decode(&l); err != nil {
				return said{}, fmt.Errorf("a list of custom resources: %w", err)
			}
			custom.Items = append(custom.Items, l.Items...)
		}
	}
	if list := custom.mappings(); len(list) > 0 {
		return said{doc: awsauth.ParseIdentityMappings(list)}, nil
	}
	m, err := mapedit.ReadManifest(text)
	if err != nil {
		return said{}, err
	}
	return said{doc: awsauth.ParseConfigMap(m.Data)}, nil
}

// worldEntry is an access entry as a world file has it.
type worldEntry struct {
	PrincipalARN   string           `yaml:"principalArn"`
	Type           accessentry.Type `yaml:"type,omitempty"`
	Username       string           `yaml:"username,omitempty"`
	Groups         []string         `yaml:"groups,omitempty,flow"`
	AccessPolicies []worldPolicy    `yaml:"accessPolicies,omitempty"`
}

type worldPolicy struct {
	Policy     string   `yaml:"policy"`
	Namespaces []string `yaml:"namespaces,omitempty,flow"`
}

func readWorldEntries(node *yaml.Node) ([]accessentry.Entry, error) {
	var file struct {
		AccessEntries []worldEntry `yaml:"accessEntries"`
	}
	if err := node.Decode(&file); err != nil {
		return nil, fmt.Errorf("accessEntries: %w", err)
	}
	entries := []accessentry.Entry{}
	for _, w := range file.AccessEntries {
		e := accessentry.Entry{PrincipalARN: w.PrincipalARN, Type: w.Type, Username: w.Username, Groups: w.Groups}
		for _, policy := range w.AccessPolicies {
			e.Policies = append(e.Policies, accessentry.Association{Policy: policy.Policy, Namespaces: policy.Namespaces})
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// readAWSAnswers reads answers of DescribeAccessEntry and ListAssociatedAccessPolicies
// (EKS API), in JSON, one after the other. ok is false if the text is something else.
func readAWSAnswers(text []byte) (entries []accessentry.Entry, ok bool) {
	place := map[string]int{}
	at := func(principal string) *accessentry.Entry {
		i, known := place[principal]
		if !known {
			i = len(entries)
			place[principal] = i
			entries = append(entries, accessentry.Entry{PrincipalARN: principal})
		}
		return &entries[i]
	}
	for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
		var answer struct {
			AccessEntry *struct {
				PrincipalARN, Username string
				KubernetesGroups       []string
				Type                   accessentry.Type
			}
			AssociatedAccessPolicies []struct {
				PolicyARN   string
				AccessScope struct {
					Type       string
					Namespaces []string
				}
			}
			PrincipalARN string
		}
		if err := decoder.Decode(&answer); errors.Is(err, io.EOF) {
			for i, e := range entries {
				entries[i] = e.Normal()
			}
			return entries, len(entries) > 0
		} else if err != nil {
			return nil, false
		}
		switch a := answer.AccessEntry; {
		case a != nil && a.PrincipalARN != "":
			e := at(a.PrincipalARN)
			e.Username, e.Groups, e.Type = a.Username, a.KubernetesGroups, a.Type
		case answer.AssociatedAccessPolicies != nil && answer.PrincipalARN != "":
			e := at(answer.PrincipalARN)
			for _, p := range answer.AssociatedAccessPolicies {
				e.Policies = append(e.Policies, accessentry.Association{Policy: p.PolicyARN[strings.LastIndexByte(p.PolicyARN, '/')+1:], Namespaces: p.AccessScope.Namespaces})
			}
		default:
			return nil, false
		}
	}
}
