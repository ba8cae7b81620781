package iamapi

import (
	"cmp"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
)

const defaultSessionDuration = 3600 // seconds

func (c *call) sessionDuration() int {
	return c.invalid.Integer(c.Params, "MaxSessionDuration", 3600, 43200, 0)
}

func (c *call) createRole() (result []element, err error) {
	r := awslocal.RoleRecord{
		Account: c.account(), Name: role().named(c), Path: c.path(),
		TrustPolicy:        awslocal.PolicyDocument(c.required("AssumeRolePolicyDocument", documentShape())),
		Description:        c.optional("Description", roleDescriptionShape()),
		MaxSessionDuration: cmp.Or(c.sessionDuration(), defaultSessionDuration),
		Attachments:        awslocal.Attachments{Boundary: c.optional("PermissionsBoundary", arnShape())},
	}
	tags := c.tags()
	if err := c.ready(); err != nil {
		return nil, err
	}
	if err := c.permitNew(r.Principal(c.partition()).String(), r.Boundary, tags); err != nil {
		return nil, err
	}
	err = c.write(func(i *awslocal.IAM) error {
		if _, found, err := i.Roles().Get(r.Name); err != nil || found {
			return cmp.Or(err, errExists("Role with name %s already exists.", r.Name))
		}
		if err := room(i.Roles(), c.h.Quotas.withDefaults().Roles, "RolesPerAccount"); err != nil {
			return err
		}
		if err := c.checkTrust(i, string(r.TrustPolicy)); err != nil {
			return err
		}
		if err := newObject(i, r.Boundary, tags, &r.Tags); err != nil {
			return err
		}
		r.ID, r.Created = awslocal.NewRoleID(), i.Now
		if r.Order, err = i.Roles().NextOrder(); err != nil {
			return err
		}
		result, err = showRole(i, r)
		return cmp.Or(err, i.Roles().Put(r.Name, r))
	})
	return []element{awsquery.E("Role", result)}, err
}

// permitNew asks the caller's policies about a user or a role that is to be made.
func (c *call) permitNew(resource, boundary string, tags []awslocal.Tag) error {
	if boundary != "" {
		c.facts.Set("iam:PermissionsBoundary", boundary)
	}
	c.requestTags(tags)
	return c.permit(resource)
}

// newObject checks what a new user and a new role have in common, and sets its
// tags.
func newObject(i *awslocal.IAM, boundary string, given []awslocal.Tag, tags *[]awslocal.Tag) (err error) {
	if boundary != "" {
		if err := managedPolicyExists(i, boundary); err != nil {
			return err
		}
	}
	*tags, err = newTags(given)
	return err
}

// room refuses one more when there are as many as there may be.
func room[T any](records awslocal.Records[T], most int, quota string) error {
	n, err := records.Count()
	if err == nil && n >= most {
		err = errLimit("Cannot exceed quota for %s: %d", quota, most)
	}
	return err
}

func showRole(i *awslocal.IAM, r awslocal.RoleRecord) ([]element, error) {
	shown, err := listRole(i, r)
	shown = append(shown, showBoundary(r.Attachments)...)
	return append(shown, showTags(r.Tags)...), err
}

// listRole is a role in a list.
func listRole(i *awslocal.IAM, r awslocal.RoleRecord) ([]element, error) {
	trust, err := i.TrustDocument(r)
	shown := []element{
		awsquery.E("Path", r.Path),
		awsquery.E("RoleName", r.Name),
		awsquery.E("RoleId", r.ID),
		awsquery.E("Arn", r.Principal(i.Account.Partition).String()),
		awsquery.E("CreateDate", r.Created),
		awsquery.E("AssumeRolePolicyDocument", encodePolicy(trust)),
	}
	if r.Description != "" {
		shown = append(shown, awsquery.E("Description", r.Description))
	}
	return append(shown, awsquery.E("MaxSessionDuration", r.MaxSessionDuration)), err
}

// changeRole is change with the whole record of a role.
func (c *call) changeRole(name string, f func(*awslocal.IAM, *awslocal.RoleRecord) error) error {
	if err := c.ready(); err != nil {
		return err
	}
	if err := role().permit(c, name); err != nil {
		return err
	}
	return c.write(func(i *awslocal.IAM) error {
		r, err := find(i.Roles(), "role", name)
		if err != nil {
			return err
		}
		if err := f(i, &r); err != nil {
			return err
		}
		return i.Roles().Put(name, r)
	})
}

func (c *call) getRole() (result []element, err error) {
	name := role().named(c)
	err = role().see(c, name, func(i *awslocal.IAM, _ thing) error {
		r, err := find(i.Roles(), "role", name)
		if err != nil {
			return err
		}
		result, err = showRole(i, r)
		return err
	})
	return []element{awsquery.E("Role", result)}, err
}

func (c *call) listRoles() (result []element, err error) {
	w, prefix := c.window(), c.optional("PathPrefix", pathPrefixShape())
	if err := c.ready(); err != nil {
		return nil, err
	}
	if err := c.permit(c.arn("role" + cmp.Or(prefix, "/"))); err != nil {
		return nil, err
	}
	err = c.read(func(i *awslocal.IAM) error {
		all, err := i.Roles().All()
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(r awslocal.RoleRecord) bool { return !strings.HasPrefix(r.Path, prefix) })
		result = page(w, "Roles", all, func(r awslocal.RoleRecord) string { return strings.ToLower(r.Name) }, func(r awslocal.RoleRecord) any {
			shown, showErr := listRole(i, r)
			err = cmp.Or(err, showErr)
			return shown
		})
		return err
	})
	return result, err
}

// updateRole changes only what it is given.
func (c *call) updateRole() ([]element, error) {
	name, duration := role().named(c), c.sessionDuration()
	description, described := c.given("Description", roleDescriptionShape())
	return []element{}, c.changeRole(name, func(_ *awslocal.IAM, r *awslocal.RoleRecord) error {
		r.MaxSessionDuration = cmp.Or(duration, r.MaxSessionDuration)
		if described {
			r.Description = description
		}
		return nil
	})
}

func (c *call) updateRoleDescription() (result []element, err error) {
	name, description := role().named(c), c.required("Description", roleDescriptionShape())
	err = c.changeRole(name, func(i *awslocal.IAM, r *awslocal.RoleRecord) (err error) {
		r.Description = description
		result, err = showRole(i, *r)
		return err
	})
	return []element{awsquery.E("Role", result)}, err
}

// updateAssumeRolePolicy replaces the whole trust policy, what service accounts
// stand for in the world file included.
func (c *call) updateAssumeRolePolicy() ([]element, error) {
	name, document := role().named(c), c.required("PolicyDocument", documentShape())
	return nil, c.changeRole(name, func(i *awslocal.IAM, r *awslocal.RoleRecord) error {
		r.TrustPolicy, r.ServiceAccounts = awslocal.PolicyDocument(document), nil
		return c.checkTrust(i, document)
	})
}

func (c *call) deleteRole() ([]element, error) {
	name := role().named(c)
	return nil, role().replace(c, name, func(i *awslocal.IAM, t thing) error {
		if err := t.free(); err != nil {
			return err
		}
		return i.Roles().Delete(name)
	})
}

// free refuses to delete what still has policies.
func (t thing) free() error {
	switch {
	case len(t.policies.Managed) > 0:
		return errDeleteConflict("Cannot delete entity, must detach all policies first.")
	case len(t.policies.Inline) > 0:
		return errDeleteConflict("Cannot delete entity, must delete policies first.")
	}
	return nil
}
