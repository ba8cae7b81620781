package awslocal

import "github.com/eksauth/eksauth/awsauth"

// RoleMapping is an entry of mapRoles in aws-auth. Either RoleARN or SSO says
// whom it is for.
type RoleMapping struct {
	RoleARN  string   `yaml:"rolearn,omitempty" json:"rolearn,omitempty"`
	SSO      *SSO     `yaml:"sso,omitempty" json:"sso,omitempty"`
	Username string   `yaml:"username,omitempty" json:"username,omitempty"`
	Groups   []string `yaml:"groups,omitempty" json:"groups,omitempty"`
	UserID   string   `yaml:"userid,omitempty" json:"userid,omitempty"`
}

// SSO is the permission set whose roles an entry of mapRoles is for.
type SSO struct {
	PermissionSetName string `yaml:"permissionSetName" json:"permissionSetName"`
	AccountID         string `yaml:"accountID" json:"accountID"`
	Partition         string `yaml:"partition,omitempty" json:"partition,omitempty"`
}

// UserMapping is an entry of mapUsers in aws-auth.
type UserMapping struct {
	UserARN  string   `yaml:"userarn,omitempty" json:"userarn,omitempty"`
	Username string   `yaml:"username,omitempty" json:"username,omitempty"`
	Groups   []string `yaml:"groups,omitempty" json:"groups,omitempty"`
	UserID   string   `yaml:"userid,omitempty" json:"userid,omitempty"`
}

// entries are the mappings as package awsauth knows them, in the order in
// which they are searched.
func (c *Cluster) entries() []awsauth.Entry {
	var list []awsauth.Entry
	for i, m := range c.MapRoles {
		e := awsauth.Entry{Key: awsauth.MapRoles, Index: i, ARN: m.RoleARN, Username: m.Username, Groups: m.Groups, UserID: m.UserID}
		if m.SSO != nil {
			e.SSO = &awsauth.SSO{PermissionSetName: m.SSO.PermissionSetName, AccountID: m.SSO.AccountID, Partition: m.SSO.Partition}
		}
		list = append(list, e)
	}
	for i, m := range c.MapUsers {
		list = append(list, awsauth.Entry{Key: awsauth.MapUsers, Index: i, ARN: m.UserARN, Username: m.Username, Groups: m.Groups, UserID: m.UserID})
	}
	for i, account := range c.MapAccounts {
		list = append(list, awsauth.Entry{Key: awsauth.MapAccounts, Index: i, Account: account})
	}
	return list
}

// checkMappings lets package awsauth judge the mappings. Its warnings are
// those of the world.
func (n *notes) checkMappings(c *Cluster, path string) {
	doc := awsauth.Document{}
	for _, e := range c.entries() {
		at := indexPath(path+"."+e.Key, e.Index)
		before := len(doc.Faults)
		doc.Add(e)
		for _, f := range doc.Faults[before:] {
			if f.Severity == awsauth.Error {
				n.fail(at, f.Hint, "%s", f.Message)
			} else {
				n.warn(at, f.Hint, "%s", f.Message)
			}
		}
	}
	for _, s := range awsauth.NewTable(doc).Shadowed() {
		n.warn(indexPath(path+"."+s.Entry.Key, s.Entry.Index), "remove one of the two",
			"the entry is never used: %s comes first and is for the same", indexPath(s.By.Key, s.By.Index))
	}
}
