package trustpolicy

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/iam"
)

// Correct mends what can be mended without knowing what was meant: wildcards under
// StringEquals, schemes and ARNs in keys, schemes and slashes in a provider, the order
// of an EKS issuer's words, subjects under :aud and audiences under :sub, a subject in
// another case, ForAllValues and ForAnyValue, and sts:AssumeRole of a web identity. The
// result is formatted anew.
//
// A mistake may be all that keeps a role shut. So a statement stays as it is if it would
// let in strangers without its mistakes, or lose a condition, or has a pattern of subjects
// that are no service accounts. All of doc stays as it is
// if that is no trust policy.
func Correct(doc []byte) []byte {
	if _, err := iam.Parse(doc, iam.TrustPolicy); err != nil {
		return doc
	}
	return rewrite(doc, func(s map[string]any) map[string]any {
		corrected, ok := correctStatement(s)
		if !ok || opens(s, corrected) {
			return s
		}
		return corrected
	})
}

// Format is the same policy as Correct would write it, with nothing corrected.
func Format(doc []byte) []byte {
	return rewrite(doc, func(s map[string]any) map[string]any { return s })
}

func rewrite(doc []byte, change func(statement map[string]any) map[string]any) []byte {
	var policy map[string]any
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.UseNumber()
	if !json.Valid(doc) || decoder.Decode(&policy) != nil || policy == nil {
		return doc
	}
	statements, ok := policy["Statement"].([]any)
	if !ok {
		statements = []any{policy["Statement"]}
	}
	for i, s := range statements {
		if statement, ok := s.(map[string]any); ok {
			statements[i] = inOrder(change(statement))
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

// opens reports whether a corrected statement is no good: IAM would not take it, or it
// lets in strangers whom the statement before kept out.
func opens(before, after map[string]any) bool {
	alone := func(s map[string]any) (*iam.Policy, []byte, error) {
		text, err := marshal(map[string]any{"Version": iam.Version2012, "Statement": s})
		if err != nil {
			return nil, nil, err
		}
		policy, err := iam.Parse(text, iam.TrustPolicy)
		return policy, text, err
	}
	will, text, err := alone(after)
	if err != nil {
		return true
	}
	if !slices.ContainsFunc(Lint(text), isOpen) {
		return false
	}
	was, _, err := alone(before)
	return err != nil || slices.ContainsFunc(providers(&will.Statements[0]), func(p string) bool { return !admitsStranger(was, p) })
}

func isOpen(f Finding) bool {
	return f.Rule == "any-service-account" || f.Rule == "any-namespace" || f.Rule == "any-provider"
}

func marshal(policy any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(policy)
	return b.Bytes(), err
}

// correctStatement leaves s as it is. It is not ok if two conditions would become one, or
// if nobody can say whom the result would let in.
func correctStatement(s map[string]any) (corrected map[string]any, ok bool) {
	principal, _ := s["Principal"].(map[string]any)
	federated := principal["Federated"]
	if !mentions(federated, providerMarker) || s["Effect"] != "Allow" {
		return s, true
	}
	corrected = maps.Clone(s)
	newPrincipal := maps.Clone(principal)
	newPrincipal["Federated"] = each(federated, correctProvider)
	corrected["Principal"] = newPrincipal
	// Of another principal beside it, sts:AssumeRole may well be meant.
	if len(principal) == 1 && !mentions(s["Action"], "*") && !mentions(s["Action"], "WithWebIdentity") {
		corrected["Action"] = each(s["Action"], func(action string) string {
			if strings.EqualFold(action, "sts:AssumeRole") {
				return "sts:AssumeRoleWithWebIdentity"
			}
			return action
		})
	}
	operators, ok := s["Condition"].(map[string]any)
	if !ok {
		return corrected, true
	}
	corrected["Condition"], ok = correctConditions(operators)
	return corrected, ok
}

func correctConditions(operators map[string]any) (corrected map[string]any, ok bool) {
	corrected = map[string]any{}
	for operator, block := range operators {
		keys, ok := block.(map[string]any)
		if !ok {
			return nil, false
		}
		for key, values := range keys {
			key, values := correctKey(key, values)
			operator := correctOperator(operator, key, values)
			if isPositive(operator) && isOpenElsewhere(key, values) {
				return nil, false
			}
			block, _ := corrected[operator].(map[string]any)
			if block == nil {
				block = map[string]any{}
				corrected[operator] = block
			}
			if _, taken := block[key]; taken {
				return nil, false
			}
			block[key] = values
		}
	}
	return corrected, true
}

// isOpenElsewhere reports whether there is a pattern of subjects that are no service
// accounts, such as those of a CI system: how far it reaches nobody here can say.
func isOpenElsewhere(key string, values any) bool {
	_, name := conditionName(key)
	found := false
	each(values, func(v string) string {
		found = found || name == "sub" && hasWildcard(v) && !strings.HasPrefix(v, subjectPrefix) && reach(v) == ""
		return v
	})
	return found
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
	if isGlobal(key) || name == "" {
		return key, values
	}
	if _, host, ok := strings.Cut(prefix, providerMarker); ok && strings.HasPrefix(prefix, "arn:") {
		prefix = host
	}
	switch {
	case name == "aud" && all(values, func(v string) bool { return hasPrefixFold(v, subjectPrefix) }):
		name = "sub"
	case name == "sub" && all(values, isSTSAudience):
		name = "aud"
	}
	if name == "sub" {
		values = each(values, func(v string) string {
			if hasPrefixFold(v, subjectPrefix) {
				return subjectPrefix + v[len(subjectPrefix):]
			}
			return v
		})
	}
	return correctHost(prefix) + ":" + name, values
}

// all reports whether there are values, and each is so.
func all(values any, is func(string) bool) bool {
	n, ok := 0, true
	each(values, func(v string) string {
		n, ok = n+1, ok && is(v)
		return v
	})
	return n > 0 && ok
}

func correctOperator(operator, key string, values any) string {
	_, name := conditionName(key)
	if isGlobal(key) || name != "sub" && name != "aud" {
		return operator
	}
	operator = strings.TrimPrefix(operator, "ForAllValues:")
	if name == "sub" {
		operator = strings.TrimPrefix(operator, "ForAnyValue:")
	}
	if isExact(operator) && !strings.Contains(operator, "IgnoreCase") && (mentions(values, "*") || mentions(values, "?")) {
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
