package trustpolicy

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Correct mends what can be mended without knowing what was meant: wildcards under
// StringEquals, schemes and ARNs in keys, schemes and slashes in a provider, the order
// of an EKS issuer's words, a subject under :aud or in another case, ForAllValues, and
// sts:AssumeRole of a web identity. The result is formatted anew. It is doc itself if
// that is no JSON.
func Correct(doc []byte) []byte { return rewrite(doc, correctStatement) }

// Format is the same policy as Correct would write it, with nothing corrected.
func Format(doc []byte) []byte { return rewrite(doc, func(map[string]any) {}) }

func rewrite(doc []byte, change func(statement map[string]any)) []byte {
	var policy map[string]any
	if json.Unmarshal(doc, &policy) != nil || policy == nil {
		return doc
	}
	statements, ok := policy["Statement"].([]any)
	if !ok {
		statements = []any{policy["Statement"]}
	}
	for i, s := range statements {
		if statement, ok := s.(map[string]any); ok {
			change(statement)
			statements[i] = inOrder(statement)
		}
	}
	if !ok {
		policy["Statement"] = statements[0]
	}
	text, err := marshal(inOrder(policy))
	if err != nil { // it was JSON
		return doc
	}
	return text
}

func marshal(policy any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(policy)
	return b.Bytes(), err
}

func correctStatement(s map[string]any) {
	principal, _ := s["Principal"].(map[string]any)
	federated := principal["Federated"]
	if !mentions(federated, providerMarker) {
		return
	}
	principal["Federated"] = each(federated, correctProvider)
	s["Action"] = each(s["Action"], func(action string) string {
		if strings.EqualFold(action, "sts:AssumeRole") {
			return "sts:AssumeRoleWithWebIdentity"
		}
		return action
	})
	operators, _ := s["Condition"].(map[string]any)
	if operators == nil {
		return
	}
	corrected := map[string]any{}
	put := func(operator, key string, values any) {
		block, _ := corrected[operator].(map[string]any)
		if block == nil {
			block = map[string]any{}
			corrected[operator] = block
		}
		block[key] = values
	}
	for operator, block := range operators {
		keys, ok := block.(map[string]any)
		if !ok {
			return
		}
		for key, values := range keys {
			key, values := correctKey(key, values)
			put(correctOperator(operator, key, values), key, values)
		}
	}
	s["Condition"] = corrected
}

// mentions reports whether a text, or one of a list, has it in it.
func mentions(v any, part string) bool {
	found := false
	each(v, func(s string) string {
		found = found || strings.Contains(s, part)
		return s
	})
	return found
}

// each changes a text, or all of a list.
func each(v any, change func(string) string) any {
	switch v := v.(type) {
	case string:
		return change(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = each(item, change)
		}
		return list
	}
	return v
}

func correctProvider(value string) string {
	head, host, ok := strings.Cut(value, providerMarker)
	if !ok {
		return value
	}
	return head + providerMarker + strings.TrimSuffix(correctHost(host), "/")
}

func correctHost(host string) string {
	if _, rest, ok := strings.Cut(host, "://"); ok {
		host = rest
	}
	return eksHostOrder().ReplaceAllString(host, "oidc.eks.$1.")
}

func correctKey(key string, values any) (string, any) {
	prefix, name := conditionName(key)
	if prefix == "aws" || prefix == "sts" || name == "" {
		return key, values
	}
	if _, host, ok := strings.Cut(prefix, providerMarker); ok && strings.HasPrefix(prefix, "arn:") {
		prefix = host
	}
	if name == "aud" && mentions(values, subjectPrefix) {
		name = "sub"
	}
	if name == "sub" {
		values = each(values, func(v string) string {
			if len(v) >= len(subjectPrefix) && strings.EqualFold(v[:len(subjectPrefix)], subjectPrefix) {
				return subjectPrefix + v[len(subjectPrefix):]
			}
			return v
		})
	}
	return correctHost(prefix) + ":" + name, values
}

func correctOperator(operator, key string, values any) string {
	_, name := conditionName(key)
	if name != "sub" && name != "aud" {
		return operator
	}
	if rest, ok := strings.CutPrefix(operator, "ForAllValues:"); ok {
		operator = rest
	}
	if isExact(operator) && (mentions(values, "*") || mentions(values, "?")) {
		return strings.Replace(operator, "StringEquals", "StringLike", 1)
	}
	return operator
}

// inOrder are an object's fields in the order in which AWS writes them, and then any
// others by name.
type inOrder map[string]any

func (o inOrder) MarshalJSON() ([]byte, error) {
	order := []string{"Version", "Id", "Statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Condition"}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(order, key) {
			order = append(order, key)
		}
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for _, key := range order {
		value, ok := o[key]
		if !ok {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		for i, part := range []any{key, value} {
			if i == 1 {
				b.WriteByte(':')
			}
			var text bytes.Buffer
			encoder := json.NewEncoder(&text)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(part); err != nil {
				return nil, err
			}
			b.Write(bytes.TrimSpace(text.Bytes()))
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
