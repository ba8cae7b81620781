package oidc

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	strict "github.com/go-jose/go-jose/v4/json" // see parse.go
)

// maxKeys bounds a published key set. IAM takes 100 RSA and 100 EC keys.
const maxKeys = 200

// publishedKey is an issuer's key, or why it cannot be used. The fault is kept
// because the refusal of a token ought to name it.
type publishedKey struct {
	key       any                     // *rsa.PublicKey or *ecdsa.PublicKey
	algorithm jose.SignatureAlgorithm // the only one, or "" for any that fits
	fault     string
}

// publishedKeys are an issuer's keys by id.
type publishedKeys map[string]publishedKey

// parseJWKS reads an issuer's JSON Web Key Set. What it does not know it skips
// (RFC 7517 section 5); a key without an id no token could name.
func parseJWKS(data []byte) (publishedKeys, error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, refuse(Document, "the issuer's key set is not JSON of the right form")
	}
	switch {
	case set.Keys == nil:
		return nil, refuse(Document, "the issuer's key set has no \"keys\"")
	case len(*set.Keys) > maxKeys:
		return nil, refuse(Document, "the issuer publishes %d keys; at most %d are read", len(*set.Keys), maxKeys)
	}
	keys := publishedKeys{}
	for _, raw := range *set.Keys {
		var name struct {
			ID string `json:"kid"`
		}
		if err := strict.Unmarshal(raw, &name); err != nil || name.ID == "" {
			continue
		}
		key := parseJWK(raw)
		if other, ok := keys[name.ID]; ok && !other.equal(key) {
			key = publishedKey{fault: "the issuer publishes different keys of that id"}
		}
		keys[name.ID] = key
	}
	return keys, nil
}

func parseJWK(raw []byte) publishedKey {
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(raw); err != nil {
		return publishedKey{fault: "it is not a key that can be read"}
	}
	if jwk.Use != "" && jwk.Use != "sig" {
		return publishedKey{fault: fmt.Sprintf("it is for the use %.20q, not for signatures", jwk.Use)}
	}
	key := publishedKey{key: jwk.Key, algorithm: jose.SignatureAlgorithm(jwk.Algorithm)}
	switch k := jwk.Key.(type) {
	case *rsa.PublicKey:
		if err := checkRSA(k); err != nil {
			key.fault = "it is " + err.Error()
		}
	case *ecdsa.PublicKey:
	default: // a shared secret, a private key that everybody knows now, another kind
		return publishedKey{fault: "it is neither an RSA nor an ECDSA public key"}
	}
	return key
}

// equal: a fault never equals another, so that it stays a fault.
func (k publishedKey) equal(other publishedKey) bool {
	if k.fault != "" || other.fault != "" || k.algorithm != other.algorithm {
		return false
	}
	if public, ok := k.key.(*rsa.PublicKey); ok {
		return public.Equal(other.key)
	}
	return k.key.(*ecdsa.PublicKey).Equal(other.key)
}

// checkFor reports why a key cannot verify what is signed with algorithm. A key
// serves its own kind only (RFC 8725 section 3.1).
func (k publishedKey) checkFor(algorithm jose.SignatureAlgorithm) string {
	if k.fault != "" {
		return k.fault
	}
	fits := false
	switch public := k.key.(type) {
	case *rsa.PublicKey:
		fits = algorithm == jose.RS256 || algorithm == jose.RS384 || algorithm == jose.RS512
	case *ecdsa.PublicKey:
		own, err := curveAlgorithm(public)
		fits = err == nil && algorithm == own
	}
	if !fits || k.algorithm != "" && k.algorithm != algorithm {
		return fmt.Sprintf("it is not for %s", algorithm)
	}
	return ""
}
