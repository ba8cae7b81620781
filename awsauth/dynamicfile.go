package awsauth

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// ParseDynamicFile reads the JSON file of aws-iam-authenticator's backend
// DynamicFile: mapRoles, mapUsers and mapAccounts, as in aws-auth, and
// LastUpdatedDateTime, Version and ClusterID, which say nothing about mappings.
// Names do not depend on case.
//
// With userIDStrict (its dynamicfileUserIDStrict) an entry is for whoever has its
// userid and for nobody else, and the ARN is there for people only.
//
// A file that is not JSON breaks all keys: Live keeps what it said before.
func ParseDynamicFile(data []byte, userIDStrict bool) Document {
	doc := Document{Source: DynamicFile}
	root := doc.readJSON(data)
	if root == nil {
		return doc
	}
	r := newEntryReader(&doc, false)
	r.byUserID = userIDStrict
	list := fields(root, &r.budget, func(s Severity, line int, hint, format string, args ...any) {
		doc.note(s, "", line, hint, format, args...)
		if s == Error { // a key is there twice, or there are too many
			doc.Broken = keys()
		}
	})
	if len(doc.Broken) > 0 {
		return doc
	}
	for _, f := range list {
		switch i := slices.IndexFunc(keys(), func(k string) bool { return (field{name: k}).lower() == f.lower() }); {
		case i >= 0:
			r.read(keys()[i], f.value)
		case slices.Contains([]string{"lastupdateddatetime", "version", "clusterid"}, f.lower()):
		default:
			doc.unknownName(f, list)
		}
	}
	sortEntries(doc.Entries)
	sortEntries(doc.Rejected)
	doc.Silent = len(doc.Broken) == 0 && !slices.ContainsFunc(list, isMappings)
	return doc
}

// isMappings: an empty list says that there are none.
func isMappings(f field) bool {
	return slices.ContainsFunc(keys(), func(k string) bool { return (field{name: k}).lower() == f.lower() }) && !isNull(f.value)
}

// readJSON is the object that a file holds; nil if it holds none, which breaks all
// keys.
func (d *Document) readJSON(data []byte) *yaml.Node {
	broken := func(line int, hint, format string, args ...any) *yaml.Node {
		d.note(Error, "", line, hint, format, args...)
		d.Broken = keys()
		return nil
	}
	if len(data) > maxFile {
		return broken(0, "", "the file is longer than %d bytes", maxFile)
	}
	root, fault := parseJSON(data)
	switch {
	case fault != nil:
		return broken(fault.line, fault.hint, "the file is not JSON: %s", fault.message)
	case root.Kind != yaml.MappingNode:
		return broken(root.Line, "begin with {\"mapRoles\": […]}", "the file is %s, not an object", kindOf(root))
	}
	return root
}

// unknownName: a key that is a slip of the pen for one that is missing must not
// pass for no mappings.
func (d *Document) unknownName(f field, list []field) {
	meant := suggest(f.name, keys())
	there := slices.ContainsFunc(list, func(o field) bool { return o.lower() == (field{name: meant}).lower() })
	if meant != "" && !there {
		d.fail(meant, f.line, "rename it to "+meant, "the file has no key %s, but %s", meant, quote(f.name))
		return
	}
	d.noteRule(KnownKey, Warning, "", f.line, "known here: mapRoles, mapUsers, mapAccounts", "the key %s is not read", quote(f.name))
}
