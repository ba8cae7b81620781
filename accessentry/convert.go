package accessentry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
)

const (
	masters       = "system:masters"
	bootstrappers = "system:bootstrappers"
	windowsProxy  = "eks:kube-proxy-windows"
	nodeProxier   = "system:node-proxier"
	clusterAdmin  = "AmazonEKSClusterAdminPolicy"
)

// FromTable makes the access entries that give what the mappings of a table give,
// but for whom it leaves. Mappings that are never used are not looked at.
//
// Instead of the group system:masters, which EKS gives nobody, an entry has the
// policy AmazonEKSClusterAdminPolicy; nodes lose system:bootstrappers, which they
// need only to ask for certificates, as no node of EKS does.
func FromTable(t *awsauth.Table) (entries []Entry, left []awsauth.Left) {
	for _, m := range t.Used() {
		e, why := fromMapping(m)
		if why == "" && slices.ContainsFunc(entries, func(other Entry) bool { return strings.EqualFold(other.PrincipalARN, e.PrincipalARN) }) {
			why = "another mapping of the same principal has become its access entry"
		}
		if why != "" {
			left = append(left, awsauth.Left{Entry: m, Why: why})
			continue
		}
		entries = append(entries, e)
	}
	return entries, left
}

func fromMapping(m awsauth.Entry) (e Entry, why string) {
	switch {
	case m.SSO != nil:
		return e, "an access entry is for one role: find that of the permission set with aws iam list-roles --path-prefix /aws-reserved/sso.amazonaws.com/"
	case m.Account != "":
		return e, "an access entry is for one role or one user, not for an account"
	case m.UserID != "":
		return e, "it pins a user id; an access entry has that of whoever bears the name when it is made"
	}
	p, err := arn.ParsePrincipal(m.ARN)
	if err != nil || strings.ContainsAny(m.ARN, "*?") {
		return e, "an access entry is for one role or one user"
	}
	e = Entry{PrincipalARN: m.ARN, Username: m.Username}
	if e.Type = nodeType(m, p); e.Type != "" {
		e.Username = ""
	} else if why := e.takeGroups(m.Groups); why != "" {
		return e, why
	}
	if e.Username == "" && e.Type == "" {
		e.Username = p.Canonical()
	}
	if e.Type == "" && e.Username == e.DefaultUsername() {
		e.Username = ""
	}
	if template := strangeTemplate(e.Username); template != "" {
		return e, "the username of an access entry can't have " + template
	}
	return e, e.Check(p.AccountID)
}

func (e *Entry) takeGroups(groups []string) (why string) {
	for _, g := range groups {
		switch {
		case g == masters:
			e.Policies = []Association{{Policy: clusterAdmin}}
		case strings.Contains(g, "{{"):
			return fmt.Sprintf("the groups of an access entry can't have templates: %s", g)
		case !slices.Contains(e.Groups, g):
			e.Groups = append(e.Groups, g)
		}
	}
	return ""
}

// nodeType is the type of entry for a mapping that is for nodes, as EKS's own tools
// write it; "" if it is not.
func nodeType(m awsauth.Entry, p arn.Principal) Type {
	groups := slices.Sorted(slices.Values(slices.DeleteFunc(slices.Clone(m.Groups), func(g string) bool { return g == bootstrappers })))
	is := func(username string, want ...string) bool {
		return p.Kind == arn.Role && m.Username == username && slices.Equal(groups, want)
	}
	const instance, session = "system:node:{{EC2PrivateDNSName}}", "system:node:{{SessionName}}"
	switch {
	case is(instance, nodes):
		return EC2Linux
	case is(instance, windowsProxy, nodes):
		return EC2Windows
	case is(session, nodeProxier, nodes):
		return FargateLinux
	case is(session, nodes):
		return HybridLinux
	}
	return ""
}

// strangeTemplate is a template in s that an access entry knows nothing of.
func strangeTemplate(s string) string {
	for {
		_, rest, ok := strings.Cut(s, "{{")
		if !ok {
			return ""
		}
		name, after, ok := strings.Cut(rest, "}}")
		switch {
		case !ok:
			return "{{"
		case name != "SessionName" && name != "SessionNameRaw" && name != "AccountID":
			return "{{" + name + "}}"
		}
		s = after
	}
}

// Equivalent are groups with what differs between aws-auth and access entries by
// design taken out, in order.
func Equivalent(groups []string) []string {
	same := []string{}
	for _, g := range groups {
		switch g {
		case masters:
			same = append(same, GroupPrefix+clusterAdmin)
		case bootstrappers:
		default:
			same = append(same, g)
		}
	}
	slices.Sort(same)
	return slices.Compact(same)
}
