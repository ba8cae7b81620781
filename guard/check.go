package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
)

const (
	masters = "system:masters"
	nodes   = "system:nodes"
)

// Edit is one change of one source of mappings.
type Edit struct {
	// Before and After are what the source says; nothing where it does not exist.
	Before, After awsauth.Document

	// Others are the other sources of the cluster, as far as they are known.
	Others []awsauth.Document
	// Author is who edits.
	Author User
	// NodesExist: the cluster has nodes, or may have.
	NodesExist bool
}

// User is somebody as the API server knows them: the userInfo of an AdmissionReview,
// or of a SelfSubjectReview (authentication.k8s.io/v1).
type User struct {
	Username string              `json:"username"`
	Extra    map[string][]string `json:"extra"`
}

// identity is who signed in with an EKS token, by what its authenticator adds to a
// user; zero if it was not that.
func (u User) identity() arn.Identity {
	p, err := arn.ParsePrincipal(u.extra("arn"))
	if err != nil {
		return arn.Identity{}
	}
	return arn.Identity{Principal: p, UserID: u.extra("principalId"), AccessKeyID: u.extra("accessKeyId")}
}

func (u User) extra(key string) string {
	if list := u.Extra[key]; len(list) == 1 {
		return list[0]
	}
	return ""
}

// Problem is a reason to refuse an edit.
type Problem struct {
	Key     string // mapRoles, …; "" for all of it
	Line    int    // within the text of the key, from 1; 0 if there is none
	Message string
	Hint    string
	// Loss: the edit takes something away. Otherwise it is a fault of what it leaves.
	Loss bool
}

// String is one line: "mapRoles line 3: …; hint".
func (p Problem) String() string {
	var b strings.Builder
	if p.Key != "" {
		b.WriteString(p.Key)
		if p.Line > 0 {
			fmt.Fprintf(&b, " line %d", p.Line)
		}
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Verdict is what is to be said about an edit. Without problems it may stand.
type Verdict struct {
	Problems []Problem
	Warnings []string // of what is doubtful now, and of what was wrong before
}

// Check judges an edit.
func Check(e Edit) Verdict {
	var v Verdict
	v.judgeFaults(e)
	if e.After.Silent && len(e.Before.Entries) > 0 {
		v.refuseLoss("", "the edit leaves nothing, which looks like an accident", "to map nobody write an empty list: []")
	}
	before, after := e.tables()
	v.judgeMasters(before, after)
	if e.NodesExist {
		v.judgeNodes(before, after)
	}
	v.judgeAuthor(e, before, after)
	return v
}

func (v *Verdict) refuse(p Problem) { v.Problems = append(v.Problems, p) }

func (v *Verdict) refuseLoss(key, message, hint string) {
	v.refuse(Problem{Key: key, Message: message, Hint: hint, Loss: true})
}

// tables are all mappings before and after, those of other sources behind them: who
// is mapped there as well is not locked out.
func (e Edit) tables() (before, after *awsauth.Table) {
	return awsauth.NewTable(slices.Concat([]awsauth.Document{e.Before}, e.Others)...),
		awsauth.NewTable(slices.Concat([]awsauth.Document{e.After}, e.Others)...)
}

// judgeFaults refuses new faults. A warning about style is no reason.
func (v *Verdict) judgeFaults(e Edit) {
	old := map[awsauth.Fault]int{}
	for _, f := range faultsOf(e.Before) {
		old[placeless(f)]++
	}
	for _, f := range faultsOf(e.After) {
		p := Problem{Key: f.Key, Line: f.Line, Message: f.Message, Hint: f.Hint}
		known := old[placeless(f)] > 0
		old[placeless(f)]--
		bad := f.Severity == awsauth.Error || f.Rule == awsauth.Reachable || f.Rule == awsauth.KnownKey
		switch {
		case bad && known:
			v.Warnings = append(v.Warnings, "as before: "+p.String())
		case bad:
			v.refuse(p)
		case !known:
			v.Warnings = append(v.Warnings, p.String())
		}
	}
}

func faultsOf(d awsauth.Document) []awsauth.Fault {
	return slices.Concat(d.Faults, awsauth.NewTable(d).Faults())
}

// placeless is a fault wherever it stands: an edit above it moves it.
func placeless(f awsauth.Fault) awsauth.Fault {
	f.Line = 0
	if f.Rule == awsauth.Reachable {
		f.Message = "" // it names the place of another entry
	}
	return f
}

// judgeMasters refuses to leave the cluster without a mapped administrator.
func (v *Verdict) judgeMasters(before, after *awsauth.Table) {
	if last := last(before, masters); last != nil && len(members(after, masters)) == 0 {
		v.refuseLoss(last.Key, "nobody would be left in "+masters+": "+last.Subject()+" was the last", "map another administrator first")
	}
}

// judgeNodes refuses to take away what nodes sign in by. Which of the mappings a
// node uses cannot be seen in the cluster, so all of them count while it has nodes.
func (v *Verdict) judgeNodes(before, after *awsauth.Table) {
	left := members(after, nodes)
	for _, e := range members(before, nodes) {
		if !slices.ContainsFunc(left, func(o awsauth.Entry) bool { return keepsNodes(e, o) }) && !signsIn(after, e) {
			v.refuseLoss(e.Key, "nodes of "+e.Subject()+" could not sign in any more, and the cluster has nodes", "delete its node group first")
		}
	}
}

// keepsNodes reports whether nodes that sign in by one entry may do so by the other.
// One that had no pin may be of the id that it is pinned to now.
func keepsNodes(before, after awsauth.Entry) bool {
	pinned := after.UserID == "" || before.UserID == "" || after.UserID == before.UserID
	return sameSubject(after, before) && pinned && (isNodeName(after.Username) || !isNodeName(before.Username))
}

// isNodeName: the API server takes for a node only who is called so.
func isNodeName(username string) bool { return strings.HasPrefix(username, "system:node:") }

// signsIn reports whether a node of an entry's role, if it names one, is a node by
// another entry, such as a wildcard.
func signsIn(t *awsauth.Table, e awsauth.Entry) bool {
	role, err := arn.ParsePrincipal(e.ARN)
	if err != nil || role.Kind != arn.Role || strings.ContainsAny(e.ARN, "*?") {
		return false
	}
	const instance = "i-0123456789abcdef0"
	id := arn.Identity{UserID: e.UserID, Principal: arn.Principal{
		Kind: arn.AssumedRole, Partition: role.Partition, AccountID: role.AccountID, Name: role.Name, Session: instance,
	}}
	m, err := t.MapWith(context.Background(), id, anyName{})
	return err == nil && slices.Contains(m.Groups, nodes) && (isNodeName(m.Username) || !isNodeName(e.Username))
}

// anyName stands for the names of nodes.
type anyName struct{}

func (anyName) PrivateDNSName(context.Context, string) (string, error) { return "node", nil }

// members are the entries in use that give a group.
func members(t *awsauth.Table, group string) []awsauth.Entry {
	return slices.DeleteFunc(t.Used(), func(e awsauth.Entry) bool { return !slices.Contains(e.Groups, group) })
}

func last(t *awsauth.Table, group string) *awsauth.Entry {
	if list := members(t, group); len(list) > 0 {
		return &list[len(list)-1]
	}
	return nil
}

// sameSubject: two ways of writing one principal are one.
func sameSubject(a, b awsauth.Entry) bool {
	if a.ARN == "" || b.ARN == "" {
		return a.Subject() == b.Subject()
	}
	p, err := arn.ParsePrincipal(a.ARN)
	q, err2 := arn.ParsePrincipal(b.ARN)
	if err != nil || err2 != nil || p.Kind != arn.Role || q.Kind != arn.Role {
		return strings.EqualFold(a.ARN, b.ARN)
	}
	return p.Partition == q.Partition && p.AccountID == q.AccountID && strings.EqualFold(p.Name, q.Name)
}

// judgeAuthor refuses an edit that would lock its own author out, or take their
// administration from them. Whoever signed in by something else than these mappings
// is not judged by them.
func (v *Verdict) judgeAuthor(e Edit, before, after *awsauth.Table) {
	author := e.Author.identity()
	was, err := before.Map(author)
	if err != nil || was.Username != e.Author.Username || was.Entry.Source != e.Before.Source {
		return
	}
	is, err := after.Map(author)
	var needsName *awsauth.RenderError
	switch {
	case errors.As(err, &needsName) && needsName.Entry.NeedsNodeNames():
	case err != nil:
		v.refuseLoss(was.Entry.Key, "the edit would lock you out: "+author.Canonical()+" signs in by "+was.Entry.String(), "keep it, or let somebody else make this edit")
	case slices.Contains(was.Groups, masters) && !slices.Contains(is.Groups, masters):
		v.refuseLoss(was.Entry.Key, "the edit would take "+masters+" from you: "+author.Canonical()+" has it by "+was.Entry.String(), "let another administrator make this edit")
	}
}
