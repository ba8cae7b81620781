// Package oidc is the OpenID Connect side of service accounts: the JSON Web
// Tokens that a cluster's issuer signs.
//
// So far it reads them for a person to look at; issuing and verifying come
// next (docs/architecture.md). It imports the standard library only, and will
// import go-jose for signatures.
package oidc
