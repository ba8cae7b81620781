package deploy_test

import (
	"debug/buildinfo"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/eksauth/eksauth/internal/require"
)

// The guide to the image, in a clone. The registry is one that takes nothing: that it
// is asked for shows that the command is right; hack/image has a whole one.
func TestTheGuideToTheImage(t *testing.T) {
	t.Parallel()
	git := require.Program(t, "git")
	require.Program(t, "make")
	dir := filepath.Join(t.TempDir(), "clone")
	if _, stderr, err := execute(t, os.Environ(), git, "clone", "--quiet", repository, dir); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	var asked atomic.Bool
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Store(true)
		http.Error(w, `{"errors": [{"code": "DENIED"}]}`, http.StatusForbidden)
	}))
	defer registry.Close()
	ran := 0
	for _, b := range readGuide(t, "image.md") {
		script := "cd " + dir + "\n" + strings.ReplaceAll(b.text, "registry.example.com", strings.TrimPrefix(registry.URL, "http://"))
		_, stderr, err := execute(t, append(os.Environ(), "PLATFORMS="+runtime.GOARCH, "MAKEFLAGS="), "sh", "-ec", script)
		switch {
		case b.how == "run: registry":
			if err == nil || !asked.Load() {
				t.Errorf("%s: %v %s", b.text, err, stderr)
			}
		case b.how != "run" || err != nil:
			t.Errorf("line %d: %v\n%s", b.line, err, stderr)
		}
		ran++
	}
	if ran != 3 {
		t.Errorf("%d commands", ran)
	}
	for _, name := range []string{"image/index.json", "image-linux-" + runtime.GOARCH + ".tar", "sbom/eksauthd-linux-" + runtime.GOARCH + ".cdx.json"} {
		if _, err := os.Stat(filepath.Join(dir, "bin", name)); err != nil {
			t.Error(err)
		}
	}
	billOfMaterials(t, filepath.Join(dir, "bin", "sbom", "eksauthd-linux-"+runtime.GOARCH+".cdx.json"), filepath.Join(dir, "bin", "linux-"+runtime.GOARCH, "eksauthd"))
}

// billOfMaterials compares a bill with what the Go tool recorded in the program.
func billOfMaterials(t *testing.T, file, program string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		BOMFormat, SpecVersion, SerialNumber string
		Metadata                             struct{ Timestamp string }
		Components                           []struct {
			Name, Version string
			Evidence      struct {
				Licenses []struct{ License struct{ ID string } }
			}
		}
	}
	if err := json.Unmarshal(data, &bill); err != nil {
		t.Fatal(err)
	}
	if bill.BOMFormat != "CycloneDX" || bill.SpecVersion != "1.6" || bill.SerialNumber != "" || bill.Metadata.Timestamp != "" {
		t.Errorf("%s %s, serial number %s, time %s", bill.BOMFormat, bill.SpecVersion, bill.SerialNumber, bill.Metadata.Timestamp)
	}
	listed := map[string]string{}
	for _, c := range bill.Components {
		listed[c.Name] = c.Version
		if l := c.Evidence.Licenses; c.Name != "std" && (len(l) == 0 || l[0].License.ID == "") {
			t.Errorf("%s has no licence", c.Name)
		}
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) < 50 || listed["std"] != strings.TrimPrefix(info.GoVersion, "go") && listed["std"] != info.GoVersion {
		t.Errorf("%d modules, Go %s", len(info.Deps), listed["std"])
	}
	for _, m := range info.Deps {
		if listed[m.Path] != m.Version {
			t.Errorf("%s %s is not listed: %s", m.Path, m.Version, listed[m.Path])
		}
	}
}
