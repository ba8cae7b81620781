package iamapi

import (
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
)

func (c *call) listAccountAliases() (result []element, err error) {
	c.window()
	if err := c.ready(); err != nil {
		return nil, err
	}
	if err := c.permit("*"); err != nil {
		return nil, err
	}
	err = c.read(func(i *awslocal.IAM) error {
		list := awsquery.List{}
		if i.Account.Alias != "" {
			list = append(list, i.Account.Alias)
		}
		result = []element{awsquery.E("AccountAliases", list), awsquery.E("IsTruncated", false)}
		return nil
	})
	return result, err
}

func (c *call) createAccountAlias() ([]element, error) {
	alias := c.required("AccountAlias", aliasShape())
	return nil, c.setAlias(func(i *awslocal.IAM) error {
		if !awslocal.IsAccountAlias(alias) {
			return errInvalidInput("The account alias %s is not one: letters and digits with single hyphens between them, and no account id", alias)
		}
		ok, err := i.SetAlias(alias)
		if err == nil && !ok {
			err = errExists("The account alias %s already exists.", alias)
		}
		return err
	})
}

func (c *call) deleteAccountAlias() ([]element, error) {
	alias := c.required("AccountAlias", aliasShape())
	return nil, c.setAlias(func(i *awslocal.IAM) error {
		if i.Account.Alias != alias {
			return errNoSuch("The account alias %s cannot be found.", alias)
		}
		_, err := i.SetAlias("")
		return err
	})
}

func (c *call) setAlias(f func(*awslocal.IAM) error) error {
	if err := c.ready(); err != nil {
		return err
	}
	if err := c.permit("*"); err != nil {
		return err
	}
	return c.write(f)
}

func (c *call) getAccountSummary() (result []element, err error) {
	if err := c.ready(); err != nil {
		return nil, err
	}
	if err := c.permit("*"); err != nil {
		return nil, err
	}
	err = c.read(func(i *awslocal.IAM) error {
		q := c.h.Quotas.withDefaults()
		summary := awsquery.Map{}
		for _, n := range []struct {
			name  string
			count func() (int, error)
			quota int
		}{
			{"Users", i.Users().Count, q.Users},
			{"Groups", i.Groups().Count, q.Groups},
			{"Roles", i.Roles().Count, q.Roles},
			{"Policies", i.Policies().Count, q.Policies},
		} {
			count, err := n.count()
			if err != nil {
				return err
			}
			summary = append(summary, awsquery.E(n.name, count), awsquery.E(n.name+"Quota", n.quota))
		}
		rootKeys, err := i.Keys("")
		summary = append(summary,
			awsquery.E("AccessKeysPerUserQuota", q.AccessKeysPerUser),
			awsquery.E("AccountAccessKeysPresent", min(1, len(rootKeys))),
			awsquery.E("AccountMFAEnabled", 0),
			awsquery.E("AssumeRolePolicySizeQuota", q.TrustPolicySize),
			awsquery.E("AttachedPoliciesPerRoleQuota", q.AttachedPolicies),
			awsquery.E("GroupsPerUserQuota", q.GroupsPerUser),
			awsquery.E("VersionsPerPolicyQuota", q.VersionsPerPolicy),
		)
		result = []element{awsquery.E("SummaryMap", summary)}
		return err
	})
	return result, err
}

// none lists nothing, whatever the caller filters by.
func none(name string, filters ...string) func(*call) ([]element, error) {
	return func(c *call) ([]element, error) {
		c.window()
		for _, f := range filters {
			c.Params.Take(f)
		}
		if err := c.ready(); err != nil {
			return nil, err
		}
		if err := c.permit("*"); err != nil {
			return nil, err
		}
		return []element{awsquery.E(name, awsquery.List{}), awsquery.E("IsTruncated", false)}, nil
	}
}

// noneOf lists nothing of a user or a role, which must be there.
func noneOf(k kind, name string) func(*call) ([]element, error) {
	return func(c *call) ([]element, error) {
		c.window()
		owner := ""
		if k.name == "user" {
			owner = c.userOrCaller()
		} else {
			owner = k.named(c)
		}
		err := k.see(c, owner, func(*awslocal.IAM, thing) error { return nil })
		return []element{awsquery.E(name, awsquery.List{}), awsquery.E("IsTruncated", false)}, err
	}
}

// noLoginProfile: nobody here signs in with a password.
func (c *call) noLoginProfile() ([]element, error) {
	name := user().named(c)
	return nil, user().see(c, name, func(_ *awslocal.IAM, t thing) error {
		return errNoSuch("Login Profile for User %s cannot be found.", t.name)
	})
}
