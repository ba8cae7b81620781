package iamapi

import (
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
)

// kind is of things that have policies: users, groups and roles.
type kind struct {
	name  string // in messages
	field string // of the parameter that names one
	shape func() awsquery.Shape
	// size is the quota of all inline policies of one together.
	size func(Quotas) int
	find func(i *awslocal.IAM, name string) (thing, error)
}

// thing is a user, a group or a role in a transaction.
type thing struct {
	arn      string
	name     string
	policies *awslocal.Attachments
	tags     *[]awslocal.Tag // nil for a group
	save     func() error
}

func user() kind {
	return kind{"user", "UserName", userNameShape, func(q Quotas) int { return q.UserPolicySize },
		func(i *awslocal.IAM, name string) (thing, error) {
			u, err := find(i.Users(), "user", name)
			return thing{u.Principal(i.Account.Partition).String(), u.Name, &u.Attachments, &u.Tags,
				func() error { return i.Users().Put(u.Name, u) }}, err
		}}
}

func group() kind {
	return kind{"group", "GroupName", groupNameShape, func(q Quotas) int { return q.GroupPolicySize },
		func(i *awslocal.IAM, name string) (thing, error) {
			g, err := find(i.Groups(), "group", name)
			return thing{g.ARN(i.Account.Partition), g.Name, &g.Attachments, nil,
				func() error { return i.Groups().Put(g.Name, g) }}, err
		}}
}

func role() kind {
	return kind{"role", "RoleName", roleNameShape, func(q Quotas) int { return q.RolePolicySize },
		func(i *awslocal.IAM, name string) (thing, error) {
			r, err := find(i.Roles(), "role", name)
			return thing{r.Principal(i.Account.Partition).String(), r.Name, &r.Attachments, &r.Tags,
				func() error { return i.Roles().Put(r.Name, r) }}, err
		}}
}

// find gets a record or refuses with NoSuchEntity.
func find[T any](records awslocal.Records[T], kind, name string) (T, error) {
	record, found, err := records.Get(name)
	if err == nil && !found {
		err = errNoSuchNamed(kind, name)
	}
	return record, err
}

// named takes the parameter that names one.
func (k kind) named(c *call) string { return c.required(k.field, k.shape()) }

// permit asks the caller's policies about the operation on the one of that name.
// One that is not there has the ARN that it would have.
func (k kind) permit(c *call, name string) error {
	resource := c.arn(k.name + "/" + name)
	err := c.read(func(i *awslocal.IAM) error {
		t, err := k.find(i, name)
		if err != nil {
			return nil // is told to those who may know
		}
		resource = t.arn
		if t.tags != nil {
			c.resourceTags(*t.tags)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.permit(resource)
}

// see calls f with the one of that name, for a caller who may.
func (k kind) see(c *call, name string, f func(*awslocal.IAM, thing) error) error {
	return k.within(c, name, c.read, f)
}

// change calls f with the one of that name, for a caller who may, and keeps what
// it has changed.
func (k kind) change(c *call, name string, f func(*awslocal.IAM, thing) error) error {
	return k.within(c, name, c.write, func(i *awslocal.IAM, t thing) error {
		if err := f(i, t); err != nil {
			return err
		}
		return t.save()
	})
}

// replace calls f, which writes or deletes the one of that name by itself, for a
// caller who may.
func (k kind) replace(c *call, name string, f func(*awslocal.IAM, thing) error) error {
	return k.within(c, name, c.write, f)
}

func (k kind) within(c *call, name string, transaction func(func(*awslocal.IAM) error) error, f func(*awslocal.IAM, thing) error) error {
	if err := c.ready(); err != nil {
		return err
	}
	if err := k.permit(c, name); err != nil {
		return err
	}
	return transaction(func(i *awslocal.IAM) error {
		t, err := k.find(i, name)
		if err != nil {
			return err
		}
		return f(i, t)
	})
}
