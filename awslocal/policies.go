package awslocal

import (
	"context"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/sts"
)

// Policies finds what a user or a role may do: its own policies, and those of
// the user's groups.
func (s *Store) Policies(_ context.Context, principal arn.Principal) (policies sts.Policies, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		policies, err = s.memo.at(tx).policies(tx, principal)
		return err
	})
	return policies, err
}

// ManagedPolicy finds a managed policy of an account's own or of AWS's.
func (s *Store) ManagedPolicy(_ context.Context, account, policyARN string) (policy *iam.Policy, err error) {
	if owner, _, ok := splitPolicyARN(policyARN); !ok || owner != account && owner != awsAccount {
		return nil, fmt.Errorf("managed policy %s: %w", policyARN, sts.ErrNotFound)
	}
	err = s.db.View(func(tx *bbolt.Tx) error {
		policy, err = parseManaged(tx, policyARN)
		return err
	})
	return policy, err
}

func findPolicies(tx *bbolt.Tx, principal arn.Principal) (sts.Policies, error) {
	var own Attachments
	var groups []string
	var found bool
	var err error
	switch principal.Kind {
	case arn.User:
		var user UserRecord
		user, found, err = userTable.get(tx, nameKey(principal.AccountID, principal.Name))
		own, groups = user.Attachments, user.Groups
	case arn.Role:
		var role RoleRecord
		role, found, err = roleTable.get(tx, nameKey(principal.AccountID, principal.Name))
		own = role.Attachments
	}
	if err == nil && !found {
		err = fmt.Errorf("%s: %w", principal, sts.ErrNotFound)
	}
	if err != nil {
		return sts.Policies{}, err
	}
	var policies sts.Policies
	if policies.Identity, err = own.parse(tx, principal.Name); err != nil {
		return sts.Policies{}, err
	}
	for _, name := range groups {
		group, found, err := groupTable.get(tx, nameKey(principal.AccountID, name))
		if err != nil || !found {
			return sts.Policies{}, fmt.Errorf("group %s of %s: found %v: %w", name, principal, found, err)
		}
		more, err := group.parse(tx, "group "+group.Name)
		if err != nil {
			return sts.Policies{}, err
		}
		policies.Identity = append(policies.Identity, more...)
	}
	if own.Boundary != "" {
		policies.Boundary, err = parseManaged(tx, own.Boundary)
	}
	return policies, err
}

// parse reads policies, each under a name that says whose it is.
func (a Attachments) parse(tx *bbolt.Tx, owner string) ([]*iam.Policy, error) {
	var list []*iam.Policy
	for _, p := range a.Inline {
		policy, err := parseNamed(p.Document, p.Name+" of "+owner)
		if err != nil {
			return nil, err
		}
		list = append(list, policy)
	}
	for _, managed := range a.Managed {
		policy, err := parseManaged(tx, managed)
		if err != nil {
			return nil, err
		}
		list = append(list, policy)
	}
	return list, nil
}

func parseManaged(tx *bbolt.Tx, policyARN string) (*iam.Policy, error) {
	document, found, err := managedDocument(tx, policyARN)
	if err == nil && !found {
		err = fmt.Errorf("managed policy %s: %w", policyARN, sts.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return parseNamed(document, policyARN)
}

// managedDocument finds the version in force of a managed policy of an account's
// or of AWS's own.
func managedDocument(tx *bbolt.Tx, policyARN string) (PolicyDocument, bool, error) {
	if document, ok := awsManaged(policyARN); ok {
		return document, true, nil
	}
	account, name, ok := splitPolicyARN(policyARN)
	if !ok {
		return "", false, nil
	}
	record, found, err := policyTable.get(tx, nameKey(account, name))
	return record.Document(), found, err
}

// splitPolicyARN takes arn:PARTITION:iam::ACCOUNT:policy/PATH/NAME apart.
func splitPolicyARN(s string) (account, name string, ok bool) {
	a, err := arn.Parse(s)
	if err != nil || a.Service != "iam" {
		return "", "", false
	}
	path, ok := strings.CutPrefix(a.Resource, "policy/")
	return a.AccountID, path[strings.LastIndexByte(path, '/')+1:], ok
}

func parseNamed(document PolicyDocument, name string) (*iam.Policy, error) {
	policy, err := iam.Parse([]byte(document), iam.IdentityPolicy)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	policy.Name = name
	return policy, nil
}
