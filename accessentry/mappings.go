package accessentry

import (
	"slices"

	"github.com/eksauth/eksauth/awsauth"
)

// Mappings makes the mappings that give what access entries give, but for what it
// leaves: access policies, of which only AmazonEKSClusterAdminPolicy for the whole
// cluster has an equal, the group system:masters.
//
// Nodes get system:bootstrappers as well, as EKS's own tools write it, and roles lose
// their paths, by which no mapping matches.
func Mappings(entries []Entry) (doc awsauth.Document, left []awsauth.Left) {
	doc.Source = awsauth.EKSAccessEntries
	for i, e := range entries {
		e = e.Normal()
		m := e.mapping()
		m.Source, m.Name, m.Index = doc.Source, e.PrincipalARN, i
		m.Groups = append(e.typeGroups(), e.Groups...)
		if e.isNode() && !slices.Contains(m.Groups, bootstrappers) {
			m.Groups = slices.Insert(m.Groups, 0, bootstrappers)
		}
		for _, a := range e.Policies {
			if a.Policy == clusterAdmin && len(a.Namespaces) == 0 {
				m.Groups = append(m.Groups, masters)
				continue
			}
			left = append(left, awsauth.Left{Entry: m, Why: "the access policy " + a.Policy + " has no equal: give its rights by a group and RBAC"})
		}
		doc.Add(m)
	}
	return doc, left
}
