package main

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/eksauth/eksauth/awslocal"
)

// The YAML of the script is what a world file takes.
func TestConvertedEntriesAreAWorlds(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("testdata/script/map_convert.txtar")
	if err != nil {
		t.Fatal(err)
	}
	world, found := "accounts:\n  - id: \"111122223333\"\n    clusters:\n      - name: dev\n        region: us-east-1\n        authenticationMode: API\n", false
	for _, f := range archive.Files {
		if f.Name == "entries.yaml" {
			found = true
			world += "        " + strings.ReplaceAll(strings.TrimSpace(string(f.Data)), "\n", "\n        ") + "\n"
		}
	}
	w, err := awslocal.ParseWorld("world.yaml", []byte(world))
	if err != nil || !found || len(w.Accounts[0].Clusters[0].AccessEntries) != 3 {
		t.Errorf("%v\n%s", err, world)
	}
}
