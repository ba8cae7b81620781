package iamapi

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
)

func (c *call) createPolicy() (result []element, err error) {
	p := awslocal.PolicyRecord{
		Account: c.account(), Name: c.required("PolicyName", policyNameShape()), Path: c.policyPath(),
		Description: c.optional("Description", policyDescriptionShape()), Default: "v1",
	}
	document := c.required("PolicyDocument", documentShape())
	tags := c.tags()
	if err := c.ready(); err != nil {
		return nil, err
	}
	c.requestTags(tags)
	if err := c.permit(p.ARN(c.partition())); err != nil {
		return nil, err
	}
	err = c.write(func(i *awslocal.IAM) error {
		if _, found, err := i.Policies().Get(p.Name); err != nil || found {
			return cmp.Or(err, errExists("A policy called %s already exists. Duplicate names are not allowed.", p.Name))
		}
		if err := room(i.Policies(), c.h.Quotas.withDefaults().Policies, "PoliciesPerAccount"); err != nil {
			return err
		}
		if err := c.checkManaged(document); err != nil {
			return err
		}
		if p.Tags, err = newTags(tags); err != nil {
			return err
		}
		p.ID, p.Created, p.Updated = awslocal.NewPolicyID(), i.Now, i.Now
		p.Versions = []awslocal.VersionRecord{{ID: "v1", Document: awslocal.PolicyDocument(document), Created: i.Now}}
		if p.Order, err = i.Policies().NextOrder(); err != nil {
			return err
		}
		result, err = showPolicy(i, p)
		return cmp.Or(err, i.Policies().Put(p.Name, p))
	})
	return []element{awsquery.E("Policy", result)}, err
}

func (c *call) checkManaged(document string) error {
	if err := checkIdentityPolicy(document); err != nil {
		return err
	}
	if most := c.h.Quotas.withDefaults().PolicySize; size(document) > most {
		return errLimit("Cannot exceed quota for PolicySize: %d", most)
	}
	return nil
}

func showPolicy(i *awslocal.IAM, p awslocal.PolicyRecord) ([]element, error) {
	shown, err := listPolicy(i, p)
	if p.Description != "" {
		shown = append(shown, awsquery.E("Description", p.Description))
	}
	return append(shown, showTags(p.Tags)...), err
}

// listPolicy is a policy in a list. It counts what the policy is attached to.
func listPolicy(i *awslocal.IAM, p awslocal.PolicyRecord) ([]element, error) {
	attached, err := attachedTo(i, policyARN(i, p))
	return []element{
		awsquery.E("PolicyName", p.Name),
		awsquery.E("PolicyId", p.ID),
		awsquery.E("Arn", policyARN(i, p)),
		awsquery.E("Path", p.Path),
		awsquery.E("DefaultVersionId", p.Default),
		awsquery.E("AttachmentCount", len(attached.policies)),
		awsquery.E("PermissionsBoundaryUsageCount", len(attached.boundaries)),
		awsquery.E("IsAttachable", true),
		awsquery.E("CreateDate", p.Created),
		awsquery.E("UpdateDate", p.Updated),
	}, err
}

// policyARN is that of an account's policy, or of one of AWS's own, whose account
// is "aws".
func policyARN(i *awslocal.IAM, p awslocal.PolicyRecord) string { return p.ARN(i.Account.Partition) }

// owner is who has a policy attached.
type owner struct {
	kind           string // user, group, role
	path, name, id string
}

// attachments are those who have a policy attached, and those whose boundary it
// is, each in the order of users, groups and roles and of their names.
type attachments struct{ policies, boundaries []owner }

func attachedTo(i *awslocal.IAM, policy string) (attachments, error) {
	var a attachments
	add := func(o owner, p awslocal.Attachments) {
		if slices.Contains(p.Managed, policy) {
			a.policies = append(a.policies, o)
		}
		if p.Boundary == policy {
			a.boundaries = append(a.boundaries, o)
		}
	}
	users, err := i.Users().All()
	if err != nil {
		return a, err
	}
	for _, u := range users {
		add(owner{"user", u.Path, u.Name, u.ID}, u.Attachments)
	}
	groups, err := i.Groups().All()
	if err != nil {
		return a, err
	}
	for _, g := range groups {
		add(owner{"group", g.Path, g.Name, g.ID}, g.Attachments)
	}
	roles, err := i.Roles().All()
	for _, r := range roles {
		add(owner{"role", r.Path, r.Name, r.ID}, r.Attachments)
	}
	return a, err
}

// findPolicy finds a policy by its ARN: one of the account's, or of AWS's own.
func findPolicy(i *awslocal.IAM, policy string) (awslocal.PolicyRecord, error) {
	for _, p := range awslocal.AWSPolicies() {
		if policyARN(i, p) == policy {
			return p, nil
		}
	}
	p, found, err := i.Policies().Get(policy[strings.LastIndexByte(policy, '/')+1:])
	if err == nil && (!found || policyARN(i, p) != policy) {
		err = errNoSuch("Policy %s was not found.", policy)
	}
	return p, err
}

// seePolicy calls f with the policy that PolicyArn names, for a caller who may.
func (c *call) seePolicy(f func(i *awslocal.IAM, p awslocal.PolicyRecord) error) error {
	return c.onPolicy(c.read, f)
}

// changePolicy calls f likewise and keeps what it has changed.
func (c *call) changePolicy(f func(i *awslocal.IAM, p *awslocal.PolicyRecord) error) error {
	return c.onPolicy(c.write, func(i *awslocal.IAM, p awslocal.PolicyRecord) error {
		if p.Account != i.Account.ID {
			return errDeniedAWSManaged(c)
		}
		p.Versions, p.Tags = slices.Clone(p.Versions), slices.Clone(p.Tags)
		if err := f(i, &p); err != nil {
			return err
		}
		return i.Policies().Put(p.Name, p)
	})
}

func (c *call) onPolicy(transaction func(func(*awslocal.IAM) error) error, f func(*awslocal.IAM, awslocal.PolicyRecord) error) error {
	policy := c.required("PolicyArn", arnShape())
	if err := c.ready(); err != nil {
		return err
	}
	err := c.read(func(i *awslocal.IAM) error {
		if p, err := findPolicy(i, policy); err == nil {
			c.resourceTags(p.Tags)
		}
		return nil // whether it is there is told to those who may know
	})
	if err != nil {
		return err
	}
	if err := c.permit(policy); err != nil {
		return err
	}
	return transaction(func(i *awslocal.IAM) error {
		p, err := findPolicy(i, policy)
		if err != nil {
			return err
		}
		return f(i, p)
	})
}

// errDeniedAWSManaged: nobody can change what is AWS's.
func errDeniedAWSManaged(c *call) error {
	return &awsquery.Error{Code: "AccessDenied", Status: 403, Message: fmt.Sprintf("User: %s is not authorized to perform: iam:%s on an AWS managed policy", c.caller.Identity.Principal, c.Action)}
}

func (c *call) getPolicy() (result []element, err error) {
	err = c.seePolicy(func(i *awslocal.IAM, p awslocal.PolicyRecord) error {
		result, err = showPolicy(i, p)
		return err
	})
	return []element{awsquery.E("Policy", result)}, err
}

func (c *call) listPolicies() (result []element, err error) {
	w, prefix := c.window(), c.optional("PathPrefix", pathPrefixShape())
	scope := c.choice("Scope", "All", "AWS", "Local")
	onlyAttached := c.choice("OnlyAttached", "true", "false") == "true"
	usage := c.choice("PolicyUsageFilter", "PermissionsPolicy", "PermissionsBoundary")
	if err := c.ready(); err != nil {
		return nil, err
	}
	if err := c.permit("*"); err != nil {
		return nil, err
	}
	err = c.read(func(i *awslocal.IAM) error {
		var all []awslocal.PolicyRecord
		if scope != "AWS" {
			if all, err = i.Policies().All(); err != nil {
				return err
			}
		}
		if scope != "Local" {
			all = append(all, awslocal.AWSPolicies()...)
		}
		all = slices.DeleteFunc(all, func(p awslocal.PolicyRecord) bool {
			a, attachedErr := attachedTo(i, policyARN(i, p))
			err = cmp.Or(err, attachedErr)
			return !strings.HasPrefix(p.Path, prefix) || onlyAttached && len(a.policies)+len(a.boundaries) == 0 ||
				usage == "PermissionsBoundary" && len(a.boundaries) == 0 || usage == "PermissionsPolicy" && len(a.policies) == 0
		})
		slices.SortFunc(all, func(a, b awslocal.PolicyRecord) int { return cmp.Compare(policyARN(i, a), policyARN(i, b)) })
		result = page(w, "Policies", all, func(p awslocal.PolicyRecord) string { return policyARN(i, p) }, func(p awslocal.PolicyRecord) any {
			shown, showErr := listPolicy(i, p)
			err = cmp.Or(err, showErr)
			return shown
		})
		return err
	})
	return result, err
}

func (c *call) deletePolicy() ([]element, error) {
	return nil, c.onPolicy(c.write, func(i *awslocal.IAM, p awslocal.PolicyRecord) error {
		if p.Account != i.Account.ID {
			return errDeniedAWSManaged(c)
		}
		a, err := attachedTo(i, policyARN(i, p))
		switch {
		case err != nil:
			return err
		case len(a.policies)+len(a.boundaries) > 0:
			return errDeleteConflict("Cannot delete a policy attached to entities.")
		case len(p.Versions) > 1:
			return errDeleteConflict("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		return i.Policies().Delete(p.Name)
	})
}

func (c *call) createPolicyVersion() (result []element, err error) {
	document := c.required("PolicyDocument", documentShape())
	asDefault := c.choice("SetAsDefault", "true", "false") == "true"
	err = c.changePolicy(func(i *awslocal.IAM, p *awslocal.PolicyRecord) error {
		if most := c.h.Quotas.withDefaults().VersionsPerPolicy; len(p.Versions) >= most {
			return errLimit("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", most)
		}
		if err := c.checkManaged(document); err != nil {
			return err
		}
		p.Last = p.LastVersion() + 1
		v := awslocal.VersionRecord{ID: "v" + strconv.Itoa(p.Last), Document: awslocal.PolicyDocument(document), Created: i.Now}
		p.Versions, p.Updated = append(p.Versions, v), i.Now
		if asDefault {
			p.Default = v.ID
		}
		result = showVersion(*p, v, false)
		return nil
	})
	return []element{awsquery.E("PolicyVersion", result)}, err
}

func showVersion(p awslocal.PolicyRecord, v awslocal.VersionRecord, document bool) []element {
	var shown []element
	if document {
		shown = append(shown, awsquery.E("Document", encodePolicy(v.Document)))
	}
	return append(shown, awsquery.E("VersionId", v.ID), awsquery.E("IsDefaultVersion", v.ID == p.Default), awsquery.E("CreateDate", v.Created))
}

func findVersion(p awslocal.PolicyRecord, id string) (int, error) {
	at := slices.IndexFunc(p.Versions, func(v awslocal.VersionRecord) bool { return v.ID == id })
	if at < 0 {
		return at, errNoSuch("Policy %s version %s does not exist or is not attachable.", p.Name, id)
	}
	return at, nil
}

func (c *call) getPolicyVersion() (result []element, err error) {
	id := c.required("VersionId", versionShape())
	err = c.seePolicy(func(_ *awslocal.IAM, p awslocal.PolicyRecord) error {
		at, err := findVersion(p, id)
		if err != nil {
			return err
		}
		result = showVersion(p, p.Versions[at], true)
		return nil
	})
	return []element{awsquery.E("PolicyVersion", result)}, err
}

func (c *call) listPolicyVersions() (result []element, err error) {
	w := c.window()
	err = c.seePolicy(func(_ *awslocal.IAM, p awslocal.PolicyRecord) error {
		versions := slices.SortedFunc(slices.Values(p.Versions), func(a, b awslocal.VersionRecord) int { return cmp.Compare(a.ID, b.ID) })
		result = page(w, "Versions", versions, func(v awslocal.VersionRecord) string { return v.ID },
			func(v awslocal.VersionRecord) any { return showVersion(p, v, false) })
		return nil
	})
	return result, err
}

func (c *call) deletePolicyVersion() ([]element, error) {
	id := c.required("VersionId", versionShape())
	return nil, c.changePolicy(func(_ *awslocal.IAM, p *awslocal.PolicyRecord) error {
		at, err := findVersion(*p, id)
		if err != nil {
			return err
		}
		if id == p.Default {
			return errDeleteConflict("Cannot delete the default version of a policy.")
		}
		p.Last = p.LastVersion() // its id is not given again
		p.Versions = slices.Delete(p.Versions, at, at+1)
		return nil
	})
}

func (c *call) setDefaultPolicyVersion() ([]element, error) {
	id := c.required("VersionId", versionShape())
	return nil, c.changePolicy(func(i *awslocal.IAM, p *awslocal.PolicyRecord) error {
		_, err := findVersion(*p, id)
		p.Default, p.Updated = id, i.Now
		return err
	})
}

func (c *call) listEntitiesForPolicy() (result []element, err error) {
	w := c.window()
	filter := c.choice("EntityFilter", "User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy")
	usage := c.choice("PolicyUsageFilter", "PermissionsPolicy", "PermissionsBoundary")
	prefix := c.optional("PathPrefix", pathPrefixShape())
	err = c.seePolicy(func(i *awslocal.IAM, p awslocal.PolicyRecord) error {
		a, err := attachedTo(i, policyARN(i, p))
		var list []owner
		if usage != "PermissionsBoundary" {
			list = append(list, a.policies...)
		}
		if usage != "PermissionsPolicy" { // who has it as both is listed once
			list = append(list, slices.DeleteFunc(a.boundaries, func(o owner) bool { return slices.Contains(list, o) })...)
		}
		key := func(o owner) string { return o.kind + "/" + strings.ToLower(o.name) }
		list = slices.SortedFunc(slices.Values(list), func(a, b owner) int { return cmp.Compare(key(a), key(b)) })
		list = slices.DeleteFunc(list, func(o owner) bool {
			return filter != "" && !strings.EqualFold(o.kind, filter) || !strings.HasPrefix(o.path, prefix)
		})
		var shown []owner
		rest := page(w, "", list, key, func(o owner) any {
			shown = append(shown, o)
			return ""
		})[1:]
		for _, kind := range []string{"Group", "User", "Role"} {
			members := awsquery.List{}
			for _, o := range shown {
				if strings.EqualFold(o.kind, kind) {
					members = append(members, []element{awsquery.E(kind+"Name", o.name), awsquery.E(kind+"Id", o.id)})
				}
			}
			result = append(result, awsquery.E("Policy"+kind+"s", members))
		}
		result = append(result, rest...)
		return err
	})
	return result, err
}

func (c *call) tagPolicy() ([]element, error) {
	tags := c.tags()
	c.requestTags(tags)
	return nil, c.changePolicy(func(_ *awslocal.IAM, p *awslocal.PolicyRecord) error { return addTags(&p.Tags, tags) })
}

func (c *call) untagPolicy() ([]element, error) {
	keys := c.invalid.TagKeys(c.Params, "TagKeys")
	c.facts.Set("aws:TagKeys", keys...)
	return nil, c.changePolicy(func(_ *awslocal.IAM, p *awslocal.PolicyRecord) error {
		removeTags(&p.Tags, keys)
		return nil
	})
}

func (c *call) listPolicyTags() (result []element, err error) {
	w := c.window()
	err = c.seePolicy(func(_ *awslocal.IAM, p awslocal.PolicyRecord) error {
		result = pageOfTags(w, p.Tags)
		return nil
	})
	return result, err
}
