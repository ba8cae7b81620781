package awsquery

import (
	"strconv"
	"strings"
	"unicode"
)

// MaxTags is how many tags a session, a user, a role, … may have.
const MaxTags = 50

// Tag is a tag as a request gives it.
type Tag struct{ Key, Value string }

// TagKeyShape is of the keys of tags.
func TagKeyShape() Shape {
	return Shape{1, 128, isTagRune, `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`}
}

// TagValueShape is of the values of tags.
func TagValueShape() Shape {
	return Shape{0, 256, isTagRune, `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`}
}

func isTagRune(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Z, unicode.N) || strings.ContainsRune("_.:/=+-@", r)
}

// Tags takes Tags.member.N.Key and .Value.
func (v *Violations) Tags(p Params) []Tag {
	p.TakeEmpty("Tags")
	var tags []Tag
	for {
		prefix := "Tags.member." + strconv.Itoa(len(tags)+1)
		field := "tags." + strconv.Itoa(len(tags)+1) + ".member."
		key, hasKey := p.Take(prefix + ".Key")
		value, hasValue := p.Take(prefix + ".Value")
		if !hasKey && !hasValue {
			break
		}
		if hasKey {
			v.Text(field+"key", key, TagKeyShape())
		} else {
			v.Missing(field + "key")
		}
		if hasValue {
			v.Text(field+"value", value, TagValueShape())
		} else {
			v.Missing(field + "value")
		}
		tags = append(tags, Tag{key, value})
	}
	v.Count("tags", len(tags), MaxTags)
	return tags
}

// TagKeys takes NAME.member.N, each the key of a tag.
func (v *Violations) TagKeys(p Params, name string) []string {
	keys := p.TakeList(name)
	for i, key := range keys {
		v.Text(fieldName(name)+"."+strconv.Itoa(i+1)+".member", key, TagKeyShape())
	}
	v.Count(fieldName(name), len(keys), MaxTags)
	return keys
}
