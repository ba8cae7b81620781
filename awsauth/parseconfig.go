package awsauth

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ParseConfig reads a configuration file of aws-iam-authenticator, in YAML or
// JSON. Keys do not depend on case, and a list may be written as one text with
// commas, as viper reads it there. Settings that are not in the file have the
// values of DefaultConfig.
//
// It fails if a setting is wrong or not known, or if one of the lists of
// mappings cannot be read at all. The error is then a *ConfigError with
// everything that is wrong with the file, and the Config holds what could be
// read. Call Validate once the command line is applied.
func ParseConfig(doc []byte) (Config, error) {
	c := DefaultConfig()
	c.lines = map[string]int{}
	r := configReader{
		config: &c,
		doc:    Document{Source: MountedFile},
	}
	r.entries = newEntryReader(&c.Mappings, true)
	r.read(doc)
	c.Faults = r.doc.Faults
	sortEntries(c.Mappings.Entries)
	sortEntries(c.Mappings.Rejected)
	if configError(c.Faults) == nil && len(c.Mappings.Broken) == 0 {
		return c, nil
	}
	return c, configError(append(slices.Clone(c.Faults), c.Mappings.Faults...))
}

type configReader struct {
	config  *Config
	doc     Document // collects the faults of the settings
	entries *entryReader
}

func (r *configReader) read(text []byte) {
	if len(text) > maxFile {
		r.broken(0, "", "the file is longer than %d bytes", maxFile)
		return
	}
	root, more, err := parseYAML(text)
	switch {
	case err != nil:
		r.broken(err.line, err.hint, "the file is not YAML: %s", err.message)
		return
	case more > 0:
		r.doc.note(Error, "", more, "remove the line ---", "only the first YAML document would be read")
	case root == nil:
		return
	}
	if root.Kind != yaml.MappingNode {
		r.broken(root.Line, "begin with clusterID: and server:", "the file is %s, not a mapping", kindOf(root))
		return
	}
	r.section("", topSettings(), root)
}

// broken: not one key of the file could be read.
func (r *configReader) broken(line int, hint, format string, args ...any) {
	r.doc.note(Error, "", line, hint, format, args...)
	r.config.Mappings.Broken = keys()
}

// section reads a mapping of settings.
func (r *configReader) section(prefix string, known []setting, n *yaml.Node) {
	fault := func(s Severity, line int, hint, format string, args ...any) {
		r.doc.note(s, strings.TrimSuffix(prefix, "."), line, hint, format, args...)
	}
	list := fields(n, &r.entries.budget, fault)
	for _, f := range list {
		i := slices.IndexFunc(known, func(s setting) bool { return strings.EqualFold(s.name, f.name) })
		switch {
		case i >= 0:
			v := settingValue{reader: r, key: prefix + known[i].name, line: f.line, node: f.value}
			r.config.lines[v.key] = f.line
			known[i].read(v, r.config)
		case prefix == "" && isClientKey(f.name):
			r.doc.note(Warning, f.name, f.line, "", "%s is for the token command; the authenticator does not read it", f.name)
		default:
			fault(Error, f.line, didYouMean(f.name, settingNames(known)), "the setting %s is not known", quote(prefix+f.name))
		}
	}
}

// isClientKey: the peer's server and token commands share one file.
func isClientKey(name string) bool {
	return slices.ContainsFunc([]string{
		"role", "region", "externalID", "sessionName", "forwardSessionName", "tokenOnly", "cache",
	}, func(k string) bool { return strings.EqualFold(k, name) })
}
