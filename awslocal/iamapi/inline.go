package iamapi

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/iam"
)

// put is PutUserPolicy, PutGroupPolicy, PutRolePolicy.
func (k kind) put(c *call) ([]element, error) {
	name, policy := k.named(c), c.required("PolicyName", policyNameShape())
	document := c.required("PolicyDocument", documentShape())
	return nil, k.change(c, name, func(_ *awslocal.IAM, t thing) error {
		if err := checkIdentityPolicy(document); err != nil {
			return err
		}
		list := slices.DeleteFunc(slices.Clone(t.policies.Inline), func(p awslocal.InlinePolicy) bool { return p.Name == policy })
		list = append(list, awslocal.InlinePolicy{Name: policy, Document: awslocal.PolicyDocument(document)})
		slices.SortFunc(list, func(a, b awslocal.InlinePolicy) int { return cmp.Compare(a.Name, b.Name) })
		total := 0
		for _, p := range list {
			total += size(string(p.Document))
		}
		if most := k.size(c.h.Quotas.withDefaults()); total > most {
			return errLimit("Maximum policy size of %d bytes exceeded for %s %s", most, k.name, t.name)
		}
		t.policies.Inline = list
		return nil
	})
}

// get is GetUserPolicy, GetGroupPolicy, GetRolePolicy.
func (k kind) get(c *call) (result []element, err error) {
	name, policy := k.named(c), c.required("PolicyName", policyNameShape())
	err = k.see(c, name, func(_ *awslocal.IAM, t thing) error {
		p, err := k.inline(t, policy)
		result = []element{
			awsquery.E(k.field, t.name), awsquery.E("PolicyName", policy),
			awsquery.E("PolicyDocument", encodePolicy(p.Document)),
		}
		return err
	})
	return result, err
}

func (k kind) inline(t thing, policy string) (awslocal.InlinePolicy, error) {
	for _, p := range t.policies.Inline {
		if p.Name == policy {
			return p, nil
		}
	}
	return awslocal.InlinePolicy{}, errNoSuch("The %s policy with name %s cannot be found.", k.name, policy)
}

// remove is DeleteUserPolicy, DeleteGroupPolicy, DeleteRolePolicy.
func (k kind) remove(c *call) ([]element, error) {
	name, policy := k.named(c), c.required("PolicyName", policyNameShape())
	return nil, k.change(c, name, func(_ *awslocal.IAM, t thing) error {
		if _, err := k.inline(t, policy); err != nil {
			return err
		}
		t.policies.Inline = slices.DeleteFunc(t.policies.Inline, func(p awslocal.InlinePolicy) bool { return p.Name == policy })
		return nil
	})
}

// list is ListUserPolicies, ListGroupPolicies, ListRolePolicies.
func (k kind) list(c *call) (result []element, err error) {
	name, w := k.named(c), c.window()
	err = k.see(c, name, func(_ *awslocal.IAM, t thing) error {
		result = page(w, "PolicyNames", t.policies.Inline,
			func(p awslocal.InlinePolicy) string { return p.Name }, func(p awslocal.InlinePolicy) any { return p.Name })
		return nil
	})
	return result, err
}

// checkIdentityPolicy refuses what is no identity policy.
func checkIdentityPolicy(document string) error {
	if _, err := iam.Parse([]byte(document), iam.IdentityPolicy); err != nil {
		return errMalformedPolicy("%v", err)
	}
	return nil
}

// encodePolicy is how IAM answers with a policy.
//
// Source: "GetRolePolicy" in the IAM API reference: URL-encoded, RFC 3986.
func encodePolicy(document awslocal.PolicyDocument) string {
	return strings.ReplaceAll(url.QueryEscape(string(document)), "+", "%20")
}
