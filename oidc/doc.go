// Package oidc is the OpenID Connect side of service accounts: the JSON Web
// Tokens that a cluster's issuer signs.
//
// An [Issuer] is a set of keys, the two documents that publish them and the
// tokens that they sign, all as kube-apiserver makes them. A [Verifier] is the
// relying side: it fetches an issuer's keys and says what a token of it proves.
// [Inspect] reads a token for a person to look at and verifies nothing.
//
// A [Keyring] is an issuer in a folder, whose keys are rotated without anybody
// noticing; a [Publisher] serves or writes its documents without the private keys.
//
// It imports the standard library, go-jose for signatures and JSON Web Keys, and
// internal/atomicfile. It knows nothing of AWS's roles or error codes.
package oidc
