package awsauth

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/eksauth/eksauth/arn"
	"go.yaml.in/yaml/v3"
)

// setting is one key of the configuration file.
type setting struct {
	name string
	read func(v settingValue, c *Config)
}

func settingNames(list []setting) []string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.name
	}
	return names
}

func topSettings() []setting {
	return []setting{
		{"clusterID", func(v settingValue, c *Config) { v.text(&c.ClusterID) }},
		{"defaultRole", func(v settingValue, c *Config) { v.roleARN(&c.DefaultRole) }},
		{"server", func(v settingValue, c *Config) { v.section(serverSettings()) }},
	}
}

func serverSettings() []setting {
	return []setting{
		{"port", func(v settingValue, c *Config) { v.number(&c.Server.Port, 1, 65535) }},
		{"hostname", func(v settingValue, c *Config) { v.host(&c.Server.Hostname) }},
		{"address", func(v settingValue, c *Config) { v.host(&c.Server.Address) }},
		{"stateDir", func(v settingValue, c *Config) { v.text(&c.Server.StateDir) }},
		{"generateKubeconfig", func(v settingValue, c *Config) { v.text(&c.Server.GenerateKubeconfig) }},
		{"kubeconfigPregenerated", func(v settingValue, c *Config) { v.truth(&c.Server.KubeconfigPregenerated) }},
		{"kubeconfig", func(v settingValue, c *Config) { v.text(&c.Server.Kubeconfig) }},
		{"master", func(v settingValue, c *Config) { v.text(&c.Server.Master) }},
		{"partition", func(v settingValue, c *Config) { v.partition(&c.Server.Partition) }},
		{"backendMode", func(v settingValue, c *Config) { v.backendMode(&c.Server.BackendMode) }},
		{"scrubbedAccounts", func(v settingValue, c *Config) { v.accounts(&c.Server.ScrubbedAccounts) }},
		{"reservedPrefixConfig", func(v settingValue, c *Config) { v.reservedPrefixes(&c.Server.ReservedPrefixes) }},
		{"ec2DescribeInstancesRoleARN", func(v settingValue, c *Config) { v.roleARN(&c.Server.EC2DescribeInstancesRoleARN) }},
		{"ec2DescribeInstancesQps", func(v settingValue, c *Config) { v.number(&c.Server.EC2DescribeInstancesQPS, 1, 10_000) }},
		{"ec2DescribeInstancesBurst", func(v settingValue, c *Config) { v.number(&c.Server.EC2DescribeInstancesBurst, 1, 10_000) }},
		{"dynamicfilepath", func(v settingValue, c *Config) { v.text(&c.Server.DynamicFilePath) }},
		{"dynamicfileUserIDStrict", func(v settingValue, c *Config) { v.truth(&c.Server.DynamicFileUserIDStrict) }},
		{"dynamicBackendModePath", func(v settingValue, c *Config) { v.text(&c.Server.DynamicBackendModePath) }},
		{MapRoles, func(v settingValue, c *Config) { v.reader.entries.read(MapRoles, v.node) }},
		{MapUsers, func(v settingValue, c *Config) { v.reader.entries.read(MapUsers, v.node) }},
		{MapAccounts, func(v settingValue, c *Config) { v.reader.entries.read(MapAccounts, v.node) }},
	}
}

// settingValue reads the value of a setting. A null leaves the default.
type settingValue struct {
	reader *configReader
	key    string
	line   int
	node   *yaml.Node
}

func (v settingValue) fail(hint, format string, args ...any) {
	v.reader.doc.note(Error, v.key, v.line, hint, format, args...)
}

func (v settingValue) section(known []setting) {
	switch {
	case isNull(v.node):
	case v.node.Kind != yaml.MappingNode:
		v.fail("indent its settings under it", "%s is %s, not a mapping", v.key, kindOf(v.node))
		v.reader.config.Mappings.Broken = keys()
	default:
		v.reader.section(v.key+".", known, v.node)
	}
}

func (v settingValue) scalar() (string, bool) {
	s, ok := text(v.node)
	if !ok {
		v.fail("", "%s is %s, not a text", v.key, kindOf(v.node))
	}
	return s, ok && s != ""
}

func (v settingValue) text(to *string) {
	if s, ok := v.scalar(); ok {
		*to = s
	}
}

func (v settingValue) truth(to *bool) {
	s, ok := v.scalar()
	if !ok {
		return
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		v.fail("write true or false", "%s is %s", v.key, quote(s))
		return
	}
	*to = b
}

func (v settingValue) number(to *int, least, most int) {
	s, ok := v.scalar()
	if !ok {
		return
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		v.fail("write a number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most), "%s is %s", v.key, quote(s))
		return
	}
	*to = n
}

func (v settingValue) host(to *string) {
	s, ok := v.scalar()
	if !ok {
		return
	}
	_, err := netip.ParseAddr(s)
	if err != nil && strings.ContainsAny(s, ":/ \t") {
		v.fail("write an IP address or a host name; the port is server.port", "%s is %s", v.key, quote(s))
		return
	}
	*to = s
}

func (v settingValue) partition(to *string) {
	s, ok := v.scalar()
	if !ok {
		return
	}
	if _, known := arn.PartitionByID(s); !known {
		v.fail(didYouMean(s, partitionIDs()), "AWS has no partition %s", quote(s))
		return
	}
	*to = s
}

func (v settingValue) roleARN(to *string) {
	s, ok := v.scalar()
	if !ok {
		return
	}
	p, err := arn.ParsePrincipal(s)
	switch {
	case err != nil:
		v.fail(arnHint(MapRoles), "%s: %s", v.key, arnFault(s, err))
	case p.Kind != arn.Role:
		v.fail(arnHint(MapRoles), "%s: %s is not a role", v.key, quote(s))
	default:
		*to = s
	}
}

// list reads texts; one text stands for its words at commas and white space.
func (v settingValue) list() []string {
	if s, ok := text(v.node); ok {
		return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
	}
	if v.node.Kind != yaml.SequenceNode {
		v.fail("begin each value with a dash", "%s is %s, not a list", v.key, kindOf(v.node))
		return nil
	}
	var list []string
	for _, item := range v.node.Content {
		s, ok := text(resolve(item))
		if !ok || isBlank(s) || !v.reader.entries.budget.spend(1) {
			v.line = item.Line
			v.fail("", "%s has a value that is not a text", v.key)
			continue
		}
		list = append(list, s)
	}
	return list
}

// backendMode takes the names that aws-iam-authenticator has deprecated as
// well. Validate says which ones are not known.
func (v settingValue) backendMode(to *[]string) {
	if isNull(v.node) {
		return
	}
	*to = nil
	for _, mode := range v.list() {
		current := currentMode(mode)
		if current != mode {
			v.reader.doc.note(Warning, v.key, v.line, "write "+current, "the backendMode %s has a new name", mode)
		}
		*to = append(*to, current)
	}
}

func currentMode(mode string) string {
	switch mode {
	case "File":
		return MountedFile
	case "ConfigMap":
		return EKSConfigMap
	}
	return mode
}

func (v settingValue) accounts(to *[]string) {
	for _, s := range v.list() {
		if !arn.IsAccountID(s) {
			v.fail("an account id has twelve digits; put it in quotes", "%s has %s", v.key, quote(s))
			continue
		}
		*to = append(*to, s)
	}
}

// reservedPrefixes reads a list of {backendMode, usernamePrefixReserveList}.
func (v settingValue) reservedPrefixes(to *map[string][]string) {
	if isNull(v.node) {
		return
	}
	if v.node.Kind != yaml.SequenceNode {
		v.fail("begin each with a dash", "%s is %s, not a list", v.key, kindOf(v.node))
		return
	}
	for _, item := range v.node.Content {
		v.line, v.node = item.Line, resolve(item)
		if v.node.Kind != yaml.MappingNode {
			v.fail("give backendMode and usernamePrefixReserveList", "%s has %s, not a mapping", v.key, kindOf(v.node))
			continue
		}
		var mode string
		var prefixes []string
		v.reader.section(v.key+".", []setting{
			{"backendMode", func(v settingValue, _ *Config) { v.text(&mode) }},
			{"usernamePrefixReserveList", func(v settingValue, _ *Config) { prefixes = v.list() }},
		}, v.node)
		mode = currentMode(mode)
		if !slices.Contains(modes(), mode) {
			v.fail(didYouMean(mode, modes()), "%s: the backendMode %s is not known", v.key, quote(mode))
			continue
		}
		if *to == nil {
			*to = map[string][]string{}
		}
		(*to)[mode] = append((*to)[mode], prefixes...)
	}
}
