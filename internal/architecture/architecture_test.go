package architecture_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/eksauth/eksauth/"

// row is a line of the table of packages.
type row struct {
	allowed []string // import paths, or prefixes of them; nil: any
	denied  []string
}

// table reads docs/architecture.md: "| `package` | … | may import |".
func table(t *testing.T) map[string]row {
	t.Helper()
	doc, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]row{}
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		name := strings.Trim(strings.TrimSpace(cells[1]), "`")
		rows[name] = parseRow(cells[3])
	}
	if len(rows) < 10 {
		t.Fatalf("the table in docs/architecture.md has %d rows; is it still there?", len(rows))
	}
	return rows
}

func parseRow(cell string) row {
	r := row{allowed: []string{}}
	cell = strings.TrimSpace(cell)
	if strings.HasPrefix(cell, "any") {
		r.allowed = nil
		if strings.Contains(cell, "neither `kube` nor `tokenreview`") {
			r.denied = []string{module + "kube", module + "tokenreview", "k8s.io/client-go", "github.com/prometheus"}
		}
		return r
	}
	for item := range strings.SplitSeq(cell, ",") {
		item = strings.TrimSpace(item)
		if name, ok := strings.CutPrefix(item, "`"); ok {
			item = module + strings.TrimSuffix(name, "`")
		}
		if item != "–" {
			r.allowed = append(r.allowed, item)
		}
	}
	return r
}

type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports,Deps"}, args...)...)
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func under(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
}

func TestImportsFollowTheTable(t *testing.T) {
	rows := table(t)
	standard := map[string]bool{}
	for _, p := range list(t, "std") {
		standard[p.ImportPath] = true
	}
	seen := map[string]bool{}
	for _, p := range list(t, "./...") {
		name := strings.TrimPrefix(p.ImportPath, module)
		if strings.HasPrefix(name, "hack/") || strings.HasPrefix(name, "test/") {
			continue // programs and tests beside the product
		}
		r, ok := rows[name]
		if !ok && isTestOnly(name) {
			continue
		}
		if !ok {
			t.Errorf("package %s is not in the table of docs/architecture.md", name)
			continue
		}
		seen[name] = true
		for _, imp := range p.Imports {
			if !standard[imp] && r.allowed != nil && !under(imp, r.allowed) {
				t.Errorf("%s imports %s, which its row does not allow", name, imp)
			}
		}
		for _, dep := range p.Deps {
			if under(dep, r.denied) {
				t.Errorf("%s links %s, which its row forbids", name, dep)
			}
		}
	}
	for name := range rows {
		if !seen[name] {
			t.Errorf("the table names the package %s, which does not exist", name)
		}
	}
}

// isTestOnly: packages without code that is built into a program.
func isTestOnly(name string) bool {
	return name == "internal/architecture" || name == "internal/require" || name == "internal/logtest" || name == "internal/leaktest"
}

// The test above must be able to fail.
func TestParseRow(t *testing.T) {
	r := parseRow(" `arn`, k8s.io/api ")
	if !under(module+"arn", r.allowed) || !under("k8s.io/api/core/v1", r.allowed) || under(module+"sts", r.allowed) || under("k8s.io/apimachinery", r.allowed) {
		t.Errorf("%+v", r)
	}
	for _, dep := range []string{"kube", "tokenreview"} {
		if r := table(t)["cmd/eksauth"]; !under(module+dep, r.denied) || !under("k8s.io/client-go/rest", r.denied) {
			t.Errorf("the row of cmd/eksauth does not forbid %s and client-go any more: %+v", dep, r)
		}
	}
	if r := parseRow(" – "); r.allowed == nil || under(module+"arn", r.allowed) {
		t.Errorf("%+v", r)
	}
}
