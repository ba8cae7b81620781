package awsauth

import (
	"errors"
	"strings"

	"github.com/eksauth/eksauth/arn"
)

// ssoPrefix begins the names of the roles that IAM Identity Center makes.
const ssoPrefix = "AWSReservedSSO_"

// ssoSuffix is the number of hexadecimal digits that end them.
const ssoSuffix = 16

// ssoPath begins the paths of those roles; a region may follow.
const ssoPath = "/aws-reserved/sso.amazonaws.com/"

// principalKey is a principal in the form in which entries and identities are
// compared. userID is the pin of an entry, or "" if it has none.
type principalKey struct {
	kind               arn.Kind
	partition, account string
	name               string
	userID             string
}

// keyOf: a session is its role; a role has no path, because its sessions show
// none; users keep theirs. IAM's names differ by more than case ("names are
// not distinguished by case", IAM user guide), so case is dropped. Federated
// users' names are no IAM names: their case counts.
func keyOf(p arn.Principal) principalKey {
	k := principalKey{kind: p.Kind, partition: p.Partition, account: p.AccountID}
	switch p.Kind {
	case arn.Role, arn.AssumedRole:
		k.kind, k.name = arn.Role, strings.ToLower(p.Name)
	case arn.User:
		k.name = strings.ToLower(p.Path + p.Name)
		if p.Path == "/" {
			k.name = strings.ToLower(p.Name)
		}
	case arn.FederatedUser:
		k.name = p.Name
	}
	return k
}

// pinned is the same principal with a user id that it must have.
func (k principalKey) pinned(userID string) principalKey {
	k.userID = userID
	return k
}

// ssoKey finds the key of SSO entries that a role of this key would match.
func (k principalKey) ssoKey() (principalKey, bool) {
	set, ok := permissionSet(k.name)
	if k.kind != arn.Role || !ok {
		return principalKey{}, false
	}
	k.name = set
	return k, true
}

// permissionSet takes a role's name apart: AWSReservedSSO_SET_ and 16
// hexadecimal digits.
func permissionSet(role string) (string, bool) {
	cut := len(role) - ssoSuffix - 1
	if cut <= len(ssoPrefix) || !strings.EqualFold(role[:len(ssoPrefix)], ssoPrefix) || role[cut] != '_' || !isHex(strings.ToLower(role[cut+1:])) {
		return "", false
	}
	return role[len(ssoPrefix):cut], true
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// readARN reads an entry's ARN, and says how identities will match it.
func (n *notes) readARN(s string) (p arn.Principal, how How, ok bool) {
	if strings.ContainsAny(s, wildcards) {
		p, ok := n.readPattern(s)
		if p.Kind == arn.Role && !strings.ContainsAny(p.Name, wildcards) { // they are in the path, which is dropped
			return p, ByRoleName, ok
		}
		return p, ByPattern, ok
	}
	p, err := arn.ParsePrincipal(s)
	if err != nil {
		lowered := lowerHead(s)
		again, err2 := arn.ParsePrincipal(lowered)
		if err2 != nil {
			n.fail(arnHint(n.entry.Key), "%s", arnFault(s, err))
			return p, 0, false
		}
		n.warn("write "+quote(lowered), "%s is not written as AWS writes it", quote(s))
		p = again
	}
	switch {
	case p.Kind == arn.Root:
		n.warn("for every principal of the account, use mapAccounts", "%s is the root user alone, not its account", quote(s))
	case p.Kind == arn.AssumedRole:
		n.warn("write "+p.Canonical(), "%s is one session; every session of the role matches", quote(s))
		return p, BySession, true
	case p.Kind == arn.Role && strings.HasPrefix(p.Path, ssoPath):
		n.warn("write "+p.Canonical()+", or an sso mapping, which survives a new suffix",
			"sessions do not show the path of an SSO role; %s matches without it", quote(s))
		return p, ByRoleName, true
	case p.Kind == arn.Role && p.Path != "/":
		n.warn("write "+p.Canonical()+"; whoever may create roles under any path of the account could create one of this name",
			"sessions do not show the path of a role; %s matches without it", quote(s))
		return p, ByRoleName, true
	}
	return p, ByARN, true
}

// lowerHead lowers the case of all but the names: ARN:AWS:IAM::…:ROLE/Name.
func lowerHead(s string) string {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) < 6 {
		return s
	}
	head, name, slash := strings.Cut(parts[5], "/")
	if slash {
		name = "/" + name
	}
	return strings.ToLower(strings.Join(parts[:5], ":")+":"+head) + name
}

// arnFault is err without the whole of a very long ARN.
func arnFault(s string, err error) string {
	var syntax *arn.SyntaxError
	if errors.As(err, &syntax) {
		return quote(s) + " " + syntax.Message
	}
	return err.Error()
}

func arnHint(key string) string {
	if key == MapUsers {
		return "write it as arn:aws:iam::111122223333:user/NAME"
	}
	return "write it as arn:aws:iam::111122223333:role/NAME"
}
