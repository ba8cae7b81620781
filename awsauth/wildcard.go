package awsauth

import (
	"slices"
	"strings"

	"github.com/eksauth/eksauth/arn"
)

// wildcards are the characters that stand for others in an entry's ARN, as in
// IAM: * for any run of characters, ? for exactly one.
const wildcards = "*?"

// maxPrefix bounds the text before the first wildcard by which patterns are
// found. Names of roles and users have 64 characters at most.
const maxPrefix = 64

// patterns are the entries with wildcards, found by what stands before the first
// one: the number of look-ups depends on how many different lengths that has, not
// on how many entries there are.
type patterns struct {
	rules   *[]rule
	places  map[principalKey][]int32 // by partition, account, kind and prefix, in order
	lengths []int                    // of the prefixes, in order
}

// resource is what patterns are compared with: a role's name, a user's path and
// name.
func (k principalKey) resource() string { return strings.TrimPrefix(k.name, "/") }

// withPrefix is the key under which patterns are found.
func (k principalKey) withPrefix(prefix string) principalKey {
	k.name, k.userID = prefix, ""
	return k
}

func (p *patterns) enter(k principalKey, place int32) {
	prefix := k.resource()
	prefix = prefix[:min(strings.IndexAny(prefix, wildcards), maxPrefix)]
	if i, found := slices.BinarySearch(p.lengths, len(prefix)); !found {
		p.lengths = slices.Insert(p.lengths, i, len(prefix))
	}
	if p.places == nil {
		p.places = map[principalKey][]int32{}
	}
	k = k.withPrefix(prefix)
	p.places[k] = append(p.places[k], place)
}

// find is the first pattern that matches k, or none.
func (p *patterns) find(k principalKey) int32 {
	return p.first(k, func(pattern string) bool { return true })
}

// covering is the first pattern that matches whatever the pattern k does, as far
// as that can be seen: without a ?, a pattern can match a wildcard of another
// only by its own *.
func (p *patterns) covering(k principalKey) int32 {
	own := k.resource()
	return p.first(k, func(pattern string) bool { return pattern == own || !strings.Contains(pattern, "?") })
}

func (p *patterns) first(k principalKey, counts func(pattern string) bool) int32 {
	best, name := int32(none), k.resource()
	for _, n := range p.lengths {
		if n > len(name) {
			break
		}
		for _, place := range p.places[k.withPrefix(name[:n])] {
			if place >= best {
				break
			}
			if pattern := (*p.rules)[place].pattern; counts(pattern) && arn.Match(pattern, name) {
				best = place
			}
		}
	}
	return best
}

// readPattern reads an ARN with wildcards in the name of a role or a user. The
// principal that it returns has them in its name.
func (n *notes) readPattern(s string) (p arn.Principal, ok bool) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) == 6 && strings.ContainsAny(strings.Join(parts[:5], ":"), wildcards) {
		n.fail("write out all before the name", "%s has a wildcard where partition and account are, which must be fixed", quote(s))
		return p, false
	}
	// Another letter in each wildcard's place shows whether the rest is an ARN.
	// A name can't begin or end in a way that depends on it.
	lowered := lowerHead(s)
	p, err := arn.ParsePrincipal(strings.NewReplacer("*", "x", "?", "x").Replace(lowered))
	if err != nil {
		n.fail(arnHint(n.entry.Key), "%s", arnFault(s, err))
		return p, false
	}
	if p.Kind != arn.Role && p.Kind != arn.User {
		n.fail("every session of a role matches the role's own ARN", "%s has a wildcard, and is neither a role nor a user", quote(s))
		return p, false
	}
	_, resource, _ := strings.Cut(lowered, "/")
	slash := strings.LastIndex(resource, "/") + 1
	p.Path, p.Name = "/"+resource[:slash], resource[slash:]
	if p.Kind == arn.Role {
		n.checkRolePattern(s, p)
		resource = p.Name
	}
	if strings.Trim(resource, wildcards+"/") == "" {
		n.fail("for every principal of the account, use mapAccounts", "%s has nothing but wildcards for a name", quote(s))
		return p, false
	}
	return p, true
}

func (n *notes) checkRolePattern(s string, p arn.Principal) {
	set, isSSO := strings.CutPrefix(strings.ToLower(p.Name), strings.ToLower(ssoPrefix))
	switch {
	case isSSO && strings.Trim(set, wildcards) != "":
		n.warn("write sso: {permissionSetName: …, accountID: …} in place of rolearn, which matches the roles of one permission set only",
			"%s is for roles of IAM Identity Center, and matches other roles of such a name as well", quote(s))
	case p.Path != "/":
		n.warn("write it without the path; whoever may create roles under any path of the account could create one of such a name",
			"sessions do not show the path of a role; %s matches without it", quote(s))
	}
}
