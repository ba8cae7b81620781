package awsauth

import (
	"cmp"
	"slices"
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
