// Package sts is the AWS Security Token Service as an http.Handler: the query
// protocol of version 2011-06-15, answered in XML or, when asked, in JSON, over
// a small Directory of access keys and roles, and another of identity providers.
//
// It enforces what AWS enforces. Each signature is verified, each session
// token is unsealed, each web identity's token is verified with its issuer's
// keys, and each role is given as its trust policy decides. A caller learns what
// AWS would tell; the true reason of a refusal goes to the log. Sessions are
// sealed into their session token and stored nowhere.
//
// An operation that grants something refuses parameters that it does not know,
// where AWS would ignore them: a restriction misspelt, or not implemented, must
// not vanish. Session policies are refused for that reason.
//
// The Authenticator stands alone, so that other AWS APIs can verify their
// requests with it.
//
// It imports arn, awsquery, sigv4, iam and oidc, and no store, no Kubernetes and no AWS SDK
// (its tests use the SDK as the client).
package sts
