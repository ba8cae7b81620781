package iamapi

// operation is one action of the API.
type operation struct {
	run    func(*call) ([]element, error)
	writes bool
}

func reads(run func(*call) ([]element, error)) operation  { return operation{run, false} }
func writes(run func(*call) ([]element, error)) operation { return operation{run, true} }

// operations are by name, as botocore's model of IAM has them. What is done alike
// for users, groups and roles is written once, for a kind.
func operations() map[string]operation {
	return map[string]operation{
		"CreateRole":               writes((*call).createRole),
		"GetRole":                  reads((*call).getRole),
		"ListRoles":                reads((*call).listRoles),
		"UpdateRole":               writes((*call).updateRole),
		"UpdateRoleDescription":    writes((*call).updateRoleDescription),
		"UpdateAssumeRolePolicy":   writes((*call).updateAssumeRolePolicy),
		"DeleteRole":               writes((*call).deleteRole),
		"CreateUser":               writes((*call).createUser),
		"GetUser":                  reads((*call).getUser),
		"ListUsers":                reads((*call).listUsers),
		"UpdateUser":               writes((*call).updateUser),
		"DeleteUser":               writes((*call).deleteUser),
		"CreateGroup":              writes((*call).createGroup),
		"GetGroup":                 reads((*call).getGroup),
		"ListGroups":               reads((*call).listGroups),
		"ListGroupsForUser":        reads((*call).listGroupsForUser),
		"UpdateGroup":              writes((*call).updateGroup),
		"DeleteGroup":              writes((*call).deleteGroup),
		"AddUserToGroup":           writes((*call).addUserToGroup),
		"RemoveUserFromGroup":      writes((*call).removeUserFromGroup),
		"CreateAccessKey":          writes((*call).createAccessKey),
		"ListAccessKeys":           reads((*call).listAccessKeys),
		"UpdateAccessKey":          writes((*call).updateAccessKey),
		"DeleteAccessKey":          writes((*call).deleteAccessKey),
		"GetAccessKeyLastUsed":     reads((*call).getAccessKeyLastUsed),
		"CreatePolicy":             writes((*call).createPolicy),
		"GetPolicy":                reads((*call).getPolicy),
		"ListPolicies":             reads((*call).listPolicies),
		"DeletePolicy":             writes((*call).deletePolicy),
		"CreatePolicyVersion":      writes((*call).createPolicyVersion),
		"GetPolicyVersion":         reads((*call).getPolicyVersion),
		"ListPolicyVersions":       reads((*call).listPolicyVersions),
		"DeletePolicyVersion":      writes((*call).deletePolicyVersion),
		"SetDefaultPolicyVersion":  writes((*call).setDefaultPolicyVersion),
		"ListEntitiesForPolicy":    reads((*call).listEntitiesForPolicy),
		"SimulatePrincipalPolicy":  reads((*call).simulatePrincipalPolicy),
		"SimulateCustomPolicy":     reads((*call).simulateCustomPolicy),
		"GetAccountSummary":        reads((*call).getAccountSummary),
		"ListAccountAliases":       reads((*call).listAccountAliases),
		"CreateAccountAlias":       writes((*call).createAccountAlias),
		"DeleteAccountAlias":       writes((*call).deleteAccountAlias),
		"TagPolicy":                writes((*call).tagPolicy),
		"UntagPolicy":              writes((*call).untagPolicy),
		"ListPolicyTags":           reads((*call).listPolicyTags),
		"PutUserPolicy":            writes(user().put),
		"GetUserPolicy":            reads(user().get),
		"DeleteUserPolicy":         writes(user().remove),
		"ListUserPolicies":         reads(user().list),
		"PutGroupPolicy":           writes(group().put),
		"GetGroupPolicy":           reads(group().get),
		"DeleteGroupPolicy":        writes(group().remove),
		"ListGroupPolicies":        reads(group().list),
		"PutRolePolicy":            writes(role().put),
		"GetRolePolicy":            reads(role().get),
		"DeleteRolePolicy":         writes(role().remove),
		"ListRolePolicies":         reads(role().list),
		"AttachUserPolicy":         writes(user().attach),
		"DetachUserPolicy":         writes(user().detach),
		"ListAttachedUserPolicies": reads(user().listAttached),

		"AttachGroupPolicy":         writes(group().attach),
		"DetachGroupPolicy":         writes(group().detach),
		"ListAttachedGroupPolicies": reads(group().listAttached),
		"AttachRolePolicy":          writes(role().attach),
		"DetachRolePolicy":          writes(role().detach),
		"ListAttachedRolePolicies":  reads(role().listAttached),

		"PutUserPermissionsBoundary":    writes(user().putBoundary),
		"DeleteUserPermissionsBoundary": writes(user().deleteBoundary),
		"PutRolePermissionsBoundary":    writes(role().putBoundary),
		"DeleteRolePermissionsBoundary": writes(role().deleteBoundary),

		"TagUser":      writes(user().tag),
		"UntagUser":    writes(user().untag),
		"ListUserTags": reads(user().listTags),
		"TagRole":      writes(role().tag),
		"UntagRole":    writes(role().untag),
		"ListRoleTags": reads(role().listTags),

		"CreateOpenIDConnectProvider":             writes((*call).createProvider),
		"GetOpenIDConnectProvider":                reads((*call).getProvider),
		"ListOpenIDConnectProviders":              reads((*call).listProviders),
		"DeleteOpenIDConnectProvider":             writes((*call).deleteProvider),
		"AddClientIDToOpenIDConnectProvider":      writes((*call).addClientID),
		"RemoveClientIDFromOpenIDConnectProvider": writes((*call).removeClientID),
		"UpdateOpenIDConnectProviderThumbprint":   writes((*call).updateThumbprints),
		"TagOpenIDConnectProvider":                writes((*call).tagProvider),
		"UntagOpenIDConnectProvider":              writes((*call).untagProvider),
		"ListOpenIDConnectProviderTags":           reads((*call).listProviderTags),

		// There are none of these here. Terraform and others ask before they
		// delete a user or a role.
		"ListInstanceProfiles":           reads(none("InstanceProfiles", "PathPrefix")),
		"ListInstanceProfilesForRole":    reads(noneOf(role(), "InstanceProfiles")),
		"ListMFADevices":                 reads(noneOf(user(), "MFADevices")),
		"ListSSHPublicKeys":              reads(noneOf(user(), "SSHPublicKeys")),
		"ListSigningCertificates":        reads(noneOf(user(), "Certificates")),
		"ListServiceSpecificCredentials": reads(noneOf(user(), "ServiceSpecificCredentials")),
		"ListVirtualMFADevices":          reads(none("VirtualMFADevices", "AssignmentStatus")),
		"ListServerCertificates":         reads(none("ServerCertificateMetadataList", "PathPrefix")),
		"ListSAMLProviders":              reads(none("SAMLProviderList")),
		"GetLoginProfile":                reads((*call).noLoginProfile),
		"DeleteLoginProfile":             reads((*call).noLoginProfile),
	}
}
