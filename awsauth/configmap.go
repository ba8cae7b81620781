package awsauth

import (
	"maps"
	"slices"
)

// ParseConfigMap reads the data of the ConfigMap kube-system/aws-auth: mapRoles,
// mapUsers and mapAccounts, each of them a text of YAML (or JSON) of its own.
// Keys within entries do not depend on case (rolearn, roleARN). Lines in faults
// and entries count from the first line of the key's text.
//
// A text that cannot be read breaks its own key only. The names of the keys do
// depend on case; when one is missing and another key looks like a slip of the
// pen for it, the missing one is reported broken rather than empty. If all are
// missing or blank, the document is Silent.
//
// Source: "Grant IAM users access to Kubernetes with a ConfigMap" in the EKS
// user guide; aws-iam-authenticator for what works in practice.
func ParseConfigMap(data map[string]string) Document {
	doc := Document{Source: EKSConfigMap}
	r := newEntryReader(&doc, false)
	for _, key := range keys() {
		if s, ok := data[key]; ok {
			r.readText(key, s)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if !slices.Contains(keys(), key) {
			doc.unknownKey(key, data)
		}
	}
	doc.Silent = len(doc.Broken) == 0 && !slices.ContainsFunc(keys(), func(key string) bool { return !isSkipped(data[key]) })
	return doc
}

func (r *entryReader) readText(key, s string) {
	if len(s) > maxText {
		r.doc.fail(key, 0, "", "%s is longer than %d bytes", key, maxText)
		return
	}
	if isSkipped(s) {
		return
	}
	root, more, err := parseYAML([]byte(s))
	if err != nil {
		r.doc.fail(key, err.line, err.hint, "%s is not YAML: %s", key, err.message)
		return
	}
	if more > 0 {
		r.doc.warn(key, more, "remove the line ---", "only the first YAML document of %s is read", key)
	}
	if root != nil {
		r.read(key, root)
	}
}

func (d *Document) unknownKey(key string, data map[string]string) {
	meant := suggest(key, keys())
	if _, there := data[meant]; meant != "" && !there {
		d.fail(meant, 0, "rename it to "+meant, "the ConfigMap has no key %s, but %s", meant, quote(key))
		return
	}
	d.noteRule(KnownKey, Warning, key, 0, "known here: mapRoles, mapUsers, mapAccounts", "the key %s is not read", quote(key))
}
