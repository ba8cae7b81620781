package awslocal

import (
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/internal/atomicfile"
	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/sts"
)

// CredentialsFile is the name of the shared credentials file in a data
// directory: a profile for each user who has an active access key.
const CredentialsFile = "credentials"

// Users are all users, in the order of the world file.
func (s *Store) Users() ([]arn.Principal, error) {
	return s.principals(func(a Account, add func(arn.Kind, string, string)) {
		for _, u := range a.Users {
			add(arn.User, u.Path, u.Name)
		}
	})
}

// Roles are all roles, in the order of the world file.
func (s *Store) Roles() ([]arn.Principal, error) {
	return s.principals(func(a Account, add func(arn.Kind, string, string)) {
		for _, r := range a.Roles {
			add(arn.Role, r.Path, r.Name)
		}
	})
}

func (s *Store) principals(of func(a Account, add func(kind arn.Kind, path, name string))) ([]arn.Principal, error) {
	w, err := s.World()
	if err != nil {
		return nil, err
	}
	var list []arn.Principal
	for _, a := range w.Accounts {
		of(a, func(kind arn.Kind, path, name string) {
			list = append(list, arn.Principal{Kind: kind, Partition: a.partition(), AccountID: a.ID, Path: orSlash(path), Name: name})
		})
	}
	return list, nil
}

// operatorSession is longer than any local AWS runs.
const operatorSession = 365 * 24 * time.Hour

// OperatorCredentials are of an account's root, for the programs that belong to the
// local AWS itself. They need no access key, and are good as long as the store is.
func (s *Store) OperatorCredentials(account string) (sigv4.Credentials, error) {
	var partition string
	err := s.ReadIAM(account, func(i *IAM) error {
		partition = i.Account.Partition
		return nil
	})
	if err != nil {
		return sigv4.Credentials{}, err
	}
	now := s.now().UTC().Truncate(time.Second)
	root := arn.Principal{Kind: arn.Root, Partition: partition, AccountID: account}
	return s.sealer.Issue(sts.Session{
		Identity: arn.Identity{Principal: root, UserID: account}, User: root, Issued: now, Expires: now.Add(operatorSession),
	})
}

// ProfileName is how the credentials file calls a user: by name, or by account
// and name if several accounts have the name.
func ProfileName(user arn.Principal, all []arn.Principal) string {
	for _, other := range all {
		if other.Name == user.Name && other.AccountID != user.AccountID {
			return user.AccountID + "." + user.Name
		}
	}
	return user.Name
}

// WriteCredentials writes the file CredentialsFile in the data directory,
// readable by its owner only. It has the secret keys of all users in it.
func (s *Store) WriteCredentials() error {
	users, err := s.Users()
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("# The users of the local AWS: eksauth --profile NAME …, aws --profile NAME …\n")
	for _, user := range users {
		c, err := s.Credentials(user)
		if errors.Is(err, sts.ErrNotFound) {
			continue // without an active key
		}
		if err != nil {
			return err
		}
		// Neither IAM names nor keys can have a character that means something here.
		b.WriteString("\n[" + ProfileName(user, users) + "]\n")
		b.WriteString("aws_access_key_id = " + c.AccessKeyID + "\naws_secret_access_key = " + c.SecretAccessKey + "\n")
	}
	return atomicfile.Write(filepath.Join(s.dir, CredentialsFile), []byte(b.String()), 0o600)
}
