package iamapi

import (
	"encoding/base64"
	"slices"

	"github.com/eksauth/eksauth/awsquery"
)

// window is the part of a list that the caller asks for.
//
// Source: "Paginating results" in the IAM API reference: at most 1,000 items, 100
// when nothing is said.
type window struct {
	after string // the last item of the page before
	size  int
}

func (c *call) window() window {
	w := window{size: c.invalid.Integer(c.Params, "MaxItems", 1, 1000, 100)}
	marker := c.optional("Marker", markerShape())
	after, err := base64.RawURLEncoding.DecodeString(marker)
	if err != nil {
		c.invalid.Add("'"+awsquery.Clip(marker)+"'", "marker", "be a marker of an earlier answer")
	}
	w.after = string(after)
	return w
}

// page lists the items of the window in the order of their keys, under a name,
// with what IAM says about the rest.
func page[T any](w window, name string, items []T, key func(T) string, show func(T) any) []element {
	begin := 0
	if w.after != "" {
		begin, _ = slices.BinarySearchFunc(items, w.after, func(item T, after string) int {
			if key(item) <= after {
				return -1
			}
			return 1
		})
	}
	end := min(begin+w.size, len(items))
	list := awsquery.List{}
	for _, item := range items[begin:end] {
		list = append(list, show(item))
	}
	more := end < len(items)
	result := []element{awsquery.E(name, list), awsquery.E("IsTruncated", more)}
	if more {
		result = append(result, awsquery.E("Marker", base64.RawURLEncoding.EncodeToString([]byte(key(items[end-1])))))
	}
	return result
}
