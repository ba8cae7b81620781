package eksapi

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/eksauth/eksauth/accessentry"
	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
)

// entryAnswer is an access entry as the API shows it.
//
// Source: botocore's model of EKS (AccessEntry). Times are in seconds.
type entryAnswer struct {
	ClusterName      string            `json:"clusterName"`
	PrincipalARN     string            `json:"principalArn"`
	KubernetesGroups []string          `json:"kubernetesGroups"`
	AccessEntryARN   string            `json:"accessEntryArn"`
	CreatedAt        int64             `json:"createdAt"`
	ModifiedAt       int64             `json:"modifiedAt"`
	Tags             map[string]string `json:"tags"`
	Username         string            `json:"username"`
	Type             string            `json:"type"`
}

func (q *request) showEntry(e awslocal.EntryRecord) any {
	meaning := e.Meaning()
	groups := e.Groups
	if meaning.Type != "" && meaning.Type != accessentry.Standard {
		meaning.Policies = nil
		groups = meaning.AllGroups()
	}
	return struct {
		AccessEntry entryAnswer `json:"accessEntry"`
	}{entryAnswer{
		ClusterName: q.cluster, PrincipalARN: e.PrincipalARN, KubernetesGroups: append([]string{}, groups...), AccessEntryARN: q.entryARN(e),
		CreatedAt: e.Created.Unix(), ModifiedAt: e.Modified.Unix(), Tags: tagMap(e.Tags),
		Username: username(e), Type: entryType(e),
	}}
}

// entryARN is arn:PARTITION:eks:REGION:ACCOUNT:access-entry/CLUSTER/KIND/ACCOUNT/NAME/ID.
func (q *request) entryARN(e awslocal.EntryRecord) string {
	p, _ := arn.ParsePrincipal(e.PrincipalARN) // checked when it was made
	return q.arn("access-entry/" + q.cluster + "/" + p.Kind.String() + "/" + p.AccountID + "/" + p.Name + "/" + e.ID)
}

func (q *request) arn(resource string) string {
	who := q.caller.Identity
	return "arn:" + who.Partition + ":eks:" + q.caller.Region + ":" + who.AccountID + ":" + resource
}

const noEntry = "The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'."

// entry finds the access entry of a principal, where the cluster's mode has any.
func entry(c *awslocal.ClusterRecord, principal string) (int, error) {
	if err := entriesInUse(c); err != nil {
		return -1, err
	}
	at := entryOf(c, principal)
	if at < 0 {
		return -1, errNotFound(noEntry)
	}
	return at, nil
}

func entryOf(c *awslocal.ClusterRecord, principal string) int {
	return slices.IndexFunc(c.AccessEntries, func(e awslocal.EntryRecord) bool { return e.PrincipalARN == principal })
}

func username(e awslocal.EntryRecord) string {
	return cmp.Or(e.Username, e.Meaning().DefaultUsername())
}
func entryType(e awslocal.EntryRecord) string {
	return cmp.Or(e.Type, string(accessentry.Standard))
}

func entriesInUse(c *awslocal.ClusterRecord) error {
	if c.AuthenticationMode == awslocal.ConfigMapMode {
		return errInvalidRequest("The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.")
	}
	return nil
}

func (h *Handler) createAccessEntry(ctx context.Context, q *request) (answer any, err error) {
	var in struct {
		PrincipalARN       string            `json:"principalArn"`
		KubernetesGroups   []string          `json:"kubernetesGroups"`
		Tags               map[string]string `json:"tags"`
		ClientRequestToken string            `json:"clientRequestToken"`
		Username           string            `json:"username"`
		Type               string            `json:"type"`
	}
	if err := q.read(&in); err != nil {
		return nil, err
	}
	tags, err := q.requestTags(in.Tags)
	if err != nil {
		return nil, err
	}
	q.facts.Set("eks:principalArn", in.PrincipalARN)
	q.facts.Set("eks:kubernetesGroups", in.KubernetesGroups...)
	q.facts.Set("eks:username", in.Username)
	q.facts.Set("eks:accessEntryType", cmp.Or(in.Type, string(accessentry.Standard)))
	e := awslocal.EntryRecord{AccessEntry: awslocal.AccessEntry{
		PrincipalARN: in.PrincipalARN, Type: in.Type, Username: in.Username, Groups: in.KubernetesGroups, Tags: tags,
	}, Request: q.again(in.ClientRequestToken)}
	if in.Type == string(accessentry.Standard) {
		e.Type = ""
	}
	err = h.change(ctx, q, onCluster, func(c *awslocal.ClusterRecord, now time.Time) error {
		if err := entriesInUse(c); err != nil {
			return err
		}
		if problem := e.Meaning().Check(c.Account); problem != "" {
			return errInvalidParameter(problem)
		}
		if at := entryOf(c, in.PrincipalARN); at >= 0 {
			if sameAs(e.Request, c.AccessEntries[at].Request) {
				e = c.AccessEntries[at]
				return nil
			}
			return errInUse("The specified access entry resource is already in use on this cluster.")
		}
		e.ID, e.Created, e.Modified = awslocal.NewUUID(), now, now
		c.AccessEntries = append(c.AccessEntries, e)
		return nil
	}, h.principalExists(in.PrincipalARN))
	return q.showEntry(e), err
}

// principalExists refuses the principal of an entry who is not in the account that
// the ARN names, where that is here.
func (h *Handler) principalExists(principal string) func() error {
	return func() error {
		p, err := arn.ParsePrincipal(principal)
		if err != nil || p.Kind != arn.User && p.Kind != arn.Role {
			return nil // is told with all that is wrong
		}
		found, known := false, false
		err = h.Store.ReadIAM(p.AccountID, func(i *awslocal.IAM) (err error) {
			found, known, err = i.Principal(p)
			return err
		})
		if errors.Is(err, awslocal.ErrNoAccount) {
			return nil
		}
		if err == nil && known && !found {
			err = errInvalidParameter("The specified principalArn is invalid: invalid principal.")
		}
		return err
	}
}

func (h *Handler) describeAccessEntry(ctx context.Context, q *request) (any, error) {
	c, err := h.see(ctx, q, onEntry)
	if err != nil {
		return nil, err
	}
	at, err := entry(&c, q.rest[1])
	if err != nil {
		return nil, err
	}
	return q.showEntry(c.AccessEntries[at]), nil
}

func (h *Handler) listAccessEntries(ctx context.Context, q *request) (any, error) {
	limit, after, err := q.page()
	if err != nil {
		return nil, err
	}
	c, err := h.see(ctx, q, onCluster)
	if err == nil {
		err = entriesInUse(&c)
	}
	if err != nil {
		return nil, err
	}
	filter := q.query.Get("associatedPolicyArn")
	var principals []string
	for _, e := range c.AccessEntries {
		has := slices.ContainsFunc(e.AccessPolicies, func(p awslocal.AccessPolicy) bool { return q.policyARN(p.Policy) == filter })
		if filter == "" || has {
			principals = append(principals, e.PrincipalARN)
		}
	}
	slices.Sort(principals)
	page, next := cut(principals, func(s string) string { return s }, limit, after)
	return struct {
		AccessEntries []string `json:"accessEntries"`
		NextToken     string   `json:"nextToken,omitempty"`
	}{page, next}, nil
}

func (h *Handler) updateAccessEntry(ctx context.Context, q *request) (answer any, err error) {
	var in struct {
		KubernetesGroups   *[]string `json:"kubernetesGroups"`
		ClientRequestToken string    `json:"clientRequestToken"`
		Username           string    `json:"username"`
	}
	if err := q.read(&in); err != nil {
		return nil, err
	}
	if in.KubernetesGroups != nil {
		q.facts.Set("eks:kubernetesGroups", *in.KubernetesGroups...)
	}
	if in.Username != "" {
		q.facts.Set("eks:username", in.Username)
	}
	err = h.change(ctx, q, onEntry, func(c *awslocal.ClusterRecord, now time.Time) error {
		at, err := entry(c, q.rest[1])
		if err != nil {
			return err
		}
		e := c.AccessEntries[at]
		if in.KubernetesGroups != nil {
			e.Groups = *in.KubernetesGroups
		}
		e.Username, e.Modified = cmp.Or(in.Username, e.Username), now
		if problem := e.Meaning().Check(c.Account); problem != "" {
			return errInvalidParameter(problem)
		}
		c.AccessEntries[at] = e
		answer = q.showEntry(e)
		return nil
	})
	return answer, err
}

func (h *Handler) deleteAccessEntry(ctx context.Context, q *request) (any, error) {
	return struct{}{}, h.change(ctx, q, onEntry, func(c *awslocal.ClusterRecord, _ time.Time) error {
		at, err := entry(c, q.rest[1])
		if err != nil {
			return err
		}
		c.AccessEntries = slices.Delete(c.AccessEntries, at, at+1)
		return nil
	})
}

func (q *request) policyARN(name string) string {
	return accessentry.Policy{Name: name}.ARN(q.caller.Identity.Partition)
}

func (h *Handler) listAccessPolicies(ctx context.Context, q *request) (any, error) {
	if err := h.permit(ctx, q, "*"); err != nil {
		return nil, err
	}
	type policy struct {
		Name string `json:"name"`
		ARN  string `json:"arn"`
	}
	var list []policy
	for _, p := range accessentry.Policies() {
		list = append(list, policy{p.Name, q.policyARN(p.Name)})
	}
	return struct {
		AccessPolicies []policy `json:"accessPolicies"`
	}{list}, nil
}

// associationAnswer is an access policy of an entry as the API shows it.
type associationAnswer struct {
	PolicyARN    string      `json:"policyArn"`
	AccessScope  accessScope `json:"accessScope"`
	AssociatedAt int64       `json:"associatedAt"`
	ModifiedAt   int64       `json:"modifiedAt"`
}

type accessScope struct {
	Type       string   `json:"type"`
	Namespaces []string `json:"namespaces"`
}

func (q *request) showPolicy(e awslocal.EntryRecord, p awslocal.AccessPolicy) associationAnswer {
	scope := accessScope{"cluster", []string{}}
	if len(p.Namespaces) > 0 {
		scope = accessScope{"namespace", p.Namespaces}
	}
	times := e.Times(p.Policy)
	return associationAnswer{q.policyARN(p.Policy), scope, times.Created.Unix(), times.Modified.Unix()}
}

func (h *Handler) listAssociatedAccessPolicies(ctx context.Context, q *request) (any, error) {
	c, err := h.see(ctx, q, onEntry)
	if err != nil {
		return nil, err
	}
	at, err := entry(&c, q.rest[1])
	if err != nil {
		return nil, err
	}
	list := []associationAnswer{}
	for _, p := range c.AccessEntries[at].AccessPolicies {
		list = append(list, q.showPolicy(c.AccessEntries[at], p))
	}
	return struct {
		ClusterName  string              `json:"clusterName"`
		PrincipalARN string              `json:"principalArn"`
		Policies     []associationAnswer `json:"associatedAccessPolicies"`
	}{q.cluster, q.rest[1], list}, nil
}

func (h *Handler) associateAccessPolicy(ctx context.Context, q *request) (answer any, err error) {
	var in struct {
		PolicyARN   string      `json:"policyArn"`
		AccessScope accessScope `json:"accessScope"`
	}
	if err := q.read(&in); err != nil {
		return nil, err
	}
	q.facts.Set("eks:policyArn", in.PolicyARN)
	q.facts.Set("eks:accessScope", strings.ToLower(in.AccessScope.Type))
	q.facts.Set("eks:namespaces", in.AccessScope.Namespaces...)
	policy, known := accessentry.PolicyByARN(q.caller.Identity.Partition, in.PolicyARN)
	scope := strings.ToLower(in.AccessScope.Type)
	err = h.change(ctx, q, onEntry, func(c *awslocal.ClusterRecord, now time.Time) error {
		at, err := entry(c, q.rest[1])
		switch {
		case err != nil:
			return err
		case !known:
			return errNotFound("The specified policyArn could not be found. You can view available policies with 'list-access-policies'.")
		case scope != "cluster" && scope != "namespace" || (scope == "namespace") != (len(in.AccessScope.Namespaces) > 0):
			return errInvalidParameter("The access scope must be of type cluster, or of type namespace with namespaces.")
		}
		e := c.AccessEntries[at]
		p := awslocal.AccessPolicy{Policy: policy.Name, Namespaces: in.AccessScope.Namespaces}
		times := awslocal.Times{Created: now, Modified: now}
		if slices.ContainsFunc(e.AccessPolicies, func(old awslocal.AccessPolicy) bool { return old.Policy == p.Policy }) {
			times.Created = e.Times(p.Policy).Created
		}
		e.Associated = maps.Clone(e.Associated)
		if e.Associated == nil {
			e.Associated = map[string]awslocal.Times{}
		}
		e.Associated[p.Policy] = times
		e.AccessPolicies = slices.DeleteFunc(slices.Clone(e.AccessPolicies), func(old awslocal.AccessPolicy) bool { return old.Policy == p.Policy })
		e.AccessPolicies, e.Modified = append(e.AccessPolicies, p), now
		if problem := e.Meaning().Check(c.Account); problem != "" {
			return errInvalidParameter(problem)
		}
		c.AccessEntries[at] = e
		answer = struct {
			ClusterName  string            `json:"clusterName"`
			PrincipalARN string            `json:"principalArn"`
			Policy       associationAnswer `json:"associatedAccessPolicy"`
		}{q.cluster, q.rest[1], q.showPolicy(e, p)}
		return nil
	})
	return answer, err
}

func (h *Handler) disassociateAccessPolicy(ctx context.Context, q *request) (any, error) {
	q.facts.Set("eks:policyArn", q.rest[3])
	return struct{}{}, h.change(ctx, q, onEntry, func(c *awslocal.ClusterRecord, now time.Time) error {
		at, err := entry(c, q.rest[1])
		if err != nil {
			return err
		}
		e := c.AccessEntries[at]
		left := slices.DeleteFunc(slices.Clone(e.AccessPolicies), func(p awslocal.AccessPolicy) bool { return q.policyARN(p.Policy) == q.rest[3] })
		if len(left) == len(e.AccessPolicies) {
			return errNotFound("The specified policyArn " + awsquery.Clip(q.rest[3]) + " is not associated with the access entry.")
		}
		e.AccessPolicies, e.Modified = left, now
		e.Associated = maps.Clone(e.Associated)
		delete(e.Associated, path.Base(q.rest[3]))
		c.AccessEntries[at] = e
		return nil
	})
}
