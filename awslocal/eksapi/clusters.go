package eksapi

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
)

// createClusterInput has what this API keeps of a cluster. What describes
// machines and networks is taken and means nothing here.
type createClusterInput struct {
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	RoleARN      string            `json:"roleArn"`
	Tags         map[string]string `json:"tags"`
	AccessConfig struct {
		AuthenticationMode awslocal.AuthenticationMode `json:"authenticationMode"`
		Bootstrap          *bool                       `json:"bootstrapClusterCreatorAdminPermissions"`
	} `json:"accessConfig"`
	ClientRequestToken         string `json:"clientRequestToken"`
	VPC                        any    `json:"resourcesVpcConfig"`
	Network                    any    `json:"kubernetesNetworkConfig"`
	Logging                    any    `json:"logging"`
	Encryption                 any    `json:"encryptionConfig"`
	Outpost                    any    `json:"outpostConfig"`
	UpgradePolicy              any    `json:"upgradePolicy"`
	ZonalShift                 any    `json:"zonalShiftConfig"`
	RemoteNetwork              any    `json:"remoteNetworkConfig"`
	Compute                    any    `json:"computeConfig"`
	Storage                    any    `json:"storageConfig"`
	DeletionProtection         any    `json:"deletionProtection"`
	BootstrapSelfManagedAddons any    `json:"bootstrapSelfManagedAddons"`
	ControlPlaneScaling        any    `json:"controlPlaneScalingConfig"`
}

// createCluster keeps a record of a cluster. It has no API server until somebody
// runs one, so it stays CREATING.
func (h *Handler) createCluster(ctx context.Context, q *request) (any, error) {
	var in createClusterInput
	if err := q.read(&in); err != nil {
		return nil, err
	}
	q.cluster = in.Name
	if !awslocal.IsClusterName(in.Name) {
		return nil, errInvalidParameter("The cluster name must be 1 to 100 letters, digits, - and _, a letter or digit first.")
	}
	if in.Version != "" && !awslocal.IsKubernetesVersion(in.Version) {
		return nil, errInvalidParameter("unsupported Kubernetes version " + awsquery.Clip(in.Version))
	}
	if err := q.checkRole(in.RoleARN); err != nil {
		return nil, err
	}
	mode := cmp.Or(in.AccessConfig.AuthenticationMode, awslocal.ConfigMapMode)
	if !mode.ChangeMode(mode) {
		return nil, errInvalidParameter("The authentication mode " + awsquery.Clip(string(mode)) + " is not valid")
	}
	bootstrap := in.AccessConfig.Bootstrap == nil || *in.AccessConfig.Bootstrap
	if mode == awslocal.ConfigMapMode && !bootstrap {
		return nil, errInvalidParameter("bootstrapClusterCreatorAdminPermissions must be true if cluster authentication mode is set to CONFIG_MAP")
	}
	tags, err := q.requestTags(in.Tags)
	if err != nil {
		return nil, err
	}
	q.facts.Set("eks:clusterName", in.Name)
	q.facts.Set("eks:authenticationMode", string(mode))
	q.facts.Set("eks:bootstrapClusterCreatorAdminPermissions", strconv.FormatBool(bootstrap))
	if err := h.permit(ctx, q, q.clusterARN()); err != nil {
		return nil, err
	}
	if err := h.passRole(ctx, q, in.RoleARN, "eks.amazonaws.com"); err != nil {
		return nil, err
	}
	who := q.caller.Identity
	record := awslocal.ClusterRecord{
		Account: who.AccountID, Region: q.caller.Region, Name: in.Name, Version: in.Version, RoleARN: in.RoleARN, AuthenticationMode: mode, Tags: tags,
		Request: q.again(in.ClientRequestToken),
	}
	if mode != awslocal.ConfigMapMode && bootstrap {
		record.AccessEntries = creatorEntries(q.caller.PrincipalARN(), h.Auth.Now().UTC().Truncate(time.Second))
	}
	there, ok, err := h.Store.CreateCluster(record)
	if err == nil && !ok && !sameAs(record.Request, there.Request) {
		err = &awsquery.Error{Code: "ResourceInUseException", Status: http.StatusConflict, Message: "Cluster already exists with name: " + in.Name}
	}
	if err != nil {
		return nil, err
	}
	placed, err := h.Store.DescribeCluster(who.AccountID, q.caller.Region, in.Name)
	return clusterOutput{show(placed)}, err
}

// creatorEntries make whoever creates a cluster its administrator.
func creatorEntries(principal string, now time.Time) []awslocal.EntryRecord {
	if p, err := arn.ParsePrincipal(principal); err != nil || p.Kind != arn.User && p.Kind != arn.Role {
		return nil // entries are of users and roles only
	}
	return []awslocal.EntryRecord{{
		AccessEntry: awslocal.AccessEntry{PrincipalARN: principal, AccessPolicies: []awslocal.AccessPolicy{{Policy: "AmazonEKSClusterAdminPolicy"}}},
		ID:          awslocal.NewUUID(), Created: now, Modified: now,
	}}
}

func (h *Handler) deleteCluster(ctx context.Context, q *request) (any, error) {
	if err := h.permitOn(ctx, q, onCluster); err != nil {
		return nil, err
	}
	placed, err := h.Store.DescribeCluster(q.caller.Identity.AccountID, q.caller.Region, q.cluster)
	if err != nil {
		return nil, q.noCluster(err)
	}
	if err := h.Store.DeleteCluster(q.caller.Identity.AccountID, q.caller.Region, q.cluster); err != nil {
		return nil, q.noCluster(err)
	}
	shown := show(placed)
	shown.Status = "DELETING"
	return clusterOutput{shown}, nil
}

// see finds the cluster of the request, for a caller who may do the operation on
// a resource.
func (h *Handler) see(ctx context.Context, q *request, on target) (awslocal.ClusterRecord, error) {
	if err := h.permitOn(ctx, q, on); err != nil {
		return awslocal.ClusterRecord{}, err
	}
	c, err := h.Store.ReadCluster(q.caller.Identity.AccountID, q.caller.Region, q.cluster)
	if err != nil {
		return c, q.noCluster(err)
	}
	return c, nil
}

// change calls f with the cluster of the request, for a caller who may, and keeps
// what it has changed.
// The checks come first, after the permission: they ask the store themselves.
func (h *Handler) change(ctx context.Context, q *request, on target, f func(c *awslocal.ClusterRecord, now time.Time) error, checks ...func() error) error {
	if err := h.permitOn(ctx, q, on); err != nil {
		return err
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	err := h.Store.ChangeCluster(q.caller.Identity.AccountID, q.caller.Region, q.cluster, func(c *awslocal.ClusterRecord, now time.Time) error {
		c.AccessEntries, c.PodIdentities, c.Tags = slices.Clone(c.AccessEntries), slices.Clone(c.PodIdentities), slices.Clone(c.Tags)
		return f(c, now)
	})
	if err != nil {
		return q.noCluster(err)
	}
	return nil
}

type updateAnswer struct {
	ID        string              `json:"id"`
	Status    string              `json:"status"`
	Type      string              `json:"type"`
	Params    []map[string]string `json:"params"`
	CreatedAt int64               `json:"createdAt"`
	Errors    []string            `json:"errors"`
}

func showUpdate(u awslocal.UpdateRecord) any {
	return struct {
		Update updateAnswer `json:"update"`
	}{updateAnswer{u.ID, "Successful", u.Type, []map[string]string{{"type": u.Name, "value": u.Value}}, u.Created.Unix(), []string{}}}
}

// maxUpdates is how many updates of a cluster are remembered.
const maxUpdates = 100

// updateClusterConfig changes the authentication mode, which goes only forward.
func (h *Handler) updateClusterConfig(ctx context.Context, q *request) (any, error) {
	var in struct {
		AccessConfig *struct {
			AuthenticationMode awslocal.AuthenticationMode `json:"authenticationMode"`
		} `json:"accessConfig"`
		ClientRequestToken string `json:"clientRequestToken"`
	}
	if err := q.read(&in); err != nil {
		return nil, err
	}
	if in.AccessConfig == nil {
		return nil, errInvalidParameter("accessConfig is all that can be updated here")
	}
	q.facts.Set("eks:authenticationMode", string(in.AccessConfig.AuthenticationMode))
	request := q.again(in.ClientRequestToken)
	var update awslocal.UpdateRecord
	err := h.change(ctx, q, onCluster, func(c *awslocal.ClusterRecord, now time.Time) error {
		to := in.AccessConfig.AuthenticationMode
		if at := slices.IndexFunc(c.Updates, func(u awslocal.UpdateRecord) bool { return sameAs(request, u.Request) }); at >= 0 {
			update = c.Updates[at]
			return nil
		}
		switch {
		case to == c.AuthenticationMode:
			return errInvalidRequest("The cluster's authentication mode is already " + string(to) + ".")
		case !c.AuthenticationMode.ChangeMode(to):
			return errInvalidParameter("Unsupported authentication mode update from " + string(c.AuthenticationMode) + " to " + awsquery.Clip(string(to)))
		}
		c.AuthenticationMode = to
		update = awslocal.UpdateRecord{ID: awslocal.NewUUID(), Type: "AccessConfigUpdate", Name: "AuthenticationMode", Value: string(to), Created: now, Request: request}
		c.Updates = append(slices.Clone(c.Updates), update)
		c.Updates = c.Updates[max(0, len(c.Updates)-maxUpdates):]
		return nil
	})
	return showUpdate(update), err
}

func (h *Handler) listUpdates(ctx context.Context, q *request) (any, error) {
	c, err := h.see(ctx, q, onCluster)
	ids := []string{}
	for _, u := range c.Updates {
		ids = append(ids, u.ID)
	}
	return struct {
		UpdateIDs []string `json:"updateIds"`
	}{ids}, err
}

func (h *Handler) describeUpdate(ctx context.Context, q *request) (any, error) {
	c, err := h.see(ctx, q, onCluster)
	if err != nil {
		return nil, err
	}
	for _, u := range c.Updates {
		if u.ID == q.rest[1] {
			return showUpdate(u), nil
		}
	}
	return nil, errNotFound("No update found for ID: " + awsquery.Clip(q.rest[1]))
}

func errNotFound(message string) error {
	return &awsquery.Error{Code: "ResourceNotFoundException", Status: http.StatusNotFound, Message: message}
}

func errInUse(message string) error {
	return &awsquery.Error{Code: "ResourceInUseException", Status: http.StatusConflict, Message: message}
}

func errInvalidRequest(message string) error {
	return &awsquery.Error{Code: "InvalidRequestException", Status: http.StatusBadRequest, Message: message}
}
