package awslocal

import _ "embed" // of the schema

// WorldSchema is the JSON Schema of world files. hack/schema writes it.
//
//go:embed world.schema.json
var WorldSchema []byte
