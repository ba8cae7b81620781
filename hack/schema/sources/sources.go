// Package sources says which types have JSON Schemas, and where those are.
package sources

import (
	"reflect"

	"github.com/eksauth/eksauth/authtest"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/internal/jsonschema"
)

// All are the schemas by their files, from the repository's root.
func All() map[string]jsonschema.Source {
	text := map[string]any{"type": "string"}
	const base = "https://github.com/eksauth/eksauth/blob/main/"
	return map[string]jsonschema.Source{
		"awslocal/world.schema.json": {
			ID: base + "awslocal/world.schema.json", Title: "A world for eksauth local",
			Type: reflect.TypeFor[awslocal.World](), Dir: "awslocal",
			Special: map[string]any{
				"PolicyDocument": map[string]any{
					"description": "A policy in IAM's own words: as YAML, or as the text of its JSON.",
					"anyOf":       []any{map[string]any{"type": "object", "required": []string{"Statement"}}, text},
				},
				"Secret":             text,
				"KeyStatus":          map[string]any{"enum": []string{"Active", "Inactive"}},
				"AuthenticationMode": map[string]any{"enum": []string{"CONFIG_MAP", "API_AND_CONFIG_MAP", "API"}},
			},
			Required: []string{
				"World.accounts", "Account.id", "User.name", "Group.name", "Role.name", "ManagedPolicy.name", "InlinePolicy.name", "InlinePolicy.document",
				"PolicyVersion.id", "PolicyVersion.document", "Tag.key", "Tag.value", "ServiceAccount.cluster", "ServiceAccount.namespace", "ServiceAccount.name",
				"OIDCProvider.url", "Cluster.name", "Cluster.region", "AccessEntry.principalArn", "AccessPolicy.policy",
				"PodIdentityAssociation.namespace", "PodIdentityAssociation.serviceAccount", "PodIdentityAssociation.roleArn",
			},
		},
		"authtest/suite.schema.json": {
			ID: base + "authtest/suite.schema.json", Title: "Tests for eksauth test",
			Type: reflect.TypeFor[authtest.Suite](), Dir: "authtest",
			Required: []string{"Suite.tests", "Cluster.name", "Role.name", "Role.trustPolicy", "User.name"},
		},
	}
}
