package iamapi

import "github.com/eksauth/eksauth/awsquery"

// Shapes of the parameters of IAM.
//
// Source: botocore's model of IAM, 2010-05-08.

const namePattern = `[\w+=,.@-]+`

func nameShape(most int) awsquery.Shape {
	return awsquery.Shape{Min: 1, Max: most, Allowed: awsquery.WordOr("+=,.@-"), Pattern: namePattern}
}

func roleNameShape() awsquery.Shape   { return nameShape(64) }
func userNameShape() awsquery.Shape   { return nameShape(64) }
func groupNameShape() awsquery.Shape  { return nameShape(128) }
func policyNameShape() awsquery.Shape { return nameShape(128) }

func pathShape() awsquery.Shape {
	return awsquery.Shape{Min: 1, Max: 512, Allowed: printable, Pattern: `(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`}
}

// policyPathShape is of the paths of policies, which have fewer characters.
func policyPathShape() awsquery.Shape {
	return awsquery.Shape{Min: 1, Max: 512, Allowed: awsquery.WordOr("/.,+@=-"), Pattern: `((/[A-Za-z0-9\.,\+@=_-]+)*)/`}
}

func pathPrefixShape() awsquery.Shape {
	return awsquery.Shape{Min: 1, Max: 512, Allowed: printable, Pattern: `\u002F[\u0021-\u007F]*`}
}

func arnShape() awsquery.Shape { return awsquery.Shape{Min: 20, Max: 2048, Allowed: anyRune} }

func documentShape() awsquery.Shape {
	return awsquery.Shape{Min: 1, Max: 131072, Allowed: documentRune, Pattern: `[\u0009\u000A\u000D\u0020-\u00FF]+`}
}

// roleDescriptionShape is of the descriptions of roles.
func roleDescriptionShape() awsquery.Shape {
	return awsquery.Shape{Min: 0, Max: 1000, Allowed: func(r rune) bool { return documentRune(r) && (r < 0x7f || r > 0xa0) },
		Pattern: `[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*`}
}

func policyDescriptionShape() awsquery.Shape {
	return awsquery.Shape{Min: 0, Max: 1000, Allowed: anyRune}
}

func versionShape() awsquery.Shape {
	return awsquery.Shape{Min: 2, Max: 24, Allowed: awsquery.WordOr(".-"), Pattern: `v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`}
}

func keyIDShape() awsquery.Shape {
	return awsquery.Shape{Min: 16, Max: 128, Allowed: awsquery.WordOr(""), Pattern: `[\w]+`}
}

func aliasShape() awsquery.Shape {
	return awsquery.Shape{Min: 3, Max: 63, Allowed: func(r rune) bool { return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' },
		Pattern: `[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]`}
}

func urlShape() awsquery.Shape        { return awsquery.Shape{Min: 1, Max: 255, Allowed: anyRune} }
func clientIDShape() awsquery.Shape   { return awsquery.Shape{Min: 1, Max: 255, Allowed: anyRune} }
func thumbprintShape() awsquery.Shape { return awsquery.Shape{Min: 40, Max: 40, Allowed: anyRune} }
func markerShape() awsquery.Shape     { return awsquery.Shape{Min: 1, Max: 320, Allowed: printable} }
func actionShape() awsquery.Shape     { return awsquery.Shape{Min: 3, Max: 128, Allowed: anyRune} }
func resourceShape() awsquery.Shape   { return awsquery.Shape{Min: 1, Max: 2048, Allowed: anyRune} }
func contextKeyShape() awsquery.Shape { return awsquery.Shape{Min: 5, Max: 256, Allowed: anyRune} }

func anyRune(rune) bool { return true }

func printable(r rune) bool { return '!' <= r && r <= '~' }

func documentRune(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || ' ' <= r && r <= 0xFF
}
