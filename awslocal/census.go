package awslocal

import (
	"fmt"
	"strings"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/iam"
)

// census knows who is in a world, so that a name that nobody has can be pointed
// out. It is no fault to name somebody who does not exist (yet).
type census struct {
	accounts map[string]*Account
	names    map[string]bool // as censusName makes them
	hints    int             // how many more it may look for
}

func newCensus(w *World) *census {
	d := &census{map[string]*Account{}, map[string]bool{}, maxReported}
	for i := range w.Accounts {
		a := &w.Accounts[i]
		d.accounts[a.ID] = a
		for _, u := range a.Users {
			d.names[censusName(arn.Principal{Kind: arn.User, AccountID: a.ID, Path: orSlash(u.Path), Name: u.Name})] = true
		}
		for _, r := range a.Roles {
			p := arn.Principal{Kind: arn.Role, AccountID: a.ID, Path: orSlash(r.Path), Name: r.Name}
			d.names[censusName(p)] = true
			p.Path = anyPath
			d.names[censusName(p)] = true
		}
	}
	return d
}

// anyPath stands for whatever path a role has.
const anyPath = ""

// censusName tells principals apart without looking at case.
func censusName(p arn.Principal) string {
	return strings.ToLower(p.Kind.String() + " " + p.AccountID + " " + p.Path + p.Name)
}

// missing says what is strange about a principal; "" if nothing is.
func (d *census) missing(p arn.Principal) (message, hint string) {
	if p.Kind == arn.AssumedRole {
		return "", "" // without the path nobody can say
	}
	a, ok := d.accounts[p.AccountID]
	if !ok || p.Kind != arn.User && p.Kind != arn.Role {
		return "", ""
	}
	if p.Partition != a.partition() {
		return fmt.Sprintf("the account %s is of the partition %s", a.ID, a.partition()), ""
	}
	if d.names[censusName(p)] {
		return "", ""
	}
	message = fmt.Sprintf("this world has no %s called %s", p.Kind, quote(strings.TrimPrefix(p.Path, "/")+p.Name))
	if d.hints--; d.hints < 0 {
		return message, ""
	}
	if w := nearest(p.Name, a.names(p.Kind)); w != "" {
		hint = "did you mean " + w + "?"
	}
	return message, hint
}

func (a *Account) names(kind arn.Kind) []string {
	var names []string
	if kind == arn.User {
		for _, u := range a.Users {
			names = append(names, strings.TrimPrefix(u.Path, "/")+u.Name)
		}
		return names
	}
	for _, r := range a.Roles {
		names = append(names, strings.TrimPrefix(r.Path, "/")+r.Name)
	}
	return names
}

// trusted warns of principals in a trust policy who do not exist.
func (n *notes) trusted(policy *iam.Policy, a *Account, d *census, path string) {
	for i, s := range policy.Statements {
		for _, value := range s.Principals.Values {
			at := indexPath(path+".Statement", i) + ".Principal"
			if other, err := arn.Parse(value.Value); err == nil && value.Type == "Federated" && other.AccountID != a.ID {
				n.warn(at, "a role trusts identity providers of its own account", "the identity provider %s is of the account %s, not of %s", quote(value.Value), other.AccountID, a.ID)
			}
			p, err := arn.ParsePrincipal(value.Value)
			if err != nil || value.Type != "AWS" {
				continue
			}
			if message, hint := d.missing(p); message != "" {
				n.warn(at, hint, "%s", message)
			}
		}
	}
}

// mapped warns of principals in a cluster's mappings who do not exist. Roles are
// looked for without their path, as aws-auth finds them.
func (n *notes) mapped(c *Cluster, d *census, path string) {
	for _, e := range c.entries() {
		p, err := arn.ParsePrincipal(e.ARN)
		if err != nil {
			continue
		}
		if p.Kind == arn.Role {
			p.Path = anyPath
		}
		if message, hint := d.missing(p); message != "" {
			n.warn(indexPath(path+"."+e.Key, e.Index), hint, "%s", message)
		}
	}
}
