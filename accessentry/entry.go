package accessentry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
)

// Type says who an entry is for.
type Type string

// The types of access entries.
//
// Source: "Create access entries" in the EKS user guide, botocore's model of EKS.
const (
	Standard     Type = "STANDARD"
	EC2Linux     Type = "EC2_LINUX"
	EC2Windows   Type = "EC2_WINDOWS"
	FargateLinux Type = "FARGATE_LINUX"
	EC2          Type = "EC2"
	HybridLinux  Type = "HYBRID_LINUX"
	HyperPod     Type = "HYPERPOD_LINUX"
)

// Types are all of them.
func Types() []Type {
	return []Type{Standard, EC2Linux, EC2Windows, FargateLinux, EC2, HybridLinux, HyperPod}
}

// Entry is an access entry of a cluster.
type Entry struct {
	PrincipalARN string
	Type         Type     // Standard if ""
	Username     string   // the default if ""
	Groups       []string // of Kubernetes
	Policies     []Association
}

// Association is an access policy of an entry.
type Association struct {
	Policy     string   // name, such as AmazonEKSViewPolicy
	Namespaces []string // empty: the whole cluster; * and ? stand for any characters
}

const nodes = "system:nodes"

// DefaultUsername is the username of an entry that is given none, which may have
// templates of aws-auth in it.
//
// Source: "Create access entries" in the EKS user guide.
func (e Entry) DefaultUsername() string {
	switch e.Type {
	case EC2Linux, EC2Windows, EC2:
		return "system:node:{{EC2PrivateDNSName}}"
	case FargateLinux, HybridLinux, HyperPod:
		return "system:node:{{SessionName}}"
	}
	p, err := arn.ParsePrincipal(e.PrincipalARN)
	if err == nil && p.Kind == arn.Role {
		return "arn:" + p.Partition + ":sts::" + p.AccountID + ":assumed-role/" + p.Name + "/{{SessionName}}"
	}
	return e.PrincipalARN
}

// AllGroups are the groups of an entry: its own or those of its type, and those
// that its access policies stand for.
func (e Entry) AllGroups() []string {
	// Whoever may name groups may not give policies by it. EKS does not know these.
	groups := slices.DeleteFunc(slices.Clone(e.Groups), func(g string) bool { return strings.HasPrefix(g, GroupPrefix) })
	for _, g := range e.typeGroups() {
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	for _, a := range e.Policies {
		groups = append(groups, a.groups()...)
	}
	return groups
}

func (e Entry) typeGroups() []string {
	switch e.Type {
	case EC2Linux, HybridLinux, HyperPod, EC2:
		return []string{nodes}
	case EC2Windows:
		return []string{nodes, "eks:kube-proxy-windows"}
	case FargateLinux:
		return []string{"system:bootstrappers", nodes, "system:node-proxier"}
	}
	return nil
}

// Document is entries as a source of mappings, in their order.
func Document(entries []Entry) awsauth.Document {
	doc := awsauth.Document{Source: awsauth.EKSAccessEntries}
	for i, e := range entries {
		m := e.mapping()
		m.Name, m.Index, m.Groups = e.PrincipalARN, i, e.AllGroups()
		doc.Add(m)
	}
	return doc
}

// mapping is the entry without groups. A role's has no path: EKS wants it in the
// ARN, and sessions do not show it.
func (e Entry) mapping() awsauth.Entry {
	m := awsauth.Entry{Key: awsauth.MapUsers, ARN: e.PrincipalARN, Username: e.Username}
	if m.Username == "" {
		m.Username = e.DefaultUsername()
	}
	if p, err := arn.ParsePrincipal(e.PrincipalARN); err == nil && p.Kind == arn.Role {
		m.Key, m.ARN = awsauth.MapRoles, p.Canonical()
	}
	return m
}

// Normal is the entry without what its type says already: EKS answers with all of it,
// and refuses most of it where an entry is made.
func (e Entry) Normal() Entry {
	if e.Username == e.DefaultUsername() {
		e.Username = ""
	}
	e.Groups = slices.DeleteFunc(slices.Clone(e.Groups), func(g string) bool { return slices.Contains(e.typeGroups(), g) })
	if e.Type == Standard {
		e.Type = ""
	}
	return e
}

// Check says in the words of EKS why it would refuse an entry of a cluster in that
// account; "" if it would not.
//
// Source: "CreateAccessEntry" in the EKS API reference, "Create access entries" and
// "Set a custom username" in the EKS user guide, and answers of the service.
func (e Entry) Check(account string) (problem string) {
	p, err := arn.ParsePrincipal(e.PrincipalARN)
	switch {
	case err != nil || p.Kind != arn.Role && p.Kind != arn.User:
		return "The specified principalArn is invalid: invalid principal."
	case e.Type != "" && !slices.Contains(Types(), e.Type):
		return fmt.Sprintf("The specified type is invalid: %s.", e.Type)
	case e.isNode() && p.Kind != arn.Role:
		return fmt.Sprintf("The specified principalArn is invalid: an entry of type %s is for an IAM role.", e.Type)
	case e.isNode() && p.AccountID != account:
		return fmt.Sprintf("The specified principalArn is invalid: an entry of type %s is for a role of the cluster's account.", e.Type)
	case e.isNode() && (e.Username != "" || len(e.Groups) > 0):
		return fmt.Sprintf("The parameter %s can't be specified for an access entry of type %s.", e.given(), e.Type)
	case e.isNode() && len(e.Policies) > 0 && e.Type != EC2:
		return fmt.Sprintf("Access policies can't be associated with an access entry of type %s.", e.Type)
	}
	if problem := checkUsername(e.Username); problem != "" {
		return problem
	}
	for _, g := range e.Groups {
		if g == "" || reserved(g) || strings.HasPrefix(g, GroupPrefix) {
			return fmt.Sprintf("The kubernetes group name %s is invalid, it cannot start with %s, %s.", g, strings.Join(reservedPrefixes(), ", "), GroupPrefix)
		}
	}
	for _, a := range e.Policies {
		if problem := a.Check(); problem != "" {
			return problem
		}
	}
	return ""
}

func (e Entry) isNode() bool { return e.Type != "" && e.Type != Standard }

func (e Entry) given() string {
	if e.Username != "" {
		return "username"
	}
	return "kubernetesGroups"
}

func reservedPrefixes() []string { return []string{"system:", "eks:", "aws:", "amazon:", "iam:"} }

func reserved(s string) bool {
	return slices.ContainsFunc(reservedPrefixes(), func(prefix string) bool { return strings.HasPrefix(s, prefix) })
}

func checkUsername(s string) (problem string) {
	if reserved(s) {
		return fmt.Sprintf("The username %s is invalid, it cannot start with %s.", s, strings.Join(reservedPrefixes(), ", "))
	}
	if strings.Contains(s, "{{") && !strings.Contains(s, "{{SessionName}}") && !strings.Contains(s, "{{SessionNameRaw}}") && !strings.Contains(s, "{{AccountID}}") {
		return fmt.Sprintf("The username %s is invalid, it has an unknown template.", s)
	}
	for _, template := range []string{"{{SessionName}}", "{{SessionNameRaw}}"} {
		if before, _, ok := strings.Cut(s, template); ok && !strings.Contains(before, ":") {
			return fmt.Sprintf("The username %s is invalid, it must have a colon before %s.", s, template)
		}
	}
	return ""
}
