package awsauth

import (
	"cmp"
	"slices"
	"strings"
)

// Config is the configuration file of aws-iam-authenticator.
type Config struct {
	ClusterID   string // the cluster that tokens must be for
	DefaultRole string // documented there for the token command; not used by the authenticator
	Server      Server

	// Mappings are the entries of server.mapRoles, mapUsers and mapAccounts.
	// Those that cannot be used are named in its faults and do not fail
	// ParseConfig.
	Mappings Document
	// Faults of everything else, warnings included.
	Faults []Fault

	lines map[string]int // of the settings in the file
}

// Server is the section server of Config. Names are those of the file.
type Server struct {
	Port                   int    // TCP port of /authenticate
	Hostname               string // under which the API server reaches it
	Address                string // to listen on
	StateDir               string // of the generated certificate and key
	GenerateKubeconfig     string // path of the webhook kubeconfig to write
	KubeconfigPregenerated bool   // do not write it
	Kubeconfig             string // path; for reading the cluster's mappings
	Master                 string // URL of the API server, over that of Kubeconfig
	Partition              string // AWS partition that tokens must be of

	BackendMode      []string            // the sources, in the order in which they are searched
	ScrubbedAccounts []string            // accounts that must not be logged
	ReservedPrefixes map[string][]string // by source: usernames that it may not give

	EC2DescribeInstancesRoleARN string
	EC2DescribeInstancesQPS     int
	EC2DescribeInstancesBurst   int
	DynamicFilePath             string
	DynamicFileUserIDStrict     bool
	DynamicBackendModePath      string
}

// DefaultConfig has the values that aws-iam-authenticator uses for settings
// that are not in the file.
func DefaultConfig() Config {
	return Config{
		Server: Server{
			Port:                      21362,
			Hostname:                  "localhost",
			Address:                   "127.0.0.1",
			StateDir:                  "/var/aws-iam-authenticator",
			GenerateKubeconfig:        "/etc/kubernetes/aws-iam-authenticator/kubeconfig.yaml",
			Partition:                 "aws",
			BackendMode:               []string{MountedFile},
			EC2DescribeInstancesQPS:   15,
			EC2DescribeInstancesBurst: 5,
		},
		Mappings: Document{Source: MountedFile},
	}
}

// Sources declares the configured sources for NewLive, in SearchOrder; and, where
// the order may change, all others as idle.
func (c Config) Sources() []Source {
	var sources []Source
	for _, mode := range SearchOrder(c.Server.BackendMode) {
		sources = append(sources, Source{Name: mode, ReservedPrefixes: c.Server.ReservedPrefixes[mode]})
	}
	if c.Server.DynamicBackendModePath == "" {
		return sources
	}
	for _, mode := range modes() {
		if !slices.Contains(c.Server.BackendMode, mode) {
			sources = append(sources, Source{Name: mode, ReservedPrefixes: c.Server.ReservedPrefixes[mode], Idle: true})
		}
	}
	return sources
}

// ConfigError is everything that is wrong with a configuration file.
type ConfigError struct{ Faults []Fault }

// Error is one line for each fault.
func (e *ConfigError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// configError makes one of those faults that are errors; nil if none is.
func configError(faults []Fault) error {
	bad := slices.DeleteFunc(slices.Clone(faults), func(f Fault) bool { return f.Severity != Error })
	if len(bad) == 0 {
		return nil
	}
	slices.SortStableFunc(bad, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
	return &ConfigError{Faults: bad}
}

// Validate checks what can only be known when the command line has had its
// say over the file: that there is a cluster id, and that the sources are
// known, different, and have what they need. The error is a *ConfigError.
func (c Config) Validate() error {
	doc := Document{}
	if c.ClusterID == "" {
		doc.failSetting(c, "clusterID", "give the cluster's id or name; tokens carry it, so that one cluster's are no good for another", "there is no clusterID")
	}
	if len(c.Server.BackendMode) == 0 {
		doc.failSetting(c, "server.backendMode", "known: "+strings.Join(modes(), ", "), "there is no backendMode")
	}
	for i, mode := range c.Server.BackendMode {
		if !slices.Contains(modes(), mode) {
			doc.failSetting(c, "server.backendMode", didYouMean(mode, modes()), "the backendMode %s is not known", quote(mode))
		}
		if slices.Contains(c.Server.BackendMode[:i], mode) {
			doc.failSetting(c, "server.backendMode", "each source is searched once", "the backendMode %s is there twice", mode)
		}
	}
	dynamic := slices.Contains(c.Server.BackendMode, DynamicFile)
	switch {
	case dynamic && c.Server.DynamicFilePath == "":
		doc.failSetting(c, "server.backendMode", "set server.dynamicfilepath", "the backendMode DynamicFile has no file")
	case !dynamic && c.Server.DynamicFilePath != "" && c.Server.DynamicBackendModePath == "":
		doc.failSetting(c, "server.dynamicfilepath", "add DynamicFile to server.backendMode", "dynamicfilepath is not used without the backendMode DynamicFile")
	}
	return configError(doc.Faults)
}

func (d *Document) failSetting(c Config, key, hint, format string, args ...any) {
	d.note(Error, key, c.lines[key], hint, format, args...)
}

func modes() []string { return []string{MountedFile, EKSConfigMap, CRD, DynamicFile, EKSAccessEntries} }
