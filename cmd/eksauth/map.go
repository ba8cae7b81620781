package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/kubectl"
	"github.com/eksauth/eksauth/internal/mapedit"
)

// Where aws-auth is in a cluster.
const (
	awsAuthNamespace = "kube-system"
	awsAuthName      = "aws-auth"
)

// clusterTimeout bounds one command's talk with a cluster. An exec plugin may
// wait for somebody at a browser.
const clusterTimeout = 2 * time.Minute

func (p *program) newMap() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "map",
		Short: "Who becomes whom: read, explain and edit aws-auth",
		Long: `Read, explain and edit the mappings of kube-system/aws-auth: those of
the cluster of the current context, through your own kubectl, or those in the
manifest of a ConfigMap: -f FILE, or -f - for standard input.

What only reads takes custom resources IAMIdentityMapping as well, and files with
EKS access entries.`,
		Example: `  eksauth map list
  eksauth map list -f aws-auth.yaml -o json
  eksauth map explain arn:aws:iam::111122223333:user/ada.lovelace`,
	}
	cmd.AddCommand(p.newMapList(), p.newMapExplain(), p.newMapLint(), p.newMapAdd(), p.newMapRemove(), p.newMapRestore(), p.newMapDiff(), p.newMapConvert())
	return cmd
}

// mapSource says where mappings are: in a file, or in a cluster.
type mapSource struct {
	file    string
	kind    string // of mappings in a cluster: customResources, or "" for aws-auth
	cluster kubectl.Client
}

func (s *mapSource) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.file, "filename", "f", "", "`file` with the manifest of aws-auth, or - for standard input, in place of a cluster")
	s.addClusterFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("filename", "kubeconfig")
	cmd.MarkFlagsMutuallyExclusive("filename", "context")
}

// addKind adds a flag for those who only read.
func (s *mapSource) addKind(cmd *cobra.Command) {
	cmd.Flags().Var((*mappingKind)(&s.kind), "from", "`kind` of mappings in the cluster: aws-auth or custom-resources; a file tells by itself, and may have access entries as well")
}

// mappingKind is the value of --from.
type mappingKind string

// The forms that mappings have.
const (
	awsAuth         = "aws-auth"
	customResources = "custom-resources"
	accessEntries   = "access-entries"
)

func (k *mappingKind) String() string { return string(*k) }
func (k *mappingKind) Type() string   { return "kind" }
func (k *mappingKind) Set(s string) error {
	if s != awsAuth && s != customResources {
		return cli.Usage("it is aws-auth or custom-resources")
	}
	*k = mappingKind(s)
	return nil
}

func (s *mapSource) addClusterFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.cluster.Kubeconfig, "kubeconfig", "", "kubeconfig `file` for kubectl")
	cmd.Flags().StringVar(&s.cluster.Context, "context", "", "`context` of the kubeconfig")
}

// name is what a person calls the source.
func (s *mapSource) name() string {
	switch {
	case s.file == "-":
		return "standard input"
	case s.file != "":
		return s.file
	case s.kind == customResources && s.cluster.Context != "":
		return "custom resources of " + s.cluster.Context
	case s.kind == customResources:
		return "custom resources"
	case s.cluster.Context != "":
		return awsAuthNamespace + "/" + awsAuthName + " of " + s.cluster.Context
	}
	return awsAuthNamespace + "/" + awsAuthName
}

// readMappings reads mappings from where s says.
func (p *program) readMappings(ctx context.Context, s *mapSource) (awsauth.Document, error) {
	said, err := p.read(ctx, s)
	return said.doc, err
}

// readData reads the texts of aws-auth. lineOf is the line in the file of a line
// in a key's text; 0 if there is no file.
func (p *program) readData(ctx context.Context, s *mapSource) (data map[string]string, lineOf func(key string, line int) int, err error) {
	if s.file == "" {
		data, err = readCluster(ctx, s.cluster)
		return data, func(string, int) int { return 0 }, err
	}
	m, err := p.readManifest(s.file)
	if err != nil {
		return nil, nil, err
	}
	return m.Data, m.Line, nil
}

// readManifest reads a file, or standard input for "-".
func (p *program) readManifest(path string) (*mapedit.Manifest, error) {
	text, err := p.readInput(path)
	if err != nil {
		return nil, err
	}
	m, err := mapedit.ReadManifest(text)
	if err != nil {
		return nil, cli.Hint(fmt.Errorf("%s: %w", path, err), "kubectl -n kube-system get configmap aws-auth -o yaml")
	}
	return m, nil
}

// maxInput bounds what is read from a file or standard input, in bytes.
const maxInput = 16 << 20

func (p *program) readInput(path string) ([]byte, error) {
	in := p.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInput))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return text, nil
}

func readCluster(ctx context.Context, c kubectl.Client) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	raw, err := c.Get(ctx, "configmap", awsAuthNamespace, awsAuthName)
	if err != nil {
		return nil, kubectlHint(err)
	}
	var object struct{ Data map[string]string }
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, fmt.Errorf("kubectl printed no ConfigMap: %w", err)
	}
	return object.Data, nil
}

// kubectlHint takes the hint of a kubectl.Error to where cli prints hints.
func kubectlHint(err error) error {
	var failed *kubectl.Error
	if !errors.As(err, &failed) {
		return err
	}
	if failed.Reason == kubectl.NotFound {
		return cli.Hint(err, "the cluster has no aws-auth; it may use EKS access entries alone: aws eks list-access-entries")
	}
	if failed.Hint() != "" {
		return cli.Hint(err, "%s", failed.Hint())
	}
	return err
}
