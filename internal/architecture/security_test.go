package architecture_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/security.md names the tests that hold each promise: each promise must have
// one at least, and all must be there.
func TestSecurityPromisesHaveTheirTests(t *testing.T) {
	doc, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsInTheCode(t)
	promises := promisesIn(string(doc))
	if len(promises) < 30 {
		t.Fatalf("docs/security.md makes %d promises; is its table still there?", len(promises))
	}
	for _, p := range promises {
		if len(p.tests) == 0 {
			t.Errorf("docs/security.md names no test of: %s", p.text)
		}
		for _, name := range p.tests {
			if !tests[name] {
				t.Errorf("docs/security.md names %s, and there is no such test", name)
			}
		}
	}
}

type promise struct {
	text  string
	tests []string
}

var testName = regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")

// promisesIn reads the rows of the table of four columns: the last has the tests.
func promisesIn(doc string) (list []promise) {
	for line := range strings.Lines(doc) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || strings.HasPrefix(cells[0], "---") || strings.TrimSpace(cells[3]) == "held by" {
			continue
		}
		p := promise{text: strings.TrimSpace(cells[2])}
		for _, found := range testName.FindAllStringSubmatch(cells[3], -1) {
			p.tests = append(p.tests, found[1])
		}
		list = append(list, p)
	}
	return list
}

// testsInTheCode are the names of all test and fuzz functions, also of the modules in hack.
func testsInTheCode(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "bin" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".."):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// The test above must be able to fail.
func TestPromisesIn(t *testing.T) {
	list := promisesIn("| who | may try | what stops them | held by |\n|---|---|---|---|\n| a | b | c | `TestX`, `FuzzY` |\n| | d | e | nothing |\n")
	if len(list) != 2 || len(list[0].tests) != 2 || list[0].tests[1] != "FuzzY" || list[1].text != "e" || len(list[1].tests) != 0 {
		t.Errorf("%+v", list)
	}
	if names := testsInTheCode(t); !names["TestPromisesIn"] || names["TestNobodyWroteThis"] {
		t.Error("the tests in the code are not found")
	}
}
