package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is a part of a guide that is set as code, with what stands above it in a
// comment: how the test deals with it.
type block struct {
	how, language, text string
	line                int
}

var fence = regexp.MustCompile("(?ms)^(?:<!-- ([^>]*) -->\n)?```([a-z]*)\n(.*?)^```$")

func readGuide(t *testing.T, name string) []block {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "docs", "guides", name))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	for _, m := range fence.FindAllSubmatchIndex(text, -1) {
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return string(text[m[2*i]:m[2*i+1]])
		}
		blocks = append(blocks, block{part(1), part(2), part(3), strings.Count(string(text[:m[0]]), "\n") + 1})
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no code", name)
	}
	return blocks
}

// reader follows a guide: a shell in one folder, with the programs and the manifests.
type reader struct {
	t    *testing.T
	name string
	home string
	env  map[string]string
}

func newReader(t *testing.T, name string) *reader {
	t.Helper()
	home := t.TempDir()
	tools, err := filepath.Abs(repository + "/bin")
	if err != nil {
		t.Fatal(err)
	}
	path := []string{built, tools, filepath.Join(tools, "k8s"), os.Getenv("KUBEBUILDER_ASSETS"), os.Getenv("PATH")}
	r := &reader{t, name, home, map[string]string{"HOME": home, "PATH": strings.Join(path, string(os.PathListSeparator)), "PYENV_ROOT": os.Getenv("PYENV_ROOT")}}
	if err := os.CopyFS(filepath.Join(home, "deploy"), os.DirFS(repository+"/deploy")); err != nil {
		t.Fatal(err)
	}
	return r
}

// on makes a cluster the one that kubectl and helm speak to.
func (r *reader) on(c *cluster) { r.env["KUBECONFIG"] = c.plane.AdminKubeconfig() }

func (r *reader) try(script string) (stdout, stderr string, err error) {
	r.t.Helper()
	var env []string
	for name, value := range r.env {
		env = append(env, name+"="+value)
	}
	return execute(r.t, env, "sh", "-ec", "cd "+r.home+"\n"+script)
}

func (r *reader) run(b block) string {
	r.t.Helper()
	stdout, stderr, err := r.try(b.text)
	if err != nil {
		r.t.Fatalf("%s line %d: %v\n%s\n%s%s", r.name, b.line, err, b.text, stdout, stderr)
	}
	return stdout
}

// refused runs what the guide says is refused, with these words.
func (r *reader) refused(b block, words string) {
	r.t.Helper()
	if _, stderr, err := r.try(b.text); err == nil || !strings.Contains(stderr, words) {
		r.t.Errorf("%s line %d: %v\n%s\n%s", r.name, b.line, err, b.text, stderr)
	}
}

func TestTheGuideToInstallation(t *testing.T) {
	t.Parallel()
	r := newReader(t, "install.md")
	helm(t, "version") // or there is nothing to test
	first := startCluster(t)
	r.on(first)
	ran := 0
	for _, b := range readGuide(t, r.name) {
		how, what, _ := strings.Cut(b.how, ": ")
		switch {
		case how == "refused":
			r.refused(b, what)
		case b.how == "run: another cluster":
			r.on(startCluster(t))
			r.run(b)
			r.on(first)
		case how == "run":
			r.run(b)
		case b.language == "sh":
			t.Errorf("%s line %d is not run", r.name, b.line)
		default:
			continue
		}
		ran++
	}
	if ran != 7 {
		t.Errorf("%d commands ran", ran)
	}
}

// The guide to upgrades, from a chart that is installed with all parts.
func TestTheGuideToUpgrades(t *testing.T) {
	t.Parallel()
	r := newReader(t, "upgrading.md")
	helm(t, "version")
	c := startCluster(t)
	r.on(c)
	c.helm(append([]string{"install", "--create-namespace", "eksauthd", chart}, everything...)...)
	image := func() string {
		return c.must("", "get", "-n", "eksauth", "deployment/pod-identity-webhook", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	}
	ran := 0
	for _, b := range readGuide(t, r.name) {
		switch b.how {
		case "run":
			before := image()
			out := r.run(b)
			if upgrades := strings.Contains(b.text, "--set image.tag=v2"); upgrades != (before == "eksauthd:latest" && image() == "eksauthd:v2") {
				t.Errorf("line %d: the image was %s and is %s", b.line, before, image())
			}
			if strings.Contains(b.text, "rollback") && (image() != "eksauthd:latest" || !strings.Contains(out, "Rollback to 1")) {
				t.Errorf("%s after the rollback: %s", image(), out)
			}
			ran++
		case "yours":
			commandsExist(t, r.name, b)
		default:
			t.Errorf("line %d is not looked at", b.line)
		}
	}
	if ran != 3 {
		t.Errorf("%d blocks ran", ran)
	}
	// The values of the first installation are still in force.
	if got := c.must("", "get", "validatingwebhookconfiguration", "eksauth-guard", "-o", "name"); got == "" {
		t.Error("the guard is gone")
	}
}
