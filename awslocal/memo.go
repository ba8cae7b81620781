package awslocal

import (
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/sts"
)

// memo remembers what was decoded from the store's file. It cannot be stale:
// each page of it belongs to one transaction, and a reader sees the page of its
// own transaction only. It is no larger than what the store has.
type memo struct{ page atomic.Pointer[memoPage] }

// memoPage is of the state that the last write has left.
type memoPage struct {
	transaction int
	keys        sync.Map // of sts.AccessKey by id
	roles       sync.Map // of sts.Role by nameKey
	providers   sync.Map // of sts.OIDCProvider by providerKey
	permissions sync.Map // of sts.Policies by arn.Principal
}

// at is the page of a reading transaction.
func (m *memo) at(tx *bbolt.Tx) *memoPage {
	page := m.page.Load()
	if page != nil && page.transaction == tx.ID() {
		return page
	}
	fresh := &memoPage{transaction: tx.ID()}
	// A reader that began before the last write must not displace its page.
	if page == nil || page.transaction < fresh.transaction {
		m.page.CompareAndSwap(page, fresh)
	}
	return fresh
}

func (p *memoPage) accessKey(tx *bbolt.Tx, id string) (sts.AccessKey, error) {
	if known, ok := p.keys.Load(id); ok {
		return known.(sts.AccessKey), nil
	}
	key, err := findAccessKey(tx, id)
	if err == nil {
		p.keys.Store(id, key)
	}
	return key, err
}

func (p *memoPage) role(tx *bbolt.Tx, account, name string) (sts.Role, error) {
	place := nameKey(account, name)
	if known, ok := p.roles.Load(place); ok {
		return known.(sts.Role), nil
	}
	role, err := findRole(tx, account, name)
	if err == nil {
		p.roles.Store(place, role)
	}
	return role, err
}

func (p *memoPage) provider(tx *bbolt.Tx, account, issuer string) (sts.OIDCProvider, error) {
	place := providerKey(account, issuer)
	if known, ok := p.providers.Load(place); ok {
		return known.(sts.OIDCProvider), nil
	}
	provider, err := findProvider(tx, account, issuer)
	if err == nil {
		p.providers.Store(place, provider)
	}
	return provider, err
}

func (p *memoPage) policies(tx *bbolt.Tx, principal arn.Principal) (sts.Policies, error) {
	if known, ok := p.permissions.Load(principal); ok {
		return known.(sts.Policies), nil
	}
	policies, err := findPolicies(tx, principal)
	if err == nil {
		p.permissions.Store(principal, policies)
	}
	return policies, err
}
