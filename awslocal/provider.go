package awslocal

import (
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/eksauth/eksauth/sts"
)

var _ sts.Providers = (*Store)(nil)

// OIDCProvider finds the identity provider of an account by the issuer of its
// tokens: one that the world names, or else the issuer of one of the account's
// clusters as it is called now.
func (s *Store) OIDCProvider(_ context.Context, account, issuer string) (provider sts.OIDCProvider, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		provider, err = s.memo.at(tx).provider(tx, account, issuer)
		return err
	})
	return provider, err
}

func findProvider(tx *bbolt.Tx, account, issuer string) (sts.OIDCProvider, error) {
	clientIDs, found, err := findClientIDs(tx, account, issuer)
	if err != nil {
		return sts.OIDCProvider{}, err
	}
	if !found {
		return sts.OIDCProvider{}, fmt.Errorf("provider %s of account %s: %w", quote(issuer), quote(account), sts.ErrNotFound)
	}
	owner, err := accountOf(tx, account)
	if err != nil {
		return sts.OIDCProvider{}, err
	}
	return sts.OIDCProvider{ARN: providerARN(owner.Partition, account, issuer), URL: issuer, ClientIDs: clientIDs}, nil
}

// findClientIDs finds the audiences of a provider, which may have none. What the
// world says of an issuer counts more than that a cluster has it.
func findClientIDs(tx *bbolt.Tx, account, issuer string) (clientIDs []string, found bool, err error) {
	record, found, err := providerTable.get(tx, providerKey(account, issuer))
	if err != nil || found {
		return record.ClientIDs, found, err
	}
	err = clusterTable.eachOf(tx, account, func(c ClusterRecord) {
		if !c.Unregistered && issuer != "" && c.issuer() == issuer {
			clientIDs, found = []string{podAudience}, true
		}
	})
	return clientIDs, found, err
}
