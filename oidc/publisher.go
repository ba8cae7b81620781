package oidc

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// CacheControl is what the documents are served with.
const CacheControl = cacheControl

// Publisher publishes the keys of a [Keyring]. It knows no private key.
type Publisher struct{ issuer *Issuer }

// NewPublisher makes the documents of a state.
func NewPublisher(s State) (*Publisher, error) {
	u, err := parseIssuerURL(s.Issuer)
	if err != nil {
		return nil, err
	}
	p := &Publisher{&Issuer{url: s.Issuer, path: strings.TrimSuffix(u.Path, "/")}}
	return p, p.Set(s)
}

// Set publishes the keys of another state, while the publisher serves.
func (p *Publisher) Set(s State) error {
	public := s.publicKeys()
	// Its signing key has no private half: nothing here signs.
	keys := KeySet{signing: Key{public: public[0]}, others: public[1:]}
	discovery, err := discoveryDocument(p.issuer.url, p.issuer.JWKSURL(), keys)
	if err != nil {
		return err
	}
	jwks, err := jwksDocument(keys)
	if err != nil {
		return err
	}
	p.issuer.published.Store(&published{keys: keys, discovery: discovery, jwks: jwks})
	return nil
}

// Path is that of the issuer's URL, without a slash at its end.
func (p *Publisher) Path() string { return p.issuer.path }

// JWKSURL is where the discovery document says that the keys are.
func (p *Publisher) JWKSURL() string { return p.issuer.JWKSURL() }

// Handler is [Issuer.Handler].
func (p *Publisher) Handler() http.Handler { return p.issuer.Handler() }

// WriteFiles is [Issuer.WriteFiles].
func (p *Publisher) WriteFiles(dir string) error { return p.issuer.WriteFiles(dir) }

// PublishedKeys are the ids of the keys that relying parties see at an issuer's
// URL and can use.
func PublishedKeys(ctx context.Context, client *http.Client, issuer string) ([]string, error) {
	if _, err := parseIssuerURL(issuer); err != nil {
		return nil, err
	}
	keys, err := (&Verifier{Client: client}).fetch(ctx, issuer)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(keys, func(_ string, k publishedKey) bool { return k.fault != "" })
	return slices.Sorted(maps.Keys(keys)), nil
}
