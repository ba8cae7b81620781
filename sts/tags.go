package sts

import (
	"slices"
	"strconv"
	"strings"
)

const maxTags = 50

// tags takes Tags.member.N.Key and .Value.
func (v *violations) tags(p params) []Tag {
	p.takeEmpty("Tags")
	var tags []Tag
	for {
		prefix := "Tags.member." + strconv.Itoa(len(tags)+1)
		field := "tags." + strconv.Itoa(len(tags)+1) + ".member."
		key, hasKey := p.take(prefix + ".Key")
		value, hasValue := p.take(prefix + ".Value")
		if !hasKey && !hasValue {
			break
		}
		if hasKey {
			v.text(field+"key", key, tagKeyShape())
		} else {
			v.missing(field + "key")
		}
		if hasValue {
			v.text(field+"value", value, tagValueShape())
		} else {
			v.missing(field + "value")
		}
		tags = append(tags, Tag{Key: key, Value: value})
	}
	v.count("tags", len(tags), maxTags)
	return tags
}

// tagKeys takes TransitiveTagKeys.member.N.
func (v *violations) tagKeys(p params) []string {
	keys := p.takeList("TransitiveTagKeys")
	for i, key := range keys {
		v.text("transitiveTagKeys."+strconv.Itoa(i+1)+".member", key, tagKeyShape())
	}
	v.count("transitiveTagKeys", len(keys), maxTags)
	return keys
}

// markTransitive checks the tags against each other and against the keys of
// those that are to be transitive. Tag keys are compared without case.
func markTransitive(tags []Tag, keys []string) error {
	for i, t := range tags {
		if slices.ContainsFunc(tags[:i], func(other Tag) bool { return strings.EqualFold(other.Key, t.Key) }) {
			return errParameter("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		if strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return errParameter("Tag keys that begin with aws: are reserved")
		}
	}
	for _, key := range keys {
		i := slices.IndexFunc(tags, func(t Tag) bool { return strings.EqualFold(t.Key, key) })
		if i < 0 {
			return errParameter("The specified transitive tag key must be included in the requested tags.")
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
			return nil, errParameter("One of the specified transitive tag keys can't be set because it conflicts " +
				"with a transitive tag key from the calling session.")
		}
		tags = append(tags, inherited)
	}
	return tags, nil
}
