package iamapi

import (
	"cmp"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
)

// tag is TagUser, TagRole.
func (k kind) tag(c *call) ([]element, error) {
	name, tags := k.named(c), c.tags()
	c.requestTags(tags)
	return nil, k.change(c, name, func(_ *awslocal.IAM, t thing) error { return addTags(t.tags, tags) })
}

// untag is UntagUser, UntagRole.
func (k kind) untag(c *call) ([]element, error) {
	name, keys := k.named(c), c.invalid.TagKeys(c.Params, "TagKeys")
	c.facts.Set("aws:TagKeys", keys...)
	return nil, k.change(c, name, func(_ *awslocal.IAM, t thing) error {
		removeTags(t.tags, keys)
		return nil
	})
}

// listTags is ListUserTags, ListRoleTags.
func (k kind) listTags(c *call) (result []element, err error) {
	name, w := k.named(c), c.window()
	err = k.see(c, name, func(_ *awslocal.IAM, t thing) error {
		result = pageOfTags(w, *t.tags)
		return nil
	})
	return result, err
}

// newTags checks the tags of a new object.
func newTags(given []awslocal.Tag) ([]awslocal.Tag, error) {
	var tags []awslocal.Tag
	for i, t := range given {
		if slices.ContainsFunc(given[:i], func(other awslocal.Tag) bool { return sameKey(other.Key, t.Key) }) {
			return nil, errInvalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
	}
	return tags, addTags(&tags, given)
}

// addTags sets tags, whose keys are compared without case.
func addTags(tags *[]awslocal.Tag, added []awslocal.Tag) error {
	list := slices.Clone(*tags)
	for _, t := range added {
		if strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return errInvalidInput("Tag keys that begin with aws: are reserved")
		}
		list = slices.DeleteFunc(list, func(old awslocal.Tag) bool { return sameKey(old.Key, t.Key) })
		list = append(list, t)
	}
	if len(list) > awsquery.MaxTags {
		return errLimit("The number of tags has reached the maximum limit.")
	}
	slices.SortFunc(list, func(a, b awslocal.Tag) int { return cmp.Compare(a.Key, b.Key) })
	*tags = list
	return nil
}

func removeTags(tags *[]awslocal.Tag, keys []string) {
	*tags = slices.DeleteFunc(slices.Clone(*tags), func(t awslocal.Tag) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return sameKey(key, t.Key) })
	})
}

func sameKey(a, b string) bool { return strings.EqualFold(a, b) }

func pageOfTags(w window, tags []awslocal.Tag) []element {
	return page(w, "Tags", tags, func(t awslocal.Tag) string { return t.Key }, showTag)
}

func showTag(t awslocal.Tag) any {
	return []element{awsquery.E("Key", t.Key), awsquery.E("Value", t.Value)}
}

// showTags are tags in an answer about something else.
func showTags(tags []awslocal.Tag) []element {
	if len(tags) == 0 {
		return nil
	}
	list := awsquery.List{}
	for _, t := range tags {
		list = append(list, showTag(t))
	}
	return []element{awsquery.E("Tags", list)}
}
