// Command schema writes the JSON Schemas of world files and of test suites, from
// the types that read them. Run it in the repository's root when those change; a
// test says when they have.
package main

import (
	"fmt"
	"os"

	"github.com/eksauth/eksauth/hack/schema/sources"
	"github.com/eksauth/eksauth/internal/jsonschema"
)

func main() {
	for file, source := range sources.All() {
		text, err := jsonschema.Generate(source)
		if err == nil {
			err = os.WriteFile(file, text, 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "schema:", err)
			os.Exit(1)
		}
	}
}
