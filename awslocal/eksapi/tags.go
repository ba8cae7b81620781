package eksapi

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
)

// requestTags checks the tags that a request gives and sets their condition keys.
func (q *request) requestTags(given map[string]string) ([]awslocal.Tag, error) {
	var v awsquery.Violations
	var tags []awslocal.Tag
	keys := slices.Sorted(maps.Keys(given))
	for _, key := range keys {
		v.Text("tags.key", key, awsquery.TagKeyShape())
		v.Text("tags.value", given[key], awsquery.TagValueShape())
		q.facts.Set("aws:RequestTag/"+key, given[key])
		tags = append(tags, awslocal.Tag{Key: key, Value: given[key]})
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return nil, errInvalidParameter("Tag keys that begin with aws: are reserved")
		}
	}
	v.Count("tags", len(tags), awsquery.MaxTags)
	q.facts.Set("aws:TagKeys", keys...)
	if err := v.Err(); err != nil {
		return nil, errInvalidParameter(err.Error())
	}
	return tags, nil
}

// tagMap is how EKS shows tags.
func tagMap(tags []awslocal.Tag) map[string]string {
	m := map[string]string{}
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

func (h *Handler) listTags(ctx context.Context, q *request) (any, error) {
	var found []awslocal.Tag
	err := h.onTags(ctx, q, func(tags *[]awslocal.Tag) error {
		found = *tags
		return nil
	})
	return struct {
		Tags map[string]string `json:"tags"`
	}{tagMap(found)}, err
}

func (h *Handler) tagResource(ctx context.Context, q *request) (any, error) {
	var in struct {
		Tags map[string]string `json:"tags"`
	}
	if err := q.read(&in); err != nil {
		return nil, err
	}
	added, err := q.requestTags(in.Tags)
	if err != nil {
		return nil, err
	}
	return struct{}{}, h.onTags(ctx, q, func(tags *[]awslocal.Tag) error {
		m := tagMap(*tags)
		for _, t := range added {
			m[t.Key] = t.Value
		}
		if len(m) > awsquery.MaxTags {
			return errInvalidParameter("A resource can have at most 50 tags.")
		}
		*tags = nil
		for _, key := range slices.Sorted(maps.Keys(m)) {
			*tags = append(*tags, awslocal.Tag{Key: key, Value: m[key]})
		}
		return nil
	})
}

func (h *Handler) untagResource(ctx context.Context, q *request) (any, error) {
	keys := q.query["tagKeys"]
	q.facts.Set("aws:TagKeys", keys...)
	return struct{}{}, h.onTags(ctx, q, func(tags *[]awslocal.Tag) error {
		*tags = slices.DeleteFunc(slices.Clone(*tags), func(t awslocal.Tag) bool { return slices.Contains(keys, t.Key) })
		return nil
	})
}

// onTags calls f with the tags of the cluster, the access entry or the
// association that the path names.
func (h *Handler) onTags(ctx context.Context, q *request, f func(*[]awslocal.Tag) error) error {
	resource := q.rest[0]
	_, name, _ := strings.Cut(resource, ":"+q.caller.Identity.AccountID+":")
	kind, name, _ := strings.Cut(name, "/")
	q.cluster, _, _ = strings.Cut(name, "/")
	return h.change(ctx, q, onTagged, func(c *awslocal.ClusterRecord, _ time.Time) error {
		switch kind {
		case "cluster":
			if resource == q.clusterARN() {
				return f(&c.Tags)
			}
		case "access-entry":
			for i, e := range c.AccessEntries {
				if q.entryARN(e) == resource {
					return f(&c.AccessEntries[i].Tags)
				}
			}
		case "podidentityassociation":
			for i, p := range c.PodIdentities {
				if q.associationARN(p.ID) == resource {
					return f(&c.PodIdentities[i].Tags)
				}
			}
		}
		return errNotFound("No resource found for ARN: " + awsquery.Clip(resource))
	})
}
