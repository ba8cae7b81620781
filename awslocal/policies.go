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
	err = s.db.View(func(tx *bbolt.Tx) error {
		owner, err := accountOf(tx, account)
		if err == nil {
			policy, err = parseManaged(tx, owner, policyARN)
		}
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
	account, err := accountOf(tx, principal.AccountID)
	if err != nil {
		return sts.Policies{}, err
	}
	var policies sts.Policies
	if policies.Identity, err = own.parse(tx, account, principal.Name); err != nil {
		return sts.Policies{}, err
	}
	for _, name := range groups {
		group, found, err := groupTable.get(tx, nameKey(principal.AccountID, name))
		if err != nil || !found {
			return sts.Policies{}, fmt.Errorf("group %s of %s: found %v: %w", name, principal, found, err)
		}
		more, err := group.parse(tx, account, "group "+group.Name)
		if err != nil {
			return sts.Policies{}, err
		}
		policies.Identity = append(policies.Identity, more...)
	}
	if own.Boundary != "" {
		policies.Boundary, err = parseManaged(tx, account, own.Boundary)
	}
	return policies, err
}

// parse reads policies, each under a name that says whose it is.
func (a Attachments) parse(tx *bbolt.Tx, account AccountRecord, owner string) ([]*iam.Policy, error) {
	var list []*iam.Policy
	for _, p := range a.Inline {
		policy, err := parseNamed(p.Document, p.Name+" of "+owner)
		if err != nil {
			return nil, err
		}
		list = append(list, policy)
	}
	for _, managed := range a.Managed {
		policy, err := parseManaged(tx, account, managed)
		if err != nil {
			return nil, err
		}
		list = append(list, policy)
	}
	return list, nil
}

func parseManaged(tx *bbolt.Tx, account AccountRecord, policyARN string) (*iam.Policy, error) {
	document, found, err := managedDocument(tx, account, policyARN)
	if err == nil && !found {
		err = fmt.Errorf("managed policy %s: %w", policyARN, sts.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return parseNamed(document, policyARN)
}

// managedDocument finds the version in force of a managed policy by its whole ARN,
// for an account may use its own policies and AWS's in its own partition.
func managedDocument(tx *bbolt.Tx, account AccountRecord, policyARN string) (PolicyDocument, bool, error) {
	if document, ok := awsManaged(account.Partition, policyARN); ok {
		return document, true, nil
	}
	record, found, err := policyTable.get(tx, nameKey(account.ID, policyARN[strings.LastIndexByte(policyARN, '/')+1:]))
	if err != nil || !found || record.ARN(account.Partition) != policyARN {
		return "", false, err
	}
	return record.Document(), true, nil
}

func parseNamed(document PolicyDocument, name string) (*iam.Policy, error) {
	policy, err := iam.Parse([]byte(document), iam.IdentityPolicy)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	policy.Name = name
	return policy, nil
}
