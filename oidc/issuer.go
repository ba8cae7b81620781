package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Where an issuer's documents are, below its URL. The first path is OpenID
// Connect Discovery 1.0's, the second kube-apiserver's.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	JWKSPath      = "/openid/v1/jwks"
)

// What the documents are served as, and for how long they may be kept: the same
// as kube-apiserver's. A bucket must be told the two types.
const (
	DiscoveryType = "application/json"
	JWKSType      = "application/jwk-set+json"
	cacheControl  = "public, max-age=3600"
)

// maxIssuerURL is what IAM takes for an OIDC provider.
const maxIssuerURL = 255

// Issuer signs service accounts' tokens and publishes the keys to verify them
// with. It may be used by many goroutines at once.
type Issuer struct {
	// Now is the clock that tokens are dated by; nil means time.Now.
	Now func() time.Time

	url       string
	path      string // of the URL, without a slash at its end
	published atomic.Pointer[published]
}

// published is a key set and the documents that go with it.
type published struct {
	keys            KeySet
	discovery, jwks []byte
}

// NewIssuer makes the issuer that tokens name exactly by rawURL: https, with a
// host and perhaps a path, and nothing else.
func NewIssuer(rawURL string, keys KeySet) (*Issuer, error) {
	u, err := parseIssuerURL(rawURL)
	if err != nil {
		return nil, err
	}
	i := &Issuer{url: rawURL, path: strings.TrimSuffix(u.Path, "/")}
	if err := i.SetKeys(keys); err != nil {
		return nil, err
	}
	return i, nil
}

// parseIssuerURL holds what issuers and relying parties agree on (OpenID Connect
// Discovery 1.0 section 3, IAM's CreateOpenIDConnectProvider).
func parseIssuerURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("the issuer is not a URL")
	case u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("the issuer %.100q is not an https URL", raw)
	case u.User != nil || strings.ContainsAny(raw, "?#"):
		return nil, errors.New("the issuer's URL may have a host and a path, but no user, query or fragment")
	case len(raw) > maxIssuerURL:
		return nil, fmt.Errorf("the issuer's URL has %d characters; IAM takes at most %d", len(raw), maxIssuerURL)
	}
	return u, nil
}

// URL is the issuer's name, as tokens carry it.
func (i *Issuer) URL() string { return i.url }

// JWKSURL is where the discovery document says that the keys are.
func (i *Issuer) JWKSURL() string { return strings.TrimSuffix(i.url, "/") + JWKSPath }

// Keys is what signs and is published now.
func (i *Issuer) Keys() KeySet { return i.published.Load().keys }

// SetKeys replaces the keys, while the issuer serves.
func (i *Issuer) SetKeys(keys KeySet) error {
	if keys.signing.signer == nil {
		return errors.New("an issuer needs a signing key")
	}
	discovery, err := discoveryDocument(i.url, i.JWKSURL(), keys)
	if err != nil {
		return err
	}
	jwks, err := jwksDocument(keys)
	if err != nil {
		return err
	}
	i.published.Store(&published{keys: keys, discovery: discovery, jwks: jwks})
	return nil
}

// Discovery is the document at [DiscoveryPath]; not to be modified.
func (i *Issuer) Discovery() []byte { return i.published.Load().discovery }

// JWKS is the document at [JWKSPath], a JSON Web Key Set (RFC 7517); not to be
// modified.
func (i *Issuer) JWKS() []byte { return i.published.Load().jwks }

// discoveryDocument has the fields of kube-apiserver's, in its order.
func discoveryDocument(issuer, jwksURL string, keys KeySet) ([]byte, error) {
	var algorithms []string
	for _, k := range keys.Public() {
		algorithms = append(algorithms, k.Algorithm())
	}
	slices.Sort(algorithms)
	return json.Marshal(struct {
		Issuer        string   `json:"issuer"`
		JWKSURI       string   `json:"jwks_uri"`
		ResponseTypes []string `json:"response_types_supported"`
		SubjectTypes  []string `json:"subject_types_supported"`
		Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	}{issuer, jwksURL, []string{"id_token"}, []string{"public"}, slices.Compact(algorithms)})
}

func jwksDocument(keys KeySet) ([]byte, error) {
	var set jose.JSONWebKeySet
	for _, k := range keys.Public() {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.key, KeyID: k.id, Algorithm: k.Algorithm(), Use: "sig"})
	}
	return json.Marshal(set)
}

// Handler serves the two documents below the URL's path, as requests to the
// issuer's own URL ask for them, and nothing else.
func (i *Issuer) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var document []byte
		var contentType string
		switch r.URL.Path {
		case i.path + DiscoveryPath:
			document, contentType = i.Discovery(), DiscoveryType
		case i.path + JWKSPath:
			document, contentType = i.JWKS(), JWKSType
		default:
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", cacheControl)
		w.Write(document)
	})
}
