package trustpolicy

// Rule is what a finding is against.
type Rule struct{ ID, Description string }

// Rules are all of them.
func Rules() []Rule {
	return []Rule{
		{"malformed", "IAM takes the document for a trust policy."},
		{"too-long", "The policy is within IAM's quota."},
		{"wrong-action", "A web identity is let do sts:AssumeRoleWithWebIdentity."},
		{"not-federated", "The principal is an OIDC provider."},
		{"any-provider", "One provider is trusted, and not each."},
		{"provider-form", "The provider is written as its ARN."},
		{"scheme-in-provider", "The provider's ARN has no https:// in it."},
		{"slash-in-provider", "The provider's ARN does not end with a slash."},
		{"host-order", "The issuers of EKS begin with oidc.eks.REGION."},
		{"scheme-in-key", "Condition keys have no https:// in them."},
		{"arn-in-key", "Condition keys are not the provider's ARN."},
		{"other-issuer", "Conditions are about the issuer that is trusted."},
		{"several-issuers", "The conditions of a statement are about one issuer."},
		{"for-any-value", "Operators for several values are not used for the subject."},
		{"for-all-values", "Conditions do not hold for a token that lacks the claim."},
		{"wildcard-equals", "Wildcards stand under StringLike."},
		{"subject-as-audience", "Subjects stand under :sub."},
		{"audience-as-subject", "Audiences stand under :aud."},
		{"subject-case", "Subjects are written in lower case."},
		{"subject-form", "Subjects are those of service accounts."},
		{"any-service-account", "Not every service account of the cluster gets in."},
		{"any-namespace", "A subject is in one namespace."},
		{"any-of-namespace", "A subject is one service account."},
		{"no-audience", "The audience is fixed."},
		{"deny-all", "Not all who are let in are denied."},
	}
}
