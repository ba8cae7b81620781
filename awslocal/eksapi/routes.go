package eksapi

import (
	"context"
	"net/url"
	"strings"
)

type operation func(context.Context, *request) (any, error)

// find knows the operation of a method and a path. It sets operation, cluster and
// rest of the request. What is not found is EKS's.
//
// Source: botocore's models of EKS, 2017-11-01, and of EKS Auth, 2023-11-26.
func (h *Handler) find(q *request, path string) (run operation, service string, found bool) {
	service = "eks"
	var parts []string
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		text, err := url.PathUnescape(part)
		if err != nil {
			return nil, service, false
		}
		parts = append(parts, text)
	}
	pattern := make([]string, len(parts))
	copy(pattern, parts)
	switch parts[0] {
	case "clusters":
		if len(parts) > 1 {
			q.cluster, pattern[1] = parts[1], "*"
			q.rest = parts[2:]
		}
		for i := 3; i < len(parts); i++ {
			if i != 4 { // the name of what belongs to an access entry
				pattern[i] = "*"
			}
		}
	case "tags":
		q.rest = parts[1:]
		for i := 1; i < len(parts); i++ {
			pattern[i] = "*"
		}
	}
	r, found := h.routes()[q.http.Method+" "+strings.Join(pattern, "/")]
	if !found {
		return nil, service, false
	}
	q.operation = r.name
	if r.name == "AssumeRoleForPodIdentity" {
		service = "eks-auth"
	}
	return r.run, service, true
}

type route struct {
	name string
	run  operation
}

func (h *Handler) routes() map[string]route {
	routes := map[string]route{
		"GET clusters":                   {"ListClusters", h.listClusters},
		"POST clusters":                  {"CreateCluster", h.createCluster},
		"GET clusters/*":                 {"DescribeCluster", h.describeCluster},
		"DELETE clusters/*":              {"DeleteCluster", h.deleteCluster},
		"POST clusters/*/update-config":  {"UpdateClusterConfig", h.updateClusterConfig},
		"GET clusters/*/updates":         {"ListUpdates", h.listUpdates},
		"GET clusters/*/updates/*":       {"DescribeUpdate", h.describeUpdate},
		"GET access-policies":            {"ListAccessPolicies", h.listAccessPolicies},
		"GET clusters/*/access-entries":  {"ListAccessEntries", h.listAccessEntries},
		"POST clusters/*/access-entries": {"CreateAccessEntry", h.createAccessEntry},

		"GET clusters/*/access-entries/*":                      {"DescribeAccessEntry", h.describeAccessEntry},
		"POST clusters/*/access-entries/*":                     {"UpdateAccessEntry", h.updateAccessEntry},
		"DELETE clusters/*/access-entries/*":                   {"DeleteAccessEntry", h.deleteAccessEntry},
		"GET clusters/*/access-entries/*/access-policies":      {"ListAssociatedAccessPolicies", h.listAssociatedAccessPolicies},
		"POST clusters/*/access-entries/*/access-policies":     {"AssociateAccessPolicy", h.associateAccessPolicy},
		"DELETE clusters/*/access-entries/*/access-policies/*": {"DisassociateAccessPolicy", h.disassociateAccessPolicy},

		"GET clusters/*/pod-identity-associations":      {"ListPodIdentityAssociations", h.listAssociations},
		"POST clusters/*/pod-identity-associations":     {"CreatePodIdentityAssociation", h.createAssociation},
		"GET clusters/*/pod-identity-associations/*":    {"DescribePodIdentityAssociation", h.describeAssociation},
		"POST clusters/*/pod-identity-associations/*":   {"UpdatePodIdentityAssociation", h.updateAssociation},
		"DELETE clusters/*/pod-identity-associations/*": {"DeletePodIdentityAssociation", h.deleteAssociation},

		"GET tags/*":    {"ListTagsForResource", h.listTags},
		"POST tags/*":   {"TagResource", h.tagResource},
		"DELETE tags/*": {"UntagResource", h.untagResource},
	}
	if h.Pods != nil {
		routes["POST clusters/*/assume-role-for-pod-identity"] = route{"AssumeRoleForPodIdentity", h.assumeRoleForPodIdentity}
	}
	return routes
}
