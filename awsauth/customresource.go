package awsauth

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eksauth/eksauth/arn"
)

// IdentityMapping is a custom resource IAMIdentityMapping
// (iamauthenticator.k8s.aws/v1alpha1) of aws-iam-authenticator.
type IdentityMapping struct {
	Name    string
	Created time.Time

	ARN      string // spec.arn
	Username string
	Groups   []string
}

// ParseIdentityMappings makes a document of custom resources. They have no order of
// their own: the older comes first, so that a new one takes nothing away from one
// that is there, and of two of one age the one whose name comes first. Faults name
// the object in place of a key.
func ParseIdentityMappings(list []IdentityMapping) Document {
	doc := Document{Source: CRD}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b IdentityMapping) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Name, b.Name))
	})
	for i, m := range list {
		doc.Add(Entry{Key: keyFor(m.ARN), Name: m.Name, Index: i, ARN: m.ARN, Username: m.Username, Groups: slices.Clone(m.Groups)})
	}
	return doc
}

// keyFor is the list to which an ARN belongs, as far as that can be seen.
func keyFor(s string) string {
	n := notes{entry: Entry{Key: MapUsers}}
	if p, _, ok := n.readARN(s); ok && p.Kind != arn.Role && p.Kind != arn.AssumedRole {
		return MapUsers
	}
	return MapRoles
}

// IdentityMappingsOf makes the custom resources that give what the entries in use of
// a table give, but for what it leaves. Their names are made of those of the
// principals; where the order of entries counts, because of wildcards, it is in the
// names.
func IdentityMappingsOf(t *Table) (list []IdentityMapping, left []Left) {
	used := t.Used()
	ordered := slices.ContainsFunc(used, func(e Entry) bool { return strings.ContainsAny(e.ARN, wildcards) })
	taken := map[string]bool{}
	for i, e := range used {
		if why := e.noCustomResource(); why != "" {
			left = append(left, Left{e, why})
			continue
		}
		name := objectName(e.ARN)
		if ordered {
			name = fmt.Sprintf("%04d-%s", i, name)
		}
		for n, base := 2, name; taken[name]; n++ {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		taken[name] = true
		list = append(list, IdentityMapping{Name: name, ARN: e.ARN, Username: cmp.Or(e.Username, canonicalOf(e.ARN)), Groups: slices.Clone(e.Groups)})
	}
	return list, left
}

func (e Entry) noCustomResource() string {
	switch {
	case e.SSO != nil:
		return "a custom resource is for an ARN: write the role's, with a * for its suffix"
	case e.Account != "":
		return "a custom resource is for a role or a user, not for an account"
	case e.UserID != "":
		return "it pins a user id, and a custom resource has no place for one"
	}
	return ""
}

func canonicalOf(s string) string {
	if p, err := arn.ParsePrincipal(lowerHead(s)); err == nil {
		return p.Canonical()
	}
	return s
}

// objectName makes a name of the kind that Kubernetes takes (RFC 1123, subdomain) of
// an ARN: its account, its kind and its name.
func objectName(s string) string {
	parts := strings.SplitN(strings.ToLower(s), ":", 6)
	resource := parts[len(parts)-1]
	if len(parts) == 6 {
		resource += "." + parts[4]
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '-'
	}, resource)
	var labels []string
	for label := range strings.SplitSeq(name[:min(len(name), 200)], ".") {
		if label = strings.Trim(label, "-"); label != "" {
			labels = append(labels, label)
		}
	}
	return strings.Join(labels, ".")
}
