package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/eksauth/eksauth/internal/controlplane"
	"github.com/eksauth/eksauth/internal/require"
)

// apiServer is the path of kube-apiserver.
var apiServer = sync.OnceValues(func() (string, error) {
	binaries, err := controlplane.FindBinaries(controlplane.BinaryDirs(os.Getenv, filepath.Join(repository, "bin", "eksauth"))...)
	return binaries.APIServer, err
})

// apiServerHas fails the test for each name that is no flag of kube-apiserver's.
func apiServerHas(t *testing.T, names ...string) {
	t.Helper()
	program, err := apiServer()
	require.Found(t, "controlplane", err)
	help, _, err := execute(t, []string{"HOME=" + t.TempDir()}, program, "--help")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Error("no flags of kube-apiserver's were found")
	}
	for _, name := range names {
		if !strings.Contains(help, " --"+name+" ") {
			t.Errorf("kube-apiserver has no flag --%s", name)
		}
	}
}

var command = regexp.MustCompile(`(?m)^\s*(eksauthd?) ([^|<>&\n]*)`)

// commandsExist checks the commands of our two programs in blocks that cannot be run
// here: each must be one that there is, with flags that it has.
func commandsExist(t *testing.T, name string, blocks ...block) {
	t.Helper()
	for _, b := range blocks {
		for _, m := range command.FindAllStringSubmatch(strings.ReplaceAll(b.text, "\\\n", " "), -1) {
			script := "exec " + m[1] + " " + strings.TrimSpace(m[2]) + " --help"
			stdout, stderr, err := execute(t, []string{"HOME=" + t.TempDir(), "PATH=" + built + ":" + os.Getenv("PATH"), "ISSUER=x", "ACCOUNT=x"}, "sh", "-c", script)
			sub := strings.Fields(m[2])[0]
			if err != nil || !strings.Contains(stdout, m[1]+" "+sub) {
				t.Errorf("%s line %d: %s: %v %s", name, b.line, script, err, stderr)
			}
		}
	}
}
