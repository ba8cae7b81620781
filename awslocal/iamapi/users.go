package iamapi

import (
	"cmp"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
)

func (c *call) createUser() (result []element, err error) {
	u := awslocal.UserRecord{
		Account: c.account(), Name: user().named(c), Path: c.path(),
		Attachments: awslocal.Attachments{Boundary: c.optional("PermissionsBoundary", arnShape())},
	}
	tags := c.tags()
	if err := c.ready(); err != nil {
		return nil, err
	}
	if err := c.permitNew(u.Principal(c.partition()).String(), u.Boundary, tags); err != nil {
		return nil, err
	}
	err = c.write(func(i *awslocal.IAM) error {
		if _, found, err := i.Users().Get(u.Name); err != nil || found {
			return cmp.Or(err, errExists("User with name %s already exists.", u.Name))
		}
		if err := room(i.Users(), c.h.Quotas.withDefaults().Users, "UsersPerAccount"); err != nil {
			return err
		}
		if err := newObject(i, u.Boundary, tags, &u.Tags); err != nil {
			return err
		}
		u.ID, u.Created = awslocal.NewUserID(), i.Now
		if u.Order, err = i.Users().NextOrder(); err != nil {
			return err
		}
		result = showUser(i, u)
		return i.Users().Put(u.Name, u)
	})
	return []element{awsquery.E("User", result)}, err
}

func showUser(i *awslocal.IAM, u awslocal.UserRecord) []element {
	shown := append(listUser(i, u), showBoundary(u.Attachments)...)
	return append(shown, showTags(u.Tags)...)
}

// listUser is a user in a list, which does not have everything.
//
// Source: botocore's model of IAM (ListUsers); likewise ListRoles and ListPolicies.
func listUser(i *awslocal.IAM, u awslocal.UserRecord) []element {
	return []element{
		awsquery.E("Path", u.Path),
		awsquery.E("UserName", u.Name),
		awsquery.E("UserId", u.ID),
		awsquery.E("Arn", u.Principal(i.Account.Partition).String()),
		awsquery.E("CreateDate", u.Created),
	}
}

// userOrCaller takes UserName, which some operations default to the caller's.
func (c *call) userOrCaller() string {
	if name := c.optional("UserName", userNameShape()); name != "" {
		return name
	}
	if c.caller.Identity.Kind != arn.User {
		c.invalid.Missing("userName")
	}
	return c.caller.Identity.Name
}

func (c *call) getUser() (result []element, err error) {
	if _, named := c.Params.Peek("UserName"); !named && c.caller.Identity.Kind == arn.Root {
		return c.getRoot()
	}
	name := c.userOrCaller()
	err = user().see(c, name, func(i *awslocal.IAM, _ thing) error {
		u, err := find(i.Users(), "user", name)
		result = showUser(i, u)
		return err
	})
	return []element{awsquery.E("User", result)}, err
}

// getRoot is GetUser of an account's root.
func (c *call) getRoot() (result []element, err error) {
	if err := c.ready(); err != nil {
		return nil, err
	}
	err = c.read(func(i *awslocal.IAM) error {
		result = []element{awsquery.E("User", []element{
			awsquery.E("UserId", i.Account.ID), awsquery.E("Arn", c.caller.Identity.Principal.String()), awsquery.E("CreateDate", i.Now),
		})}
		return nil
	})
	return result, err
}

func (c *call) listUsers() (result []element, err error) {
	w, prefix := c.window(), c.optional("PathPrefix", pathPrefixShape())
	if err := c.ready(); err != nil {
		return nil, err
	}
	if err := c.permit(c.arn("user" + cmp.Or(prefix, "/"))); err != nil {
		return nil, err
	}
	err = c.read(func(i *awslocal.IAM) error {
		all, err := i.Users().All()
		all = slices.DeleteFunc(all, func(u awslocal.UserRecord) bool { return !strings.HasPrefix(u.Path, prefix) })
		result = page(w, "Users", all, func(u awslocal.UserRecord) string { return strings.ToLower(u.Name) },
			func(u awslocal.UserRecord) any { return listUser(i, u) })
		return err
	})
	return result, err
}

// updateUser gives a user another name, another path, or both.
func (c *call) updateUser() ([]element, error) {
	name := user().named(c)
	newName := c.optional("NewUserName", userNameShape())
	newPath := c.pathIn("NewPath")
	return nil, user().replace(c, name, func(i *awslocal.IAM, _ thing) error {
		u, err := find(i.Users(), "user", name)
		if err != nil {
			return err
		}
		if newName != "" && !strings.EqualFold(newName, name) {
			if _, found, err := i.Users().Get(newName); err != nil || found {
				return cmp.Or(err, errExists("User with name %s already exists.", newName))
			}
			if err := moveKeys(i, u.Name, newName); err != nil {
				return err
			}
			if err := i.Users().Delete(name); err != nil {
				return err
			}
		}
		u.Name, u.Path = cmp.Or(newName, u.Name), cmp.Or(newPath, u.Path)
		return i.Users().Put(u.Name, u)
	})
}

// moveKeys gives the access keys of a user to another name.
func moveKeys(i *awslocal.IAM, from, to string) error {
	keys, err := i.Keys(from)
	if err != nil {
		return err
	}
	for _, k := range keys {
		k.User = to
		if err := i.PutKey(k); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) deleteUser() ([]element, error) {
	name := user().named(c)
	return nil, user().replace(c, name, func(i *awslocal.IAM, t thing) error {
		u, err := find(i.Users(), "user", name)
		if err != nil {
			return err
		}
		keys, err := i.Keys(u.Name)
		switch {
		case err != nil:
			return err
		case len(keys) > 0:
			return errDeleteConflict("Cannot delete entity, must delete access keys first.")
		case len(u.Groups) > 0:
			return errDeleteConflict("Cannot delete entity, must remove users from group first.")
		}
		if err := t.free(); err != nil {
			return err
		}
		return i.Users().Delete(name)
	})
}
