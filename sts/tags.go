package sts

import (
	"slices"
	"strings"

	"github.com/eksauth/eksauth/awsquery"
)

// newTags are the tags that a session is asked to have.
func newTags(asked []awsquery.Tag) []Tag {
	var tags []Tag
	for _, t := range asked {
		tags = append(tags, Tag{Key: t.Key, Value: t.Value})
	}
	return tags
}

// markTransitive checks the tags against each other and against the keys of
// those that are to be transitive. Tag keys are compared without case.
func markTransitive(tags []Tag, keys []string) error {
	for i, t := range tags {
		if slices.ContainsFunc(tags[:i], func(other Tag) bool { return strings.EqualFold(other.Key, t.Key) }) {
			return awsquery.InvalidParameter("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		if strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return awsquery.InvalidParameter("Tag keys that begin with aws: are reserved")
		}
	}
	for _, key := range keys {
		i := slices.IndexFunc(tags, func(t Tag) bool { return strings.EqualFold(t.Key, key) })
		if i < 0 {
			return awsquery.InvalidParameter("The specified transitive tag key must be included in the requested tags.")
		}
		tags[i].Transitive = true
	}
	return nil
}

// inheritTags adds the transitive tags of the caller's session to those that
// the caller asks for. An inherited tag cannot be set anew.
//
// Source: "Chaining roles with session tags" in the IAM user guide.
func inheritTags(from, asked []Tag) ([]Tag, error) {
	tags := slices.Clone(asked)
	for _, inherited := range from {
		if !inherited.Transitive {
			continue
		}
		if slices.ContainsFunc(asked, func(t Tag) bool { return strings.EqualFold(t.Key, inherited.Key) }) {
			return nil, awsquery.InvalidParameter("One of the specified transitive tag keys can't be set because it conflicts " +
				"with a transitive tag key from the calling session.")
		}
		tags = append(tags, inherited)
	}
	return tags, nil
}
