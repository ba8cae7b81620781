package sts

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/eksauth/eksauth/awsquery"
)

// Names of the claims with which a token asks for more than a session. The tags
// may be one object, or a claim each.
//
// Source: "Pass session tags in AWS STS" and "Monitor and control actions taken
// with assumed roles" in the IAM user guide.
const (
	tagsClaim           = "https://aws.amazon.com/tags"
	principalTagClaim   = tagsClaim + "/principal_tags/" // and the tag's key
	transitiveTagsClaim = tagsClaim + "/transitive_tag_keys"
	sourceIdentityClaim = "https://aws.amazon.com/source_identity"
)

// extraClaims are those of an ID token that mean something to AWS alone.
type extraClaims struct {
	methods        []string          // amr
	tags           map[string]string // values by key
	transitive     []string          // keys
	sourceIdentity []string          // nothing, or one
}

func readExtraClaims(all map[string]any) (extraClaims, error) {
	c := extraClaims{tags: map[string]string{}}
	nested, ok := object(all[tagsClaim])
	principal, good := object(nested["principal_tags"])
	if !ok || !good {
		return c, formError(tagsClaim)
	}
	for key, value := range principal {
		if err := c.addTag(key, value); err != nil {
			return c, err
		}
	}
	for name, value := range all {
		key, ok := strings.CutPrefix(name, principalTagClaim)
		if !ok {
			continue
		}
		if err := c.addTag(key, value); err != nil {
			return c, err
		}
	}
	for _, list := range []struct {
		name  string
		value any
		to    *[]string
	}{
		{"amr", all["amr"], &c.methods},
		{tagsClaim, nested["transitive_tag_keys"], &c.transitive},
		{transitiveTagsClaim, all[transitiveTagsClaim], &c.transitive},
		{sourceIdentityClaim, all[sourceIdentityClaim], &c.sourceIdentity},
	} {
		values, ok := texts(list.value)
		if !ok {
			return c, formError(list.name)
		}
		*list.to = append(*list.to, values...)
	}
	if len(c.sourceIdentity) > 1 {
		return c, formError(sourceIdentityClaim)
	}
	return c, nil
}

func (c *extraClaims) addTag(key string, value any) error {
	values, ok := texts(value)
	if _, twice := c.tags[key]; twice || !ok || len(values) != 1 {
		return fmt.Errorf("the tag %q of the token has not exactly one value, a text", awsquery.Clip(key))
	}
	c.tags[key] = values[0]
	return nil
}

func formError(claim string) error { return fmt.Errorf("the claim %s is not of the right form", claim) }

// object is the value of a claim that is an object; nothing if it is not there.
func object(v any) (fields map[string]any, ok bool) {
	if v == nil {
		return nil, true
	}
	fields, ok = v.(map[string]any)
	return fields, ok
}

// texts is the value of a claim that is a text or a list of texts; nothing if it
// is not there.
func texts(v any) (values []string, ok bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		return []string{v}, true
	case []any:
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				return nil, false
			}
			values = append(values, text)
		}
		return values, true
	}
	return nil, false
}

// requested checks what the token asks for, as if it had been asked in the
// request.
func (c extraClaims) requested() (tags []Tag, sourceIdentity string, err error) {
	var v awsquery.Violations
	for i, key := range slices.Sorted(maps.Keys(c.tags)) {
		field := "tags." + strconv.Itoa(i+1) + ".member."
		v.Text(field+"key", key, awsquery.TagKeyShape())
		v.Text(field+"value", c.tags[key], awsquery.TagValueShape())
		tags = append(tags, Tag{Key: key, Value: c.tags[key]})
	}
	v.Count("tags", len(tags), awsquery.MaxTags)
	for _, sourceIdentity = range c.sourceIdentity {
		v.Text("sourceIdentity", sourceIdentity, nameShape())
	}
	if err := v.Err(); err != nil {
		return nil, "", err
	}
	return tags, sourceIdentity, markTransitive(tags, c.transitive)
}
