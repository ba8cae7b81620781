package iam_test

import (
	"fmt"
	"testing"

	"github.com/eksauth/eksauth/iam"
)

// TestOperators: for each operator values that match and that do not. What a
// missing key does is TestMissingKey's.
func TestOperators(t *testing.T) {
	t.Parallel()
	tests := []struct {
		operator string
		want     string // JSON
		found    string
		holds    bool
	}{
		{"StringEquals", `"ada"`, "ada", true},
		{"StringEquals", `"ada"`, "Ada", false},
		{"StringEquals", `"ada*"`, "adamant", false},
		{"StringEquals", `"ada*"`, "ada*", true},
		{"StringEquals", `["bob", "ada"]`, "ada", true},
		{"StringEquals", `12`, "12", true},
		{"StringEquals", `true`, "true", true},
		{"StringEquals", `""`, "", true},
		{"StringNotEquals", `"ada"`, "bob", true},
		{"StringNotEquals", `"ada"`, "ada", false},
		{"StringNotEquals", `["ada", "bob"]`, "bob", false}, // several values: none may match
		{"StringNotEquals", `["ada", "bob"]`, "eve", true},
		{"StringEqualsIgnoreCase", `"ADA"`, "ada", true},
		{"StringEqualsIgnoreCase", `"ADA"`, "bob", false},
		{"StringNotEqualsIgnoreCase", `"ADA"`, "ada", false},
		{"StringNotEqualsIgnoreCase", `"ADA"`, "bob", true},
		{"StringLike", `"system:serviceaccount:*:api"`, "system:serviceaccount:payments:api", true},
		{"StringLike", `"system:serviceaccount:*:api"`, "system:serviceaccount:payments:web", false},
		{"StringLike", `"a?c"`, "abc", true},
		{"StringLike", `"a?c"`, "ac", false},
		{"StringLike", `"a?c"`, "aéc", true}, // one character, not one byte
		{"StringLike", `"A*"`, "abc", false},
		{"StringLike", `"*"`, "", true},
		{"StringNotLike", `"a*"`, "abc", false},
		{"StringNotLike", `"a*"`, "bcd", true},

		{"NumericEquals", `"10"`, "10", true},
		{"NumericEquals", `10`, "10.00", true},
		{"NumericEquals", `"-0"`, "0.0", true},
		{"NumericEquals", `"10"`, "11", false},
		{"NumericEquals", `"10"`, "ten", false},
		{"NumericEquals", `"9007199254740993"`, "9007199254740992", false}, // beyond float64
		{"NumericNotEquals", `"10"`, "11", true},
		{"NumericNotEquals", `"10"`, "10", false},
		{"NumericLessThan", `"10"`, "9.99", true},
		{"NumericLessThan", `"10"`, "10", false},
		{"NumericLessThan", `"0.5"`, "0.45", true},
		{"NumericLessThan", `"-1"`, "-2", true},
		{"NumericLessThan", `"-2"`, "-1", false},
		{"NumericLessThan", `"1"`, "-1", true},
		{"NumericLessThan", `"-1"`, "1", false},
		{"NumericLessThanEquals", `3600`, "3600", true},
		{"NumericLessThanEquals", `3600`, "3601", false},
		{"NumericGreaterThan", `"9"`, "10", true},
		{"NumericGreaterThan", `"10"`, "10", false},
		{"NumericGreaterThanEquals", `"10"`, "10", true},
		{"NumericGreaterThanEquals", `"10"`, "9", false},
		{"NumericGreaterThanEquals", `"-1"`, "nine", false},

		{"DateEquals", `"2020-01-01T00:00:00Z"`, "2020-01-01T01:00:00+01:00", true},
		{"DateEquals", `"2020-01-01T00:00:00Z"`, "1577836800", true}, // epoch seconds
		{"DateEquals", `1577836800`, "2020-01-01T00:00:00Z", true},
		{"DateEquals", `"2020-01-01T00:00Z"`, "2020-01-01T00:00:00.0Z", true},
		{"DateEquals", `"2020-01-01"`, "2020-01-01T00:00:00Z", true},
		{"DateEquals", `"2020-01"`, "2020-01-01", true},
		{"DateEquals", `"2020"`, "2020-01-01", true},
		{"DateEquals", `"2020-01-01"`, "2020-01-02", false},
		{"DateEquals", `"2020-01-01"`, "tomorrow", false},
		{"DateNotEquals", `"2020-01-01"`, "2020-01-02", true},
		{"DateNotEquals", `"2020-01-01"`, "2020-01-01", false},
		{"DateLessThan", `"2020-01-01"`, "2019-12-31T23:59:59Z", true},
		{"DateLessThan", `"2020-01-01"`, "2020-01-01T00:00:00Z", false},
		{"DateLessThanEquals", `"2020-01-01"`, "2020-01-01T00:00:00Z", true},
		{"DateLessThanEquals", `"2020-01-01"`, "2020-01-01T00:00:01Z", false},
		{"DateGreaterThan", `"2020-01-01T00:00:01Z"`, "2020-01-01T00:00:02Z", true},
		{"DateGreaterThan", `"2020-01-01T00:00:01Z"`, "2020-01-01T00:00:01Z", false},
		{"DateGreaterThanEquals", `"2020-01-01"`, "2020-01-01T00:00:00Z", true},
		{"DateGreaterThanEquals", `"2020-01-01"`, "2019-12-31", false},

		{"Bool", `"true"`, "true", true},
		{"Bool", `true`, "TRUE", true},
		{"Bool", `"false"`, "false", true},
		{"Bool", `"true"`, "false", false},
		{"Bool", `"false"`, "no", false},

		{"BinaryEquals", `"QmluYXJ5VmFsdWVJbkJhc2U2NA=="`, "BinaryValueInBase64", true},
		{"BinaryEquals", `"QmluYXJ5VmFsdWVJbkJhc2U2NA=="`, "binaryvalueinbase64", false},

		{"IpAddress", `"203.0.113.0/24"`, "203.0.113.255", true},
		{"IpAddress", `"203.0.113.0/24"`, "203.0.114.0", false},
		{"IpAddress", `"203.0.113.7/24"`, "203.0.113.255", true},
		{"IpAddress", `"203.0.113.7"`, "203.0.113.7", true},
		{"IpAddress", `"203.0.113.7"`, "203.0.113.8", false},
		{"IpAddress", `["203.0.113.0/24", "2001:DB8:1234:5678::/64"]`, "2001:db8:1234:5678::1", true},
		{"IpAddress", `"2001:DB8:1234:5678::/64"`, "2001:db8:1234:5679::1", false},
		{"IpAddress", `"2001:db8::1"`, "2001:db8::2", false}, // not /32
		{"IpAddress", `"203.0.113.0/24"`, "::ffff:203.0.113.9", true},
		{"IpAddress", `"::ffff:203.0.113.0/120"`, "203.0.113.9", true},
		{"IpAddress", `"0.0.0.0/0"`, "2001:db8::1", false},
		{"IpAddress", `"0.0.0.0/0"`, "example.com", false},
		{"NotIpAddress", `"203.0.113.0/24"`, "203.0.113.9", false},
		{"NotIpAddress", `"203.0.113.0/24"`, "198.51.100.1", true},

		// The example on AWS's page: a wildcard in an ARN does not reach across colons.
		{"ArnLike", `"arn:aws:someservice:*:111122223333:finance/*"`, "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt", false},
		{"StringLike", `"arn:aws:someservice:*:111122223333:finance/*"`, "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt", true},
		{"ArnLike", `"arn:aws:someservice:*:111122223333:finance/*"`, "arn:aws:someservice:us-east-2:111122223333:finance/a:b", true},
		{"ArnLike", `"arn:???:*:*:*:*"`, "arn:aws:ec2:us-east-1:111122223333:instance/i-1", true},
		{"ArnLike", `"*"`, "arn:aws:iam::111122223333:role/a", true},
		{"ArnLike", `"*"`, "not an ARN", false},
		{"ArnLike", `"arn:aws:iam::111122223333:role/a"`, "arn:aws:iam::111122223333:role/A", false},
		{"ArnEquals", `"arn:aws:iam::111122223333:role/*"`, "arn:aws:iam::111122223333:role/a", true}, // as ArnLike
		{"ArnEquals", `"arn:aws:iam::111122223333:role/*"`, "arn:aws:iam::111122223333:user/a", false},
		{"ArnNotLike", `"arn:aws:iam::111122223333:role/*"`, "arn:aws:iam::111122223333:role/a", false},
		{"ArnNotLike", `"arn:aws:iam::111122223333:role/*"`, "arn:aws:iam::111122223333:user/a", true},
		{"ArnNotEquals", `"arn:aws:iam::111122223333:role/a"`, "arn:aws:iam::111122223333:role/a", false},
		{"ArnNotEquals", `"arn:aws:iam::111122223333:role/a"`, "arn:aws:iam::111122223333:role/b", true},

		{"Null", `"false"`, "anything", true},
		{"Null", `"true"`, "anything", false},
		{"Null", `true`, "", false}, // an empty value is a value
	}
	for _, tt := range tests {
		var ctx iam.Context
		ctx.Set("aws:key", tt.found)
		for _, suffix := range []string{"", "IfExists"} {
			if tt.operator == "Null" && suffix != "" {
				continue
			}
			got, d := holds(t, fmt.Sprintf(`{"%s%s": {"AWS:Key": %s}}`, tt.operator, suffix, tt.want), ctx)
			if got != tt.holds {
				t.Errorf("%s%s %s, found %q: %v, want %v\n%v", tt.operator, suffix, tt.want, tt.found, got, tt.holds, d)
			}
		}
	}
}

// TestMissingKey: "If the key … is not present in the request context, the
// values do not match and the condition is false. If the policy condition
// requires that the key is not matched … the condition is true."
func TestMissingKey(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"String": `"a"`, "Numeric": `"1"`, "Date": `"2020"`, "Bool": `"false"`, "Binary": `"YQ=="`,
		"Ip": `"10.0.0.0/8"`, "NotIp": `"10.0.0.0/8"`, "Arn": `"*"`,
	}
	families := []struct {
		operator string
		family   string
		holds    bool
	}{
		{"StringEquals", "String", false}, {"StringNotEquals", "String", true},
		{"StringEqualsIgnoreCase", "String", false}, {"StringNotEqualsIgnoreCase", "String", true},
		{"StringLike", "String", false}, {"StringNotLike", "String", true},
		{"NumericEquals", "Numeric", false}, {"NumericNotEquals", "Numeric", true},
		{"NumericLessThan", "Numeric", false}, {"NumericLessThanEquals", "Numeric", false},
		{"NumericGreaterThan", "Numeric", false}, {"NumericGreaterThanEquals", "Numeric", false},
		{"DateEquals", "Date", false}, {"DateNotEquals", "Date", true},
		{"DateLessThan", "Date", false}, {"DateLessThanEquals", "Date", false},
		{"DateGreaterThan", "Date", false}, {"DateGreaterThanEquals", "Date", false},
		{"Bool", "Bool", false}, {"BinaryEquals", "Binary", false},
		{"IpAddress", "Ip", false}, {"NotIpAddress", "NotIp", true},
		{"ArnEquals", "Arn", false}, {"ArnLike", "Arn", false},
		{"ArnNotEquals", "Arn", true}, {"ArnNotLike", "Arn", true},
	}
	for _, tt := range families {
		for prefix, want := range map[string]bool{"": tt.holds, "ForAllValues:": true, "ForAnyValue:": false} {
			if got, _ := holds(t, fmt.Sprintf(`{"%s%s": {"aws:key": %s}}`, prefix, tt.operator, values[tt.family]), iam.Context{}); got != want {
				t.Errorf("%s%s on a missing key: %v, want %v", prefix, tt.operator, got, want)
			}
			if prefix == "" {
				want = true
			}
			if got, _ := holds(t, fmt.Sprintf(`{"%s%sIfExists": {"aws:key": %s}}`, prefix, tt.operator, values[tt.family]), iam.Context{}); got != want {
				t.Errorf("%s%sIfExists on a missing key: %v, want %v", prefix, tt.operator, got, want)
			}
		}
	}
	for value, want := range map[string]bool{`"true"`: true, `"false"`: false, `["true", "false"]`: true} {
		if got, _ := holds(t, `{"Null": {"aws:key": `+value+`}}`, iam.Context{}); got != want {
			t.Errorf("Null %s on a missing key: %v, want %v", value, got, want)
		}
	}
}
