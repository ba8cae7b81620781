package awslocal

import (
	"slices"

	"github.com/eksauth/eksauth/accessentry"
	"github.com/eksauth/eksauth/arn"
)

// Meaning is the entry as EKS understands it.
func (e AccessEntry) Meaning() accessentry.Entry {
	entry := accessentry.Entry{PrincipalARN: e.PrincipalARN, Type: accessentry.Type(e.Type), Username: e.Username, Groups: e.Groups}
	for _, p := range e.AccessPolicies {
		entry.Policies = append(entry.Policies, accessentry.Association{Policy: p.Policy, Namespaces: p.Namespaces})
	}
	return entry
}

// entries checks the access entries and the pod identity associations of a
// cluster.
func (c *checker) entries(k *Cluster, a *Account, d *census, path string) {
	principals := map[string]string{}
	for i, e := range k.AccessEntries {
		at := indexPath(path+".accessEntries", i)
		if problem := e.Meaning().Check(a.ID); problem != "" {
			c.fail(at, "", "%s", problem)
		} else if p, err := arn.ParsePrincipal(e.PrincipalARN); err == nil {
			if message, hint := d.missing(p); message != "" {
				c.warn(at, hint, "%s", message)
			}
		}
		c.once(principals, e.PrincipalARN, at+".principalArn", "an access entry of "+e.PrincipalARN)
		c.eksTags(e.Tags, at+".tags")
	}
	if k.AuthenticationMode == ConfigMapMode || k.AuthenticationMode == "" {
		if len(k.AccessEntries) > 0 {
			c.warn(path+".accessEntries", "set authenticationMode: API_AND_CONFIG_MAP", "the cluster's authentication mode is %s, so its access entries have no effect", ConfigMapMode)
		}
	}
	accounts := map[string]string{}
	for i, p := range k.PodIdentityAssociations {
		at := indexPath(path+".podIdentityAssociations", i)
		if !IsServiceAccount(p.Namespace, p.ServiceAccount) {
			c.fail(at, "give namespace and serviceAccount", "%s is not a service account", quote(p.Namespace+"/"+p.ServiceAccount))
		}
		role, err := arn.ParsePrincipal(p.RoleARN)
		switch {
		case err != nil || role.Kind != arn.Role:
			c.fail(at+".roleArn", "", "%s is not the ARN of a role", quote(p.RoleARN))
		case role.AccountID != a.ID:
			c.fail(at+".roleArn", "pods get roles of the cluster's account", "the role %s is of another account", quote(p.RoleARN))
		default:
			if message, hint := d.missing(role); message != "" {
				c.warn(at+".roleArn", hint, "%s", message)
			}
		}
		c.once(accounts, p.Namespace+"/"+p.ServiceAccount, at, "an association of "+p.Namespace+"/"+p.ServiceAccount)
		c.eksTags(p.Tags, at+".tags")
	}
	c.eksTags(k.Tags, path+".tags")
}

// ChangeMode says whether a cluster may go from one authentication mode to
// another: only forward.
//
// Source: "Change authentication mode to use access entries" in the EKS user guide.
func (m AuthenticationMode) ChangeMode(to AuthenticationMode) bool {
	modes := authenticationModes()
	return slices.Index(modes, string(to)) >= slices.Index(modes, string(m)) && slices.Contains(modes, string(to))
}
