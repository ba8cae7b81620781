// Package deploy holds the manifests that install eksauth in a cluster, for
// kubectl and for the programs that install it themselves, as `eksauth local`
// does. It imports nothing.
package deploy

import _ "embed"

// Webhook is webhook.yaml: everything that the pod identity webhook needs in a
// cluster, one YAML document for each object.
//
//go:embed webhook.yaml
var Webhook []byte

// Authenticator is authenticator.yaml: the rights of the authenticator to read
// aws-auth and to write events about it.
//
//go:embed authenticator.yaml
var Authenticator []byte

// Guard is guard.yaml: the registration and the rights of the guard of the mappings.
//
//go:embed guard.yaml
var Guard []byte

// IdentityMappings is iamidentitymapping.yaml: the definition of the custom resources
// that map, and the rights of the authenticator to them.
//
//go:embed iamidentitymapping.yaml
var IdentityMappings []byte

// AccessPolicies is access-policies.yaml: the rights of the authenticator to keep
// the role bindings of access policies.
//
//go:embed access-policies.yaml
var AccessPolicies []byte
