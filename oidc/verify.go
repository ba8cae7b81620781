package oidc

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// leeway is how far an issuer's clock may differ from ours; kube-apiserver
	// grants the same.
	leeway = time.Minute

	// maxIssuers bounds the cache of keys.
	maxIssuers = 1024
)

// algorithms that a token may be signed with: those that IAM's OIDC providers
// have in common with Kubernetes. Never none, never a shared secret: that would
// be the public key, which everybody has (RFC 8725 section 2.1).
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}
}

// Verifier finds out what a token proves, by its issuer's published keys. It
// keeps them: an issuer is asked again after ten minutes, or for a key that it
// did not publish before, but at most every ten seconds; when it cannot be asked,
// its last keys serve for an hour. It may be used by many goroutines at once, and
// must not be copied.
type Verifier struct {
	// Client asks issuers. Redirects are never followed and no cookies kept,
	// whatever it says. Nil means one with sensible limits, which trusts the
	// system's certificate authorities.
	Client *http.Client
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log is told of issuers that cannot be asked; nil for nobody.
	Log *slog.Logger

	makeTransport sync.Once
	transport     *http.Transport // of a Client that has none

	mu      sync.Mutex
	issuers map[string]*issuerEntry
}

type issuerEntry struct {
	cache *keyCache
	used  time.Time
}

// Claims is what a verified token says. Whom it is for (Audience) is not checked
// yet.
type Claims struct {
	Issuer, Subject, ID string
	Audience            []string
	IssuedAt, NotBefore time.Time // zero if the token does not say
	Expiry              time.Time
	// All is every claim of the token, as encoding/json decodes it.
	All map[string]any
}

// Verify checks that the issuer with exactly this URL signed raw, and that it is
// valid now. It does not check the audience: that is the caller's. An issuer is
// asked over https only, and its URL should be one that somebody registered:
// Verify connects wherever it, or its discovery document, points to. Spaces and
// line ends around raw are the caller's to trim.
//
// Errors are *Error; whoever gets one denies.
func (v *Verifier) Verify(ctx context.Context, issuerURL, raw string) (Claims, error) {
	if _, err := parseIssuerURL(issuerURL); err != nil {
		return Claims{}, refuse(Provider, "cannot verify: %w", err)
	}
	t, err := parse(raw)
	if err != nil {
		return Claims{}, err
	}
	if err := t.check(issuerURL); err != nil {
		return Claims{}, err
	}
	key, err := v.issuer(issuerURL).key(ctx, t.header.Kid)
	if err != nil {
		return Claims{}, err
	}
	if err := checkSignature(raw, t.header, key); err != nil {
		return Claims{}, err
	}
	if err := t.claims.checkTimes(clock(v.Now)); err != nil {
		return Claims{}, err
	}
	c := t.claims
	return Claims{
		Issuer: c.Iss, Subject: c.Sub, ID: c.Jti, Audience: c.Aud,
		IssuedAt: c.Iat.Time, NotBefore: c.Nbf.Time, Expiry: c.Exp.Time,
		All: t.all,
	}, nil
}

// check does what needs no key, so that a hopeless token makes nobody ask an
// issuer.
func (t parsed) check(issuerURL string) error {
	h, c := t.header, t.claims
	switch {
	case !slices.Contains(algorithms(), jose.SignatureAlgorithm(h.Alg)):
		return refuse(Algorithm, "the token is signed with %.20q; it must be one of %s", h.Alg, algorithms())
	case h.Crit != nil || h.B64 != nil:
		// Extensions may change what is signed (RFC 7797); no issuer of
		// service accounts uses any.
		return refuse(Malformed, "the token's header demands an extension")
	case h.Kid == "":
		return refuse(NoKey, "the token does not say which key signed it (kid)")
	case c.Iss == "":
		return missing("iss")
	case c.Iss != issuerURL:
		return refuse(WrongIssuer, "the token is of the issuer %.100q, not of %q", c.Iss, issuerURL)
	case c.Sub == "":
		return missing("sub")
	case c.Exp.IsZero():
		return missing("exp")
	}
	return nil
}

// checkSignature believes the key that the issuer published, and of the header
// no more than the algorithm, if it is that key's.
func checkSignature(raw string, h header, key publishedKey) error {
	algorithm := jose.SignatureAlgorithm(h.Alg)
	if fault := key.checkFor(algorithm); fault != "" {
		return refuse(NoKey, "the issuer's key %.80q cannot be used: %s", h.Kid, fault)
	}
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{algorithm})
	if err != nil {
		return refuse(Malformed, "the token's header cannot be read")
	}
	if _, err := jws.Verify(key.key); err != nil {
		return refuse(Signature, "the token is not signed by the issuer's key %.80q, or was altered", h.Kid)
	}
	return nil
}

func (c claimSet) checkTimes(now time.Time) error {
	switch {
	case !now.Add(-leeway).Before(c.Exp.Time):
		e := refuse(Expired, "the token expired at %s, %s ago", c.Exp.Format(time.RFC3339), now.Sub(c.Exp.Time).Round(time.Second))
		e.Expiry, e.Now = c.Exp.Time, now
		return e
	case c.Nbf.After(now.Add(leeway)):
		return refuse(Future, "the token is not valid before %s, %s ahead of this clock", c.Nbf.Format(time.RFC3339), c.Nbf.Sub(now).Round(time.Second))
	case c.Iat.After(now.Add(leeway)):
		return refuse(Future, "the token was issued at %s, %s ahead of this clock", c.Iat.Format(time.RFC3339), c.Iat.Sub(now).Round(time.Second))
	}
	return nil
}

func missing(claim string) *Error {
	e := refuse(MissingClaim, "the token lacks the claim %s", claim)
	e.Claim = claim
	return e
}

// issuer finds an issuer's cache, or makes one in place of the one that was
// unused for longest.
func (v *Verifier) issuer(url string) *keyCache {
	now := func() time.Time { return clock(v.Now) }
	v.mu.Lock()
	defer v.mu.Unlock()
	entry, ok := v.issuers[url]
	if !ok {
		if v.issuers == nil {
			v.issuers = map[string]*issuerEntry{}
		}
		if len(v.issuers) >= maxIssuers {
			v.forgetOldest()
		}
		entry = &issuerEntry{cache: &keyCache{issuer: url, now: now, log: v.Log, fetch: v.fetch}}
		v.issuers[url] = entry
	}
	entry.used = now()
	return entry.cache
}

func (v *Verifier) forgetOldest() {
	oldest := ""
	for url, entry := range v.issuers {
		if oldest == "" || entry.used.Before(v.issuers[oldest].used) {
			oldest = url
		}
	}
	delete(v.issuers, oldest)
}

func (v *Verifier) fetch(ctx context.Context, issuer string) (publishedKeys, error) {
	c := http.Client{}
	if v.Client != nil {
		c = *v.Client
	}
	if c.Transport == nil {
		v.makeTransport.Do(func() { v.transport = newTransport() })
		c.Transport = v.transport
	}
	c.Jar = nil
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return fetchKeys(ctx, &c, issuer)
}
