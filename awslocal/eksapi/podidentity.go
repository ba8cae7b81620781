package eksapi

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
)

// podAnswer is a pod identity association as the API shows it.
//
// Source: botocore's model of EKS (PodIdentityAssociation). Times are in seconds.
type podAnswer struct {
	ClusterName    string            `json:"clusterName"`
	Namespace      string            `json:"namespace"`
	ServiceAccount string            `json:"serviceAccount"`
	RoleARN        string            `json:"roleArn,omitempty"`
	AssociationARN string            `json:"associationArn"`
	AssociationID  string            `json:"associationId"`
	Tags           map[string]string `json:"tags,omitempty"`
	CreatedAt      int64             `json:"createdAt,omitempty"`
	ModifiedAt     int64             `json:"modifiedAt,omitempty"`
}

type podOutput struct {
	Association podAnswer `json:"association"`
}

func (q *request) showAssociation(p awslocal.PodIdentityRecord) podOutput {
	return podOutput{podAnswer{
		q.cluster, p.Namespace, p.ServiceAccount, p.RoleARN, q.associationARN(p.ID), p.ID, tagMap(p.Tags), p.Created.Unix(), p.Modified.Unix(),
	}}
}

func (q *request) associationARN(id string) string {
	return q.arn("podidentityassociation/" + q.cluster + "/" + id)
}

func (h *Handler) createAssociation(ctx context.Context, q *request) (answer any, err error) {
	var in struct {
		Namespace          string            `json:"namespace"`
		ServiceAccount     string            `json:"serviceAccount"`
		RoleARN            string            `json:"roleArn"`
		Tags               map[string]string `json:"tags"`
		ClientRequestToken string            `json:"clientRequestToken"`
	}
	if err := q.read(&in); err != nil {
		return nil, err
	}
	tags, err := q.requestTags(in.Tags)
	if err != nil {
		return nil, err
	}
	if !awslocal.IsServiceAccount(in.Namespace, in.ServiceAccount) {
		return nil, errInvalidParameter("The namespace and the serviceAccount must be names of Kubernetes.")
	}
	if err := q.checkRole(in.RoleARN); err != nil {
		return nil, err
	}
	request := q.again(in.ClientRequestToken)
	err = h.change(ctx, q, onCluster, func(c *awslocal.ClusterRecord, now time.Time) error {
		for _, p := range c.PodIdentities {
			if p.Namespace == in.Namespace && p.ServiceAccount == in.ServiceAccount {
				if sameAs(request, p.Request) {
					answer = q.showAssociation(p)
					return nil
				}
				return errInUse("Association already exists: " + p.ID)
			}
		}
		p := awslocal.PodIdentityRecord{PodIdentityAssociation: awslocal.PodIdentityAssociation{
			ID: awslocal.NewAssociationID(), Namespace: in.Namespace, ServiceAccount: in.ServiceAccount, RoleARN: in.RoleARN, Tags: tags,
		}, Created: now, Modified: now, Request: request}
		c.PodIdentities = append(c.PodIdentities, p)
		answer = q.showAssociation(p)
		return nil
	}, func() error { return h.passRole(ctx, q, in.RoleARN, podService) })
	return answer, err
}

// checkRole refuses what is no role of the cluster's account.
func (q *request) checkRole(roleARN string) error {
	who := q.caller.Identity
	p, err := arn.ParsePrincipal(roleARN)
	if err != nil || p.Kind != arn.Role || p.AccountID != who.AccountID || p.Partition != who.Partition {
		return errInvalidParameter("Role ARN " + awsquery.Clip(roleARN) + " is not valid, or not of the cluster's account")
	}
	return nil
}

// passRole asks whether the caller may hand the role to a service.
//
// Source: "Grant a user permissions to pass a role to an AWS service" in the IAM
// user guide.
func (h *Handler) passRole(ctx context.Context, q *request, roleARN, service string) error {
	facts := q.caller.Context(q.http, h.Auth.Now())
	facts.Set("iam:PassedToService", service)
	return h.Auth.Authorize(ctx, q.caller, "iam:PassRole", roleARN, facts)
}

// association finds an association by its id.
func association(c *awslocal.ClusterRecord, id string) (int, error) {
	at := associationOf(c, id)
	if at < 0 {
		return at, errNotFound("No association found for cluster: " + c.Name + ", with associationId: " + awsquery.Clip(id))
	}
	return at, nil
}

func associationOf(c *awslocal.ClusterRecord, id string) int {
	return slices.IndexFunc(c.PodIdentities, func(p awslocal.PodIdentityRecord) bool { return p.ID == id })
}

func (h *Handler) listAssociations(ctx context.Context, q *request) (any, error) {
	limit, after, err := q.page()
	if err != nil {
		return nil, err
	}
	c, err := h.see(ctx, q, onCluster)
	if err != nil {
		return nil, err
	}
	list := []podAnswer{}
	for _, p := range c.PodIdentities {
		namespace, name := q.query.Get("namespace"), q.query.Get("serviceAccount")
		if (namespace == "" || namespace == p.Namespace) && (name == "" || name == p.ServiceAccount) {
			list = append(list, podAnswer{
				ClusterName: q.cluster, Namespace: p.Namespace, ServiceAccount: p.ServiceAccount, AssociationARN: q.associationARN(p.ID), AssociationID: p.ID,
			})
		}
	}
	slices.SortFunc(list, func(a, b podAnswer) int { return cmp.Compare(a.AssociationID, b.AssociationID) })
	page, next := cut(list, func(p podAnswer) string { return p.AssociationID }, limit, after)
	return struct {
		Associations []podAnswer `json:"associations"`
		NextToken    string      `json:"nextToken,omitempty"`
	}{page, next}, nil
}

func (h *Handler) describeAssociation(ctx context.Context, q *request) (any, error) {
	c, err := h.see(ctx, q, onAssociation)
	if err != nil {
		return nil, err
	}
	at, err := association(&c, q.rest[1])
	if err != nil {
		return nil, err
	}
	return q.showAssociation(c.PodIdentities[at]), nil
}

func (h *Handler) updateAssociation(ctx context.Context, q *request) (answer any, err error) {
	var in struct {
		RoleARN            string `json:"roleArn"`
		ClientRequestToken string `json:"clientRequestToken"`
	}
	if err := q.read(&in); err != nil {
		return nil, err
	}
	var checks []func() error
	if in.RoleARN != "" { // else the role stays
		if err := q.checkRole(in.RoleARN); err != nil {
			return nil, err
		}
		checks = append(checks, func() error { return h.passRole(ctx, q, in.RoleARN, podService) })
	}
	err = h.change(ctx, q, onAssociation, func(c *awslocal.ClusterRecord, now time.Time) error {
		at, err := association(c, q.rest[1])
		if err != nil {
			return err
		}
		p := &c.PodIdentities[at]
		p.RoleARN, p.Modified = cmp.Or(in.RoleARN, p.RoleARN), now
		answer = q.showAssociation(*p)
		return nil
	}, checks...)
	return answer, err
}

func (h *Handler) deleteAssociation(ctx context.Context, q *request) (answer any, err error) {
	err = h.change(ctx, q, onAssociation, func(c *awslocal.ClusterRecord, _ time.Time) error {
		at, err := association(c, q.rest[1])
		if err != nil {
			return err
		}
		answer = q.showAssociation(c.PodIdentities[at])
		c.PodIdentities = slices.Delete(c.PodIdentities, at, at+1)
		return nil
	})
	return answer, err
}
