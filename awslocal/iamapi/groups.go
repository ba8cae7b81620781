package iamapi

import (
	"cmp"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
)

func (c *call) createGroup() (result []element, err error) {
	g := awslocal.GroupRecord{Account: c.account(), Name: group().named(c), Path: c.path()}
	if err := c.ready(); err != nil {
		return nil, err
	}
	if err := c.permit(g.ARN(c.partition())); err != nil {
		return nil, err
	}
	err = c.write(func(i *awslocal.IAM) error {
		if _, found, err := i.Groups().Get(g.Name); err != nil || found {
			return cmp.Or(err, errExists("Group with name %s already exists.", g.Name))
		}
		if err := room(i.Groups(), c.h.Quotas.withDefaults().Groups, "GroupsPerAccount"); err != nil {
			return err
		}
		g.ID, g.Created = awslocal.NewGroupID(), i.Now
		if g.Order, err = i.Groups().NextOrder(); err != nil {
			return err
		}
		result = showGroup(i, g)
		return i.Groups().Put(g.Name, g)
	})
	return []element{awsquery.E("Group", result)}, err
}

func showGroup(i *awslocal.IAM, g awslocal.GroupRecord) []element {
	return []element{
		awsquery.E("Path", g.Path),
		awsquery.E("GroupName", g.Name),
		awsquery.E("GroupId", g.ID),
		awsquery.E("Arn", g.ARN(i.Account.Partition)),
		awsquery.E("CreateDate", g.Created),
	}
}

// getGroup shows a group and its members.
func (c *call) getGroup() (result []element, err error) {
	name, w := group().named(c), c.window()
	err = group().see(c, name, func(i *awslocal.IAM, t thing) error {
		g, err := find(i.Groups(), "group", name)
		if err != nil {
			return err
		}
		members, err := members(i, t.name)
		result = append([]element{awsquery.E("Group", showGroup(i, g))}, page(w, "Users", members,
			func(u awslocal.UserRecord) string { return strings.ToLower(u.Name) },
			func(u awslocal.UserRecord) any { return showUser(i, u) })...)
		return err
	})
	return result, err
}

func members(i *awslocal.IAM, groupName string) ([]awslocal.UserRecord, error) {
	all, err := i.Users().All()
	return slices.DeleteFunc(all, func(u awslocal.UserRecord) bool { return !inGroup(u, groupName) }), err
}

func inGroup(u awslocal.UserRecord, name string) bool {
	return slices.ContainsFunc(u.Groups, func(g string) bool { return strings.EqualFold(g, name) })
}

func (c *call) listGroups() (result []element, err error) {
	w, prefix := c.window(), c.optional("PathPrefix", pathPrefixShape())
	if err := c.ready(); err != nil {
		return nil, err
	}
	if err := c.permit(c.arn("group" + cmp.Or(prefix, "/"))); err != nil {
		return nil, err
	}
	err = c.read(func(i *awslocal.IAM) error {
		all, err := i.Groups().All()
		all = slices.DeleteFunc(all, func(g awslocal.GroupRecord) bool { return !strings.HasPrefix(g.Path, prefix) })
		result = pageOfGroups(i, w, all)
		return err
	})
	return result, err
}

func pageOfGroups(i *awslocal.IAM, w window, groups []awslocal.GroupRecord) []element {
	return page(w, "Groups", groups, func(g awslocal.GroupRecord) string { return strings.ToLower(g.Name) },
		func(g awslocal.GroupRecord) any { return showGroup(i, g) })
}

func (c *call) listGroupsForUser() (result []element, err error) {
	name, w := user().named(c), c.window()
	err = user().see(c, name, func(i *awslocal.IAM, t thing) error {
		u, err := find(i.Users(), "user", t.name)
		if err != nil {
			return err
		}
		all, err := i.Groups().All()
		all = slices.DeleteFunc(all, func(g awslocal.GroupRecord) bool { return !inGroup(u, g.Name) })
		result = pageOfGroups(i, w, all)
		return err
	})
	return result, err
}

// updateGroup gives a group another name, another path, or both.
func (c *call) updateGroup() ([]element, error) {
	name := group().named(c)
	newName := c.optional("NewGroupName", groupNameShape())
	newPath := c.pathIn("NewPath")
	return nil, group().replace(c, name, func(i *awslocal.IAM, _ thing) error {
		g, err := find(i.Groups(), "group", name)
		if err != nil {
			return err
		}
		if newName != "" && !strings.EqualFold(newName, name) {
			if _, found, err := i.Groups().Get(newName); err != nil || found {
				return cmp.Or(err, errExists("Group with name %s already exists.", newName))
			}
			if err := moveMembers(i, g.Name, newName); err != nil {
				return err
			}
			if err := i.Groups().Delete(name); err != nil {
				return err
			}
		}
		g.Name, g.Path = cmp.Or(newName, g.Name), cmp.Or(newPath, g.Path)
		return i.Groups().Put(g.Name, g)
	})
}

func moveMembers(i *awslocal.IAM, from, to string) error {
	list, err := members(i, from)
	if err != nil {
		return err
	}
	for _, u := range list {
		u.Groups = append(without(u.Groups, from), to)
		if err := i.Users().Put(u.Name, u); err != nil {
			return err
		}
	}
	return nil
}

func without(groups []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return strings.EqualFold(g, name) })
}

func (c *call) deleteGroup() ([]element, error) {
	name := group().named(c)
	return nil, group().replace(c, name, func(i *awslocal.IAM, t thing) error {
		list, err := members(i, name)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			return errDeleteConflict("Cannot delete entity, must remove users from group first.")
		}
		if err := t.free(); err != nil {
			return err
		}
		return i.Groups().Delete(name)
	})
}

func (c *call) addUserToGroup() ([]element, error) {
	return c.changeMember(func(u *awslocal.UserRecord, groupName string) error {
		if inGroup(*u, groupName) {
			return nil
		}
		if most := c.h.Quotas.withDefaults().GroupsPerUser; len(u.Groups) >= most {
			return errLimit("Cannot exceed quota for GroupsPerUser: %d", most)
		}
		u.Groups = append(slices.Clone(u.Groups), groupName)
		return nil
	})
}

func (c *call) removeUserFromGroup() ([]element, error) {
	return c.changeMember(func(u *awslocal.UserRecord, groupName string) error {
		if !inGroup(*u, groupName) {
			return errNoSuch("User %s is not in group %s.", u.Name, groupName)
		}
		u.Groups = without(u.Groups, groupName)
		return nil
	})
}

func (c *call) changeMember(f func(u *awslocal.UserRecord, groupName string) error) ([]element, error) {
	name, userName := group().named(c), user().named(c)
	return nil, group().replace(c, name, func(i *awslocal.IAM, t thing) error {
		u, err := find(i.Users(), "user", userName)
		if err != nil {
			return err
		}
		if err := f(&u, t.name); err != nil {
			return err
		}
		return i.Users().Put(u.Name, u)
	})
}
