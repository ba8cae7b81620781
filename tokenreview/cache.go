package tokenreview

import (
	"crypto/sha256"
	"fmt"
	"time"
	"unique"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/token"
)

const (
	// rememberVerified bounds how long a key that was deleted goes on working
	// here while STS answers; kube-apiserver remembers for two minutes more by
	// default.
	rememberVerified = 5 * time.Minute
	// rememberRefused keeps a client that repeats a bad token from STS. It is
	// short because IAM needs some seconds before all of STS knows a new key.
	rememberRefused = 10 * time.Second
	// rememberNonsense does the same where STS answered what makes no sense. It
	// may be no fault of the token's, so it is over by the time that somebody
	// tries again.
	rememberNonsense = 2 * time.Second
)

// tokenHash stands for a token, so that the cache holds none.
type tokenHash [sha256.Size]byte

func hashOf(raw string) tokenHash { return sha256.Sum256([]byte(raw)) }

// finding is what STS said of a token: who, or why not.
type finding struct {
	verified token.Verified
	refused  *token.Error // nil if verified
}

// cache remembers findings. What is refused has room of its own, and so have those
// whom nobody mapped: anybody can make tokens that STS refuses, and whoever has an AWS
// account tokens that it vouches for, and neither must push out the good ones.
type cache struct {
	mapped    *lru.Cache[tokenHash, vouched]
	strangers *lru.Cache[tokenHash, vouched]
	refused   *lru.Cache[tokenHash, refusal]
}

// vouched is a token that STS vouched for. Many tokens are one identity's, which is
// kept once.
type vouched struct {
	identity      unique.Handle[arn.Identity]
	expiry, until time.Time
}

func (v vouched) token() token.Verified {
	return token.Verified{Identity: v.identity.Value(), Expiry: v.expiry}
}

type refusal struct {
	why   *token.Error
	until time.Time
}

func newCache(size int) *cache {
	return &cache{
		mapped:    newLRU[tokenHash, vouched](size),
		strangers: newLRU[tokenHash, vouched](size),
		refused:   newLRU[tokenHash, refusal](size),
	}
}

func newLRU[K comparable, V any](size int) *lru.Cache[K, V] {
	l, err := lru.New[K, V](size)
	if err != nil {
		panic(fmt.Sprintf("tokenreview: cache of size %d: %v", size, err)) // New gives a positive size
	}
	return l
}

// get returns a finding that is fresh enough to decide by.
func (c *cache) get(hash tokenHash, now time.Time) (finding, bool) {
	for _, room := range []*lru.Cache[tokenHash, vouched]{c.mapped, c.strangers} {
		if v, ok := room.Get(hash); ok && now.Before(v.until) {
			return finding{verified: v.token()}, true
		}
	}
	if r, ok := c.refused.Get(hash); ok && now.Before(r.until) {
		return finding{refused: r.why}, true
	}
	return finding{}, false
}

// old returns what STS said of a token that it vouched for, however long ago. The
// token itself may have ended since.
func (c *cache) old(hash tokenHash) (token.Verified, bool) {
	v, ok := c.mapped.Peek(hash)
	if !ok {
		v, ok = c.strangers.Peek(hash)
	}
	if !ok {
		return token.Verified{}, false
	}
	return v.token(), true
}

// welcome notes that whoever made the token is somebody in Kubernetes.
func (c *cache) welcome(hash tokenHash) {
	if v, ok := c.strangers.Peek(hash); ok {
		c.mapped.Add(hash, v)
		c.strangers.Remove(hash)
	}
}

// put remembers what will be true for a while: not that STS could not be asked.
func (c *cache) put(hash tokenHash, f finding, now time.Time) {
	switch {
	case f.refused == nil:
		v := vouched{unique.Make(f.verified.Identity), f.verified.Expiry, now.Add(rememberVerified)}
		if v.expiry.Before(v.until) {
			v.until = v.expiry
		}
		if c.mapped.Contains(hash) {
			c.mapped.Add(hash, v)
		} else {
			c.strangers.Add(hash, v)
		}
		c.refused.Remove(hash)
	case f.refused.Reason == token.Answer:
		c.refused.Add(hash, refusal{f.refused, now.Add(rememberNonsense)})
	case !f.refused.Transient():
		c.refused.Add(hash, refusal{f.refused, now.Add(rememberRefused)})
		c.mapped.Remove(hash)
		c.strangers.Remove(hash)
	}
}
