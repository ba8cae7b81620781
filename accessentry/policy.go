package accessentry

import (
	"fmt"
	"slices"
	"strings"
)

// Policy is an access policy: rights in Kubernetes that EKS has names for.
type Policy struct {
	Name string
	// ClusterRoles are the roles of Kubernetes that together have its rights:
	// those of the name, and those that they are aggregated from where no
	// controller does that.
	ClusterRoles []string
}

// AdminViewRole is the ClusterRole of AmazonEKSAdminViewPolicy, which Kubernetes
// has nothing like.
const AdminViewRole = "eksauth:admin-view"

// Policies are those that people are given.
//
// Source: "Review access policy permissions" in the EKS user guide; Kubernetes,
// "Using RBAC Authorization" (user-facing roles).
func Policies() []Policy {
	view := []string{"view", "system:aggregate-to-view"}
	edit := append(slices.Clone(view), "edit", "system:aggregate-to-edit")
	return []Policy{
		{"AmazonEKSAdminPolicy", append(slices.Clone(edit), "admin", "system:aggregate-to-admin")},
		{"AmazonEKSAdminViewPolicy", []string{AdminViewRole}},
		{"AmazonEKSClusterAdminPolicy", []string{"cluster-admin"}},
		{"AmazonEKSEditPolicy", edit},
		{"AmazonEKSViewPolicy", view},
	}
}

const policyPrefix = "eks::aws:cluster-access-policy/"

// ARN names the policy.
func (p Policy) ARN(partition string) string { return "arn:" + partition + ":" + policyPrefix + p.Name }

// PolicyByARN finds a policy.
func PolicyByARN(partition, policyARN string) (Policy, bool) {
	for _, p := range Policies() {
		if p.ARN(partition) == policyARN {
			return p, true
		}
	}
	return Policy{}, false
}

func policyByName(name string) (Policy, bool) {
	i := slices.IndexFunc(Policies(), func(p Policy) bool { return p.Name == name })
	if i < 0 {
		return Policy{}, false
	}
	return Policies()[i], true
}

// GroupPrefix begins the names of the groups that access policies stand for.
const GroupPrefix = "eksauth:access-policy:"

// groups are what the association gives whoever has it: one group for the
// cluster, or one for each of its namespaces. Bindings give them their rights.
func (a Association) groups() []string {
	if len(a.Namespaces) == 0 {
		return []string{GroupPrefix + a.Policy}
	}
	var groups []string
	for _, namespace := range a.Namespaces {
		groups = append(groups, GroupPrefix+a.Policy+":"+namespace)
	}
	return groups
}

// maxNamespaces is how many namespaces an association may name.
//
// Source: "EKS service quotas".
const maxNamespaces = 100

// Check says in the words of EKS why it would refuse an association; "" if it would
// not.
func (a Association) Check() (problem string) {
	if _, ok := policyByName(a.Policy); !ok {
		return "The specified policyArn could not be found. You can view available policies with 'list-access-policies'."
	}
	if len(a.Namespaces) > maxNamespaces {
		return fmt.Sprintf("An access scope can have at most %d namespaces.", maxNamespaces)
	}
	for _, namespace := range a.Namespaces {
		if namespace == "" || len(namespace) > 63 || strings.Trim(namespace, "abcdefghijklmnopqrstuvwxyz0123456789-*?") != "" {
			return fmt.Sprintf("The namespace %q in the access scope is invalid.", namespace)
		}
	}
	return ""
}

// Grant is a binding that an access policy needs: a role for a group, in one
// namespace or, with "", everywhere.
type Grant struct {
	Group       string
	ClusterRole string
	Namespace   string // may have wildcards
}

// Grants are the bindings that entries need, without repetition, in order.
func Grants(entries []Entry) []Grant {
	var list []Grant
	for _, e := range entries {
		for _, a := range e.Policies {
			policy, ok := policyByName(a.Policy)
			if !ok {
				continue
			}
			namespaces := a.Namespaces
			if len(namespaces) == 0 {
				namespaces = []string{""}
			}
			for i, namespace := range namespaces {
				for _, role := range policy.ClusterRoles {
					list = append(list, Grant{a.groups()[i], role, namespace})
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b Grant) int {
		return strings.Compare(a.Group+"\x00"+a.ClusterRole+"\x00"+a.Namespace, b.Group+"\x00"+b.ClusterRole+"\x00"+b.Namespace)
	})
	return slices.Compact(list)
}
