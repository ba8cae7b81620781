package awslocal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/sts"
)

var _ sts.Directory = (*Store)(nil)

// AccessKey finds a long-term access key, with its owner as they are now.
func (s *Store) AccessKey(_ context.Context, id string) (key sts.AccessKey, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		key, err = s.memo.at(tx).accessKey(tx, id)
		return err
	})
	return key, err
}

func findAccessKey(tx *bbolt.Tx, id string) (sts.AccessKey, error) {
	record, found, err := keyTable.get(tx, id)
	if err != nil {
		return sts.AccessKey{}, err
	}
	if !found {
		return sts.AccessKey{}, fmt.Errorf("access key %s: %w", id, sts.ErrNotFound)
	}
	owner, tags, err := record.identity(tx)
	return sts.AccessKey{Secret: string(record.Secret), Active: record.Active, Owner: owner, Tags: sessionTags(tags)}, err
}

// identity is the owner of a key, and the tags of the owner.
func (k KeyRecord) identity(tx *bbolt.Tx) (arn.Identity, []Tag, error) {
	account, err := accountOf(tx, k.Account)
	if err != nil {
		return arn.Identity{}, nil, err
	}
	if k.User == "" {
		root := arn.Principal{Kind: arn.Root, Partition: account.Partition, AccountID: account.ID}
		return arn.Identity{Principal: root, UserID: account.ID, AccessKeyID: k.ID}, nil, nil
	}
	user, found, err := userTable.get(tx, k.owner())
	if err == nil && !found {
		err = fmt.Errorf("access key %s belongs to nobody", k.ID)
	}
	return arn.Identity{Principal: user.Principal(account.Partition), UserID: user.ID, AccessKeyID: k.ID}, user.Tags, err
}

// sessionTags are the tags of a user or a role as STS has them.
func sessionTags(tags []Tag) []sts.Tag {
	var list []sts.Tag
	for _, t := range tags {
		list = append(list, sts.Tag{Key: t.Key, Value: t.Value})
	}
	return list
}

// ErrNoAccount: the store has no account of that id.
var ErrNoAccount = errors.New("there is no such account")

// accountOf finds the account that something belongs to, which must be there.
func accountOf(tx *bbolt.Tx, id string) (AccountRecord, error) {
	account, found, err := accountTable.get(tx, id)
	if err == nil && !found {
		err = fmt.Errorf("account %s: %w", id, ErrNoAccount)
	}
	return account, err
}

// Role finds a role by its partition, account and name, whatever its path.
func (s *Store) Role(_ context.Context, asked arn.Principal) (role sts.Role, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		role, err = s.memo.at(tx).role(tx, asked.AccountID, asked.Name)
		return err
	})
	if err == nil && role.Principal.Partition != asked.Partition {
		err = fmt.Errorf("role %s: %w", asked, sts.ErrNotFound)
	}
	if err != nil {
		return sts.Role{}, err
	}
	return role, nil
}

func findRole(tx *bbolt.Tx, account, name string) (sts.Role, error) {
	record, found, err := roleTable.get(tx, nameKey(account, name))
	if err != nil {
		return sts.Role{}, err
	}
	if !found {
		return sts.Role{}, fmt.Errorf("role %s of account %s: %w", name, account, sts.ErrNotFound)
	}
	owner, err := accountOf(tx, account)
	if err != nil {
		return sts.Role{}, err
	}
	trust, err := record.trust(tx, owner.Partition)
	if err != nil {
		return sts.Role{}, fmt.Errorf("role %s of account %s: %w", name, account, err)
	}
	return sts.Role{
		Principal: record.Principal(owner.Partition), ID: record.ID, TrustPolicy: trust,
		MaxSessionDuration: time.Duration(record.MaxSessionDuration) * time.Second, Tags: sessionTags(record.Tags),
	}, nil
}

// FirstUser is the first user of the first account that has one, in the order
// of the world file: the one who signs in when nobody is named.
func (s *Store) FirstUser() (arn.Principal, error) {
	users, err := s.Users()
	if err != nil {
		return arn.Principal{}, err
	}
	if len(users) == 0 {
		return arn.Principal{}, fmt.Errorf("the world has no user: %w", sts.ErrNotFound)
	}
	return users[0], nil
}

// Credentials are the first active access key of a user or of an account's
// root. It is for whoever runs the local AWS, and asks for no permission.
func (s *Store) Credentials(owner arn.Principal) (sigv4.Credentials, error) {
	var credentials sigv4.Credentials
	err := s.db.View(func(tx *bbolt.Tx) error {
		keys, err := keyTable.all(tx)
		if err != nil {
			return err
		}
		for _, k := range inOrder(keys, func(k KeyRecord) int { return k.Order }) {
			if !k.Active || k.Account != owner.AccountID {
				continue
			}
			id, _, err := k.identity(tx)
			if err != nil {
				return err
			}
			if id.Principal == owner {
				credentials = sigv4.Credentials{AccessKeyID: k.ID, SecretAccessKey: string(k.Secret)}
				return nil
			}
		}
		return fmt.Errorf("%s has no active access key here: %w", owner, sts.ErrNotFound)
	})
	return credentials, err
}
