package awslocal

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/iam"
)

// maxVersions is how many versions a managed policy may have.
//
// Source: "IAM and AWS STS quotas" in the IAM user guide.
const maxVersions = 5

// maxVersion bounds the number of a version; those of more come after it.
const maxVersion = 1_000_000_000

// policies checks the managed policies and the groups of an account.
func (c *checker) policies(a *Account, path string) {
	seen := map[string]string{}
	for i := range a.Policies {
		c.managedPolicy(&a.Policies[i], seen, indexPath(path+".policies", i))
	}
	seen = map[string]string{}
	for i, g := range a.Groups {
		at := indexPath(path+".groups", i)
		c.name("group", g.Name, g.Path, seen, at)
		c.uniqueID(g.ID, groupIDPrefix, at+".id")
		c.attached(a, g.ManagedPolicies, g.InlinePolicies, "", at)
	}
}

func (c *checker) managedPolicy(p *ManagedPolicy, seen map[string]string, path string) {
	c.name("policy", p.Name, p.Path, seen, path)
	c.uniqueID(p.ID, policyIDPrefix, path+".id")
	c.tags(p.Tags, path+".tags")
	if len(p.Versions) == 0 {
		c.document(p.Document, path+".document", "document")
		if p.DefaultVersion != "" {
			c.fail(path+".defaultVersion", "leave it out, or give versions", "one document is one version")
		}
		return
	}
	if p.Document != "" {
		c.fail(path+".document", "give document, or versions", "the policy has versions besides")
	}
	if len(p.Versions) > maxVersions {
		c.fail(path+".versions", "", "%d versions, and IAM allows %d", len(p.Versions), maxVersions)
	}
	ids := map[string]string{}
	for i, v := range p.Versions {
		at := indexPath(path+".versions", i)
		if n, err := strconv.Atoi(strings.TrimPrefix(v.ID, "v")); err != nil || n < 1 || n > maxVersion || v.ID != "v"+strconv.Itoa(n) {
			c.fail(at+".id", "such as v1", "%s is not the id of a version", quote(v.ID))
		}
		c.once(ids, v.ID, at+".id", "the version "+v.ID)
		c.document(v.Document, at+".document", "document")
	}
	if !slices.ContainsFunc(p.Versions, func(v PolicyVersion) bool { return v.ID == p.DefaultVersion }) {
		c.fail(path, "give defaultVersion, one of the versions", "no version of the policy is in force")
	}
}

// attached checks the policies of a user, a group or a role.
func (c *checker) attached(a *Account, managed []string, inline []InlinePolicy, boundary, path string) {
	seen := map[string]string{}
	for i, p := range inline {
		at := indexPath(path+".inlinePolicies", i)
		if !longNameShape(p.Name) {
			c.fail(at+".name", "1 to 128 letters, digits and any of _+=,.@-", "%s is not the name of a policy", quote(p.Name))
		}
		c.once(seen, p.Name, at+".name", "a policy called "+p.Name)
		c.document(p.Document, at+".document", "document")
	}
	seen = map[string]string{}
	for i, policyARN := range managed {
		at := indexPath(path+".managedPolicies", i)
		c.managed(a, policyARN, at)
		c.once(seen, policyARN, at, "the policy "+policyARN)
	}
	if boundary != "" {
		c.managed(a, boundary, path+".permissionsBoundary")
	}
}

// managed checks that there is a managed policy of that ARN.
func (c *checker) managed(a *Account, policyARN, path string) {
	if _, ok := awsManaged(a.partition(), policyARN); ok {
		return
	}
	var arns []string
	for _, p := range a.Policies {
		arns = append(arns, PolicyRecord{Account: a.ID, Name: p.Name, Path: orSlash(p.Path)}.ARN(a.partition()))
	}
	if !slices.Contains(arns, policyARN) {
		c.fail(path, didYouMean(policyARN, append(arns, administratorAccess(a.partition()))), "there is no managed policy %s", quote(policyARN))
	}
}

// document checks an identity policy.
func (c *checker) document(doc PolicyDocument, path, key string) {
	if doc == "" {
		c.fail(path, "give "+key, "the policy says nothing")
		return
	}
	_, err := iam.Parse([]byte(doc), iam.IdentityPolicy)
	c.malformed(err, path)
}

// tags checks the tags of IAM, whose keys do not differ in case alone.
func (c *checker) tags(tags []Tag, path string) { c.tagsBy(foldKey, tags, path) }

// foldKey is the same for keys that strings.EqualFold takes for the same, as the API
// does. strings.ToLower makes an i of U+0130 besides.
func foldKey(key string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, key)
}

// eksTags checks those of EKS, whose keys may.
//
// Source: "Tagging basics" in the EKS user guide.
func (c *checker) eksTags(tags []Tag, path string) {
	c.tagsBy(func(key string) string { return key }, tags, path)
}

// tagsBy checks tags, of which no two have the same key by what key makes of it.
func (c *checker) tagsBy(key func(string) string, tags []Tag, path string) {
	if len(tags) > awsquery.MaxTags {
		c.fail(path, "", "%d tags, and AWS allows %d", len(tags), awsquery.MaxTags)
	}
	seen := map[string]string{}
	for i, t := range tags {
		at := indexPath(path, i)
		var v awsquery.Violations
		v.Text("key", t.Key, awsquery.TagKeyShape())
		v.Text("value", t.Value, awsquery.TagValueShape())
		if v.Err() != nil {
			c.fail(at, "keys have 1 to 128 and values up to 256 letters, digits, spaces and any of _.:/=+-@", "%s is not a tag", quote(t.Key+"="+t.Value))
		}
		c.once(seen, key(t.Key), at+".key", "the tag "+t.Key)
	}
}

func (a *Account) groupNames() []string {
	var names []string
	for _, g := range a.Groups {
		names = append(names, g.Name)
	}
	return names
}
