package iamapi

import (
	"slices"
	"strings"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
)

// attach is AttachUserPolicy, AttachGroupPolicy, AttachRolePolicy.
func (k kind) attach(c *call) ([]element, error) {
	name, policyARN := k.named(c), c.required("PolicyArn", arnShape())
	c.facts.Set("iam:PolicyARN", policyARN)
	return nil, k.change(c, name, func(i *awslocal.IAM, t thing) error {
		if err := managedPolicyExists(i, policyARN); err != nil {
			return err
		}
		if slices.Contains(t.policies.Managed, policyARN) {
			return nil
		}
		if most := c.h.Quotas.withDefaults().AttachedPolicies; len(t.policies.Managed) >= most {
			return errLimit("Cannot exceed quota for PoliciesPer%s%s: %d", strings.ToUpper(k.name[:1]), k.name[1:], most)
		}
		t.policies.Managed = append(slices.Clone(t.policies.Managed), policyARN)
		return nil
	})
}

func managedPolicyExists(i *awslocal.IAM, policyARN string) error {
	_, found, err := i.ManagedDocument(policyARN)
	if err == nil && !found {
		err = errNoSuch("Policy %s does not exist or is not attachable.", policyARN)
	}
	return err
}

// detach is DetachUserPolicy, DetachGroupPolicy, DetachRolePolicy.
func (k kind) detach(c *call) ([]element, error) {
	name, policyARN := k.named(c), c.required("PolicyArn", arnShape())
	c.facts.Set("iam:PolicyARN", policyARN)
	return nil, k.change(c, name, func(_ *awslocal.IAM, t thing) error {
		if !slices.Contains(t.policies.Managed, policyARN) {
			return errNoSuch("Policy %s was not found.", policyARN)
		}
		t.policies.Managed = slices.DeleteFunc(slices.Clone(t.policies.Managed), func(a string) bool { return a == policyARN })
		return nil
	})
}

// listAttached is ListAttachedUserPolicies and its likes.
func (k kind) listAttached(c *call) (result []element, err error) {
	name, w, prefix := k.named(c), c.window(), c.optional("PathPrefix", pathPrefixShape())
	err = k.see(c, name, func(_ *awslocal.IAM, t thing) error {
		list := slices.Clone(t.policies.Managed)
		list = slices.DeleteFunc(list, func(a string) bool { return !strings.HasPrefix(policyPath(a), prefix) })
		slices.Sort(list)
		result = page(w, "AttachedPolicies", list, func(a string) string { return a }, func(a string) any {
			return []element{awsquery.E("PolicyName", a[strings.LastIndexByte(a, '/')+1:]), awsquery.E("PolicyArn", a)}
		})
		return nil
	})
	return result, err
}

// policyPath is the path in the ARN of a policy.
func policyPath(policyARN string) string {
	_, path, _ := strings.Cut(policyARN, ":policy")
	return path[:strings.LastIndexByte(path, '/')+1]
}

// putBoundary is PutUserPermissionsBoundary, PutRolePermissionsBoundary.
func (k kind) putBoundary(c *call) ([]element, error) {
	name, boundary := k.named(c), c.required("PermissionsBoundary", arnShape())
	c.facts.Set("iam:PermissionsBoundary", boundary)
	return nil, k.change(c, name, func(i *awslocal.IAM, t thing) error {
		t.policies.Boundary = boundary
		return managedPolicyExists(i, boundary)
	})
}

// deleteBoundary is DeleteUserPermissionsBoundary, DeleteRolePermissionsBoundary.
func (k kind) deleteBoundary(c *call) ([]element, error) {
	name := k.named(c)
	return nil, k.change(c, name, func(_ *awslocal.IAM, t thing) error {
		if t.policies.Boundary == "" {
			return errNoSuch("The %s %s has no permissions boundary.", k.name, t.name)
		}
		t.policies.Boundary = ""
		return nil
	})
}

// showBoundary is a permissions boundary in an answer.
func showBoundary(a awslocal.Attachments) []element {
	if a.Boundary == "" {
		return nil
	}
	return []element{awsquery.E("PermissionsBoundary", []element{
		awsquery.E("PermissionsBoundaryType", "Policy"), awsquery.E("PermissionsBoundaryArn", a.Boundary),
	})}
}
