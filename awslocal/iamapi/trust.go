package iamapi

import (
	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/iam"
)

// checkTrust refuses a trust policy that is malformed, too large, or names a user
// or a role that does not exist. Principals of accounts that are not here are
// taken as they are.
func (c *call) checkTrust(i *awslocal.IAM, document string) error {
	policy, err := iam.Parse([]byte(document), iam.TrustPolicy)
	if err != nil {
		return errMalformedPolicy("%v", err)
	}
	if most := c.h.Quotas.withDefaults().TrustPolicySize; size(document) > most {
		return errLimit("Cannot exceed quota for ACLSizePerRole: %d", most)
	}
	for _, s := range policy.Statements {
		for _, p := range s.Principals.Values {
			principal, err := arn.ParsePrincipal(p.Value)
			if p.Type != "AWS" || err != nil {
				continue
			}
			found, known, err := i.Principal(principal)
			if err != nil {
				return err
			}
			if known && !found && principal.Kind != arn.AssumedRole && principal.Kind != arn.FederatedUser {
				return errMalformedPolicy("Invalid principal in policy: %q:%q", p.Type, p.Value)
			}
		}
	}
	return nil
}
