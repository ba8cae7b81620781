package iamapi

import (
	"cmp"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
)

// Readers of parameters. What is wrong with them is told all at once, by ready.

func (c *call) required(name string, s awsquery.Shape) string {
	return c.invalid.Required(c.Params, name, s)
}

func (c *call) optional(name string, s awsquery.Shape) string {
	return c.invalid.Optional(c.Params, name, s)
}

// choice takes one of a few words; "" when it is not there.
func (c *call) choice(name string, words ...string) string {
	value, ok := c.Params.Take(name)
	if ok && !slices.Contains(words, value) {
		c.invalid.Add("'"+awsquery.Clip(value)+"'", strings.ToLower(name[:1])+name[1:], "satisfy enum value set: ["+strings.Join(words, ", ")+"]")
	}
	return value
}

// given is an optional parameter, and whether it is there: an empty text is not
// the same as none.
func (c *call) given(name string, s awsquery.Shape) (value string, ok bool) {
	if value, ok = c.Params.Take(name); ok {
		c.invalid.Text(strings.ToLower(name[:1])+name[1:], value, s)
	}
	return value, ok
}

func (c *call) path() string       { return cmp.Or(c.pathIn("Path"), "/") }
func (c *call) policyPath() string { return cmp.Or(c.pathOf("Path", policyPathShape()), "/") }

// pathIn takes a path; "" when it is not there.
func (c *call) pathIn(name string) string { return c.pathOf(name, pathShape()) }

func (c *call) pathOf(name string, s awsquery.Shape) string {
	path := c.optional(name, s)
	if path != "" && !awslocal.IsPath(path) {
		c.invalid.Add("'"+awsquery.Clip(path)+"'", strings.ToLower(name[:1])+name[1:], "begin and end with / and have no //")
	}
	return path
}

// tags are those of a new object.
func (c *call) tags() []awslocal.Tag {
	var tags []awslocal.Tag
	for _, t := range c.invalid.Tags(c.Params) {
		tags = append(tags, awslocal.Tag(t))
	}
	return tags
}

// ready refuses a request with parameters that are wrong, or that nobody knows:
// what is not understood must not vanish.
func (c *call) ready() error {
	if err := c.invalid.Err(); err != nil {
		return err
	}
	if left := c.Params.Left(); len(left) > 0 {
		return awsquery.InvalidParameter("The parameter %s is not known to this operation", awsquery.Clip(left[0]))
	}
	return nil
}

// permit asks the caller's policies about the operation on a resource.
func (c *call) permit(resource string) error {
	return c.h.Auth.Authorize(c.HTTP.Context(), c.caller, "iam:"+c.Action, resource, c.facts)
}

// requestTags sets the condition keys of tags that the request gives.
//
// Source: "AWS global condition context keys" in the IAM user guide.
func (c *call) requestTags(tags []awslocal.Tag) {
	var keys []string
	for _, t := range tags {
		c.facts.Set("aws:RequestTag/"+t.Key, t.Value)
		keys = append(keys, t.Key)
	}
	c.facts.Set("aws:TagKeys", keys...)
}

// resourceTags sets the condition keys of the tags of what the operation is on.
func (c *call) resourceTags(tags []awslocal.Tag) {
	for _, t := range tags {
		c.facts.Set("aws:ResourceTag/"+t.Key, t.Value)
		c.facts.Set("iam:ResourceTag/"+t.Key, t.Value)
	}
}

func (c *call) account() string   { return c.caller.Identity.AccountID }
func (c *call) partition() string { return c.caller.Identity.Partition }

// arn names something of the caller's account, such as user/ada.
func (c *call) arn(resource string) string {
	return "arn:" + c.partition() + ":iam::" + c.account() + ":" + resource
}

// read and write are a transaction in the caller's account.
func (c *call) read(f func(*awslocal.IAM) error) error  { return c.h.Store.ReadIAM(c.account(), f) }
func (c *call) write(f func(*awslocal.IAM) error) error { return c.h.Store.WriteIAM(c.account(), f) }
