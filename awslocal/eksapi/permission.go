package eksapi

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/sts"
)

// permit asks the policies of the caller.
//
// Source: "Actions, resources, and condition keys for Amazon Elastic Kubernetes
// Service" in the service authorization reference.
func (h *Handler) permit(ctx context.Context, q *request, resource string) error {
	return h.Auth.Authorize(ctx, q.caller, "eks:"+q.operation, resource, q.facts)
}

// target is what an operation is on: its ARN, and its tags if it is there. It sets
// the condition keys that the thing has and the request has not.
type target func(q *request, c *awslocal.ClusterRecord) (resource string, tags []awslocal.Tag)

// permitOn asks the policies of the caller about what is on disk. Of a cluster that
// is not there it asks all the same: only who may look is told so.
func (h *Handler) permitOn(ctx context.Context, q *request, on target) error {
	c, err := h.Store.ReadCluster(q.caller.Identity.AccountID, q.caller.Region, q.cluster)
	if err != nil && !errors.Is(err, sts.ErrNotFound) {
		return err
	}
	q.facts.Set("eks:clusterName", q.cluster)
	resource, tags := on(q, &c)
	for _, t := range tags {
		q.facts.Set("aws:ResourceTag/"+t.Key, t.Value)
	}
	return h.permit(ctx, q, resource)
}

func onCluster(q *request, c *awslocal.ClusterRecord) (string, []awslocal.Tag) {
	return q.clusterARN(), c.Tags
}

// onEntry is the access entry of the principal in the path. Its id is part of its
// ARN; where there is none, any stands for it.
func onEntry(q *request, c *awslocal.ClusterRecord) (string, []awslocal.Tag) {
	q.facts.Set("eks:principalArn", q.rest[1])
	if at := entryOf(c, q.rest[1]); at >= 0 {
		return q.thisEntry(c.AccessEntries[at])
	}
	p, err := arn.ParsePrincipal(q.rest[1])
	if err != nil {
		return q.arn("access-entry/" + q.cluster + "/*"), nil
	}
	return q.arn("access-entry/" + q.cluster + "/" + p.Kind.String() + "/" + p.AccountID + "/" + p.Name + "/*"), nil
}

func (q *request) thisEntry(e awslocal.EntryRecord) (string, []awslocal.Tag) {
	q.fact("eks:principalArn", e.PrincipalARN)
	q.fact("eks:accessEntryType", entryType(e))
	q.fact("eks:username", username(e))
	q.fact("eks:kubernetesGroups", e.Groups...)
	return q.entryARN(e), e.Tags
}

// fact sets a condition key that the request itself does not set.
func (q *request) fact(key string, values ...string) {
	if len(q.facts.Values(key)) == 0 {
		q.facts.Set(key, values...)
	}
}

// onAssociation is the pod identity association in the path.
func onAssociation(q *request, c *awslocal.ClusterRecord) (string, []awslocal.Tag) {
	if at := associationOf(c, q.rest[1]); at >= 0 {
		return q.associationARN(q.rest[1]), c.PodIdentities[at].Tags
	}
	return q.associationARN(q.rest[1]), nil
}

// onTagged is what the ARN in the path names, of the cluster of the request.
func onTagged(q *request, c *awslocal.ClusterRecord) (string, []awslocal.Tag) {
	resource := q.rest[0]
	if at := slices.IndexFunc(c.AccessEntries, func(e awslocal.EntryRecord) bool { return q.entryARN(e) == resource }); at >= 0 {
		return q.thisEntry(c.AccessEntries[at])
	}
	if at := associationOf(c, resource[strings.LastIndexByte(resource, '/')+1:]); at >= 0 && resource == q.associationARN(c.PodIdentities[at].ID) {
		return resource, c.PodIdentities[at].Tags
	}
	if resource == q.clusterARN() {
		return resource, c.Tags
	}
	return resource, nil
}
