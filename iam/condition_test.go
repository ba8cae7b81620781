package iam_test

import (
	"strings"
	"testing"

	"github.com/eksauth/eksauth/iam"
)

// TestSetOperators: the tables of "Multivalued context key examples" in the IAM
// user guide, and what AWS was seen to answer elsewhere.
func TestSetOperators(t *testing.T) {
	t.Parallel()
	tests := []struct {
		condition string
		tagKeys   []string
		holds     bool
	}{
		{`{"ForAllValues:StringNotLike": {"aws:TagKeys": "key1*"}}`, []string{"key1:legal"}, false},
		{`{"ForAllValues:StringNotLike": {"aws:TagKeys": "key1*"}}`, []string{"key1:hr", "key1:personnel"}, false},
		{`{"ForAllValues:StringNotLike": {"aws:TagKeys": "key1*"}}`, []string{"key2:audit"}, true},
		{`{"ForAllValues:StringNotLike": {"aws:TagKeys": "key1*"}}`, nil, true},
		{`{"ForAllValues:StringLike": {"aws:TagKeys": ["key1*", "key2*"]}}`, []string{"key1:a", "key2:b"}, true},
		{`{"ForAllValues:StringLike": {"aws:TagKeys": ["key1*", "key2*"]}}`, []string{"key1:a", "key3:b"}, false},

		{`{"ForAnyValue:StringEquals": {"aws:TagKeys": ["environment", "webserver"]}}`, []string{"webserver", "cost"}, true},
		{`{"ForAnyValue:StringEquals": {"aws:TagKeys": ["environment", "webserver"]}}`, []string{"cost"}, false},
		{`{"ForAnyValue:StringEquals": {"aws:TagKeys": ["environment", "webserver"]}}`, nil, false},

		{`{"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["DataClass", "Owner"]}}`, nil, false},
		{`{"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["DataClass", "Owner"]}}`, []string{"DataClass", "Owner"}, false},
		{`{"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["DataClass", "Owner"]}}`, []string{"Dept", "DataClass"}, true},
		{`{"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["DataClass", "Owner"]}}`, []string{"Dept", "SIC"}, true},

		// The recommended pair: the key must be there, and all its values known.
		{`{"ForAllValues:StringEquals": {"aws:TagKeys": "a"}, "Null": {"aws:TagKeys": "false"}}`, nil, false},
		{`{"ForAllValues:StringEquals": {"aws:TagKeys": "a"}, "Null": {"aws:TagKeys": "false"}}`, []string{"a"}, true},

		// Several values without a set operator.
		{`{"StringEquals": {"aws:TagKeys": "a"}}`, []string{"a", "b"}, false},
		{`{"StringEqualsIfExists": {"aws:TagKeys": ["a", "b"]}}`, []string{"a", "b"}, false},
		{`{"StringNotEquals": {"aws:TagKeys": "a"}}`, []string{"b", "c"}, true},
		{`{"StringNotEquals": {"aws:TagKeys": "a"}}`, []string{"b", "a"}, false},
	}
	for _, tt := range tests {
		var ctx iam.Context
		ctx.Set("aws:TagKeys", tt.tagKeys...)
		if got, d := holds(t, tt.condition, ctx); got != tt.holds {
			t.Errorf("%s, found %q: %v, want %v\n%v", tt.condition, tt.tagKeys, got, tt.holds, d)
		}
	}
}

func TestSeveralValuesWithoutSetOperatorGiveAHint(t *testing.T) {
	t.Parallel()
	_, d := holds(t, `{"StringEquals": {"aws:TagKeys": "a"}}`, context(map[string][]string{"aws:TagKeys": {"a", "b"}}))
	if want := `found "a", "b" (a key with several values needs ForAnyValue: or ForAllValues:)`; !strings.Contains(d.String(), want) {
		t.Errorf("decision %s\nlacks %s", d, want)
	}
}

func TestConditionsAreAllRequired(t *testing.T) {
	t.Parallel()
	const condition = `{"StringEquals": {"a:one": "1", "a:two": "2"}, "StringLike": {"a:three": "3*"}}`
	all := map[string][]string{"a:one": {"1"}, "a:two": {"2"}, "a:three": {"33"}}
	if got, d := holds(t, condition, context(all)); !got {
		t.Errorf("all hold, but %v", d)
	}
	for key := range all {
		some := map[string][]string{"a:one": {"1"}, "a:two": {"2"}, "a:three": {"33"}}
		some[key] = []string{"x"}
		if got, _ := holds(t, condition, context(some)); got {
			t.Errorf("%s is wrong, but the statement applies", key)
		}
	}
	if got, _ := holds(t, `{}`, iam.Context{}); !got {
		t.Error("an empty Condition does not hold")
	}
}

func TestConditionKeysAreCaseInsensitive(t *testing.T) {
	t.Parallel()
	got, _ := holds(t, `{"StringEquals": {"AWS:SourceIP": "x", "aws:PrincipalTag/Team": "y"}}`,
		context(map[string][]string{"aws:sourceip": {"x"}, "AWS:PRINCIPALTAG/TEAM": {"y"}}))
	if !got {
		t.Error("keys in another case do not match")
	}
	// U+212A KELVIN SIGN is k in Unicode's lower case, and another letter to AWS.
	if got, _ := holds(t, `{"StringEquals": {"aws:PrincipalTag/k": "x"}}`, context(map[string][]string{"aws:PrincipalTag/\u212a": {"x"}})); got {
		t.Error("a key of another letter matches")
	}
}
