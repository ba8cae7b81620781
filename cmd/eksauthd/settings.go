package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/cli"
)

const (
	// clusterIDVariable is aws-iam-authenticator's.
	clusterIDVariable = "KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID"

	// maxConfig is how much awsauth.ParseConfig takes. One byte more is read, so
	// that it refuses what is longer, instead of reading the half of it.
	maxConfig = 16 << 20
)

// settings are a configuration file and the flags that go before it.
type settings struct {
	awsauth.Config // what counts, once load went well

	file      string
	logFormat logFormat

	// What the file has no place for.
	tlsCert, tlsKey string
}

// addSettings adds the flags that set up the server's files and address. Their
// names are aws-iam-authenticator's.
func addSettings(cmd *cobra.Command) *settings {
	s := &settings{Config: awsauth.DefaultConfig(), logFormat: "text"}
	d := s.Server
	f := cmd.Flags()
	f.StringVarP(&s.file, "config", "c", "", "`file` in aws-iam-authenticator's configuration format")
	f.VarP(&s.logFormat, "log-format", "l", "of the log on standard error: text or json")
	f.StringP("cluster-id", "i", "", "`ID` that tokens must be for (default: the file's, or $"+clusterIDVariable+")")
	f.String("hostname", d.Hostname, "`name` under which kube-apiserver reaches this server")
	f.String("address", d.Address, "IP `address` to listen on")
	f.Int("port", d.Port, "TCP `port` to listen on")
	f.String("state-dir", d.StateDir, "`directory` of the generated certificate and key")
	f.String("generate-kubeconfig", d.GenerateKubeconfig, "`path` of the kubeconfig to write for kube-apiserver's --authentication-token-webhook-config-file")
	f.StringVar(&s.tlsCert, "tls-cert", "", "`file` with a serving certificate and the chain to its authority, instead of a generated one")
	f.StringVar(&s.tlsKey, "tls-key", "", "`file` with its private key")
	return s
}

// load reads the file, applies flags and environment, and checks the result.
// All faults are reported together.
func (s *settings) load(flags *pflag.FlagSet, getenv func(string) string) error {
	faults, readable, err := s.read()
	if err != nil {
		return err
	}
	if id := getenv(clusterIDVariable); id != "" {
		s.ClusterID = id
	}
	if err := s.apply(flags); err != nil {
		return err
	}
	if readable {
		faults = append(faults, faultsOf(s.Validate())...)
	}
	if len(faults) == 0 {
		return nil
	}
	return s.complain(faults)
}

// read reads the file. It is not readable if nothing can be said of what
// stands in it.
func (s *settings) read() (faults []awsauth.Fault, readable bool, err error) {
	if s.file == "" {
		return nil, true, nil
	}
	f, err := os.Open(s.file)
	if err != nil {
		return nil, false, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, false, fmt.Errorf("configuration: %w", err)
	}
	s.Config, err = awsauth.ParseConfig(text)
	// Where not even the clusterID is known, saying that it is missing misleads.
	return faultsOf(err), s.ClusterID != "" || len(s.Mappings.Broken) == 0, nil
}

func faultsOf(err error) []awsauth.Fault {
	var c *awsauth.ConfigError
	if errors.As(err, &c) {
		return c.Faults
	}
	return nil
}

// complain is exit code 2 when the command line alone is to blame.
func (s *settings) complain(faults []awsauth.Fault) error {
	if s.file == "" {
		lines := make([]string, len(faults))
		for i, f := range faults {
			f.Source, f.Line = "", 0
			lines[i] = f.String()
		}
		return cli.Hint(cli.Usage("%s", strings.Join(lines, "\n")), "give the setting as a flag, or a file with --config")
	}
	var b strings.Builder
	scrub := newScrubber(s.Server.ScrubbedAccounts)
	for _, f := range faults {
		f.Source = ""
		b.WriteString("\n  " + scrub.text(f.String()))
	}
	return fmt.Errorf("configuration %s:%s", s.file, b.String())
}

// apply puts the flags that were given over the file.
func (s *settings) apply(flags *pflag.FlagSet) error {
	var err error
	given := func(name string, take func(value string)) {
		if f := flags.Lookup(name); f != nil && f.Changed {
			take(f.Value.String())
		}
	}
	text := func(name string, to *string) { given(name, func(v string) { *to = v }) }
	text("cluster-id", &s.ClusterID)
	text("hostname", &s.Server.Hostname)
	text("address", &s.Server.Address)
	text("state-dir", &s.Server.StateDir)
	text("generate-kubeconfig", &s.Server.GenerateKubeconfig)
	text("kubeconfig", &s.Server.Kubeconfig)
	text("master", &s.Server.Master)
	text("partition", &s.Server.Partition)
	given("kubeconfig-pregenerated", func(v string) { s.Server.KubeconfigPregenerated = v == "true" })
	given("port", func(v string) {
		if s.Server.Port, err = strconv.Atoi(v); err != nil || s.Server.Port < 0 || s.Server.Port > 65535 {
			err = cli.Usage("--port is %s, not a number from 0 to 65535", v)
		}
	})
	given("backend-mode", func(string) { s.Server.BackendMode, _ = flags.GetStringSlice("backend-mode") })
	if err != nil {
		return err
	}
	if _, ok := arn.PartitionByID(s.Server.Partition); !ok {
		return cli.Usage("--partition: AWS has no partition %q", s.Server.Partition)
	}
	if (s.tlsCert == "") != (s.tlsKey == "") {
		return cli.Usage("--tls-cert and --tls-key go together")
	}
	return nil
}

// url is where kube-apiserver finds the authenticator.
func (s *settings) url(port int) string {
	u := url.URL{Scheme: "https", Host: net.JoinHostPort(s.Server.Hostname, strconv.Itoa(port)), Path: authenticatePath}
	return u.String()
}

// names are what the serving certificate must be for.
func (s *settings) names() []string {
	names := []string{s.Server.Hostname}
	if ip := net.ParseIP(s.Server.Address); s.Server.Address != s.Server.Hostname && (ip == nil || !ip.IsUnspecified()) {
		names = append(names, s.Server.Address)
	}
	return names
}
