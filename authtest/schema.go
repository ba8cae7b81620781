package authtest

import _ "embed" // of the schema

// Schema is the JSON Schema of suites. hack/schema writes it.
//
//go:embed suite.schema.json
var Schema []byte
