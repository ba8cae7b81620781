package iamapi

import (
	"cmp"
	"slices"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
)

// keyOwner takes UserName, which the operations on access keys default to the
// caller's: "" for the root.
func (c *call) keyOwner() (name string, root bool) {
	if _, named := c.Params.Peek("UserName"); !named && c.caller.Identity.Kind == arn.Root {
		return "", true
	}
	return c.userOrCaller(), false
}

// onKeys calls f with the name of the owner of access keys, as it is written, for
// a caller who may.
func (c *call) onKeys(transaction func(func(*awslocal.IAM) error) error, f func(i *awslocal.IAM, owner string) error) error {
	name, root := c.keyOwner()
	if !root {
		return user().within(c, name, transaction, func(i *awslocal.IAM, t thing) error { return f(i, t.name) })
	}
	if err := c.ready(); err != nil {
		return err
	}
	return transaction(func(i *awslocal.IAM) error { return f(i, "") })
}

func (c *call) createAccessKey() (result []element, err error) {
	err = c.onKeys(c.write, func(i *awslocal.IAM, owner string) error {
		keys, err := i.Keys(owner)
		if err != nil {
			return err
		}
		if most := c.h.Quotas.withDefaults().AccessKeysPerUser; len(keys) >= most {
			return errLimit("Cannot exceed quota for AccessKeysPerUser: %d", most)
		}
		k, err := i.NewKey(owner)
		if err != nil {
			return err
		}
		result = []element{awsquery.E("AccessKey", slices.Insert(showKey(k), 3, awsquery.E("SecretAccessKey", string(k.Secret))))}
		return i.PutKey(k)
	})
	return result, err
}

func showKey(k awslocal.KeyRecord) []element {
	status := awslocal.Inactive
	if k.Active {
		status = awslocal.Active
	}
	return []element{
		awsquery.E("UserName", k.User),
		awsquery.E("AccessKeyId", k.ID),
		awsquery.E("Status", string(status)),
		awsquery.E("CreateDate", k.Created),
	}
}

func (c *call) listAccessKeys() (result []element, err error) {
	w := c.window()
	err = c.onKeys(c.read, func(i *awslocal.IAM, owner string) error {
		keys, err := i.Keys(owner)
		slices.SortFunc(keys, func(a, b awslocal.KeyRecord) int { return cmp.Compare(a.ID, b.ID) })
		result = page(w, "AccessKeyMetadata", keys, func(k awslocal.KeyRecord) string { return k.ID }, func(k awslocal.KeyRecord) any { return showKey(k) })
		return err
	})
	return result, err
}

func (c *call) updateAccessKey() ([]element, error) {
	if _, there := c.Params.Peek("Status"); !there {
		c.invalid.Missing("status")
	}
	id, status := c.required("AccessKeyId", keyIDShape()), c.choice("Status", "Active", "Inactive")
	return nil, c.onKeys(c.write, func(i *awslocal.IAM, owner string) error {
		k, err := findKey(i, owner, id)
		k.Active = awslocal.KeyStatus(status) == awslocal.Active
		if err != nil {
			return err
		}
		return i.PutKey(k)
	})
}

func (c *call) deleteAccessKey() ([]element, error) {
	id := c.required("AccessKeyId", keyIDShape())
	return nil, c.onKeys(c.write, func(i *awslocal.IAM, owner string) error {
		if _, err := findKey(i, owner, id); err != nil {
			return err
		}
		return i.DeleteKey(id)
	})
}

func findKey(i *awslocal.IAM, owner, id string) (awslocal.KeyRecord, error) {
	keys, err := i.Keys(owner)
	for _, k := range keys {
		if k.ID == id {
			return k, nil
		}
	}
	if err == nil {
		err = errNoSuch("The Access Key with id %s cannot be found.", id)
	}
	return awslocal.KeyRecord{}, err
}

// getAccessKeyLastUsed says of each key that it was not used yet: nobody writes
// that down here.
func (c *call) getAccessKeyLastUsed() (result []element, err error) {
	id := c.required("AccessKeyId", keyIDShape())
	if err := c.ready(); err != nil {
		return nil, err
	}
	if err := c.permit(c.arn("user/*")); err != nil {
		return nil, err
	}
	err = c.read(func(i *awslocal.IAM) error {
		k, found, err := i.Key(id)
		if err == nil && !found {
			err = errNoSuch("The Access Key with id %s cannot be found.", id)
		}
		result = []element{
			awsquery.E("UserName", k.User),
			awsquery.E("AccessKeyLastUsed", []element{awsquery.E("ServiceName", "N/A"), awsquery.E("Region", "N/A")}),
		}
		return err
	})
	return result, err
}
