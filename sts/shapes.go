package sts

import "github.com/eksauth/eksauth/awsquery"

// Shapes of the parameters of STS.
//
// Source: botocore's model of STS, 2011-06-15.

func arnShape() awsquery.Shape {
	return awsquery.Shape{Min: 20, Max: 2048, Allowed: isARNRune, Pattern: `[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`}
}

// nameShape is of role session names and source identities.
func nameShape() awsquery.Shape {
	return awsquery.Shape{Min: 2, Max: 64, Allowed: awsquery.WordOr("+=,.@-"), Pattern: `[\w+=,.@-]*`}
}

func externalIDShape() awsquery.Shape {
	return awsquery.Shape{Min: 2, Max: 1224, Allowed: awsquery.WordOr("+=,.@:/-"), Pattern: `[\w+=,.@:\/-]*`}
}

func serialNumberShape() awsquery.Shape {
	return awsquery.Shape{Min: 9, Max: 256, Allowed: awsquery.WordOr("+=/:,.@-"), Pattern: `[\w+=/:,.@-]*`}
}

func tokenCodeShape() awsquery.Shape {
	return awsquery.Shape{Min: 6, Max: 6, Allowed: func(r rune) bool { return '0' <= r && r <= '9' }, Pattern: `[\d]*`}
}

func urlShape() awsquery.Shape {
	return awsquery.Shape{Min: 4, Max: 2048, Allowed: func(rune) bool { return true }, Pattern: ""}
}

// The length of a web identity token in characters.
const (
	minToken = 4
	maxToken = 20000
)

func isARNRune(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || ' ' <= r && r <= '~' || r == 0x85 ||
		0xA0 <= r && r <= 0xFFFD || r >= 0x10000
}
