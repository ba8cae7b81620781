package awslocal

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/sigv4"
)

func someEnvironment() Environment {
	return Environment{
		Endpoint:    "http://127.0.0.1:4566",
		Credentials: sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
		Region:      "us-east-1",
	}
}

// before is a shell that would use something else.
func before() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "AWS_PROFILE=prod", "AWS_SESSION_TOKEN=t", "AWS_ENDPOINT_URL_STS=https://x", "AWS_ENDPOINT_URL_S3=https://y",
		"AWS_ACCESS_KEY_ID=AKIAREAL", "AWS_USE_FIPS_ENDPOINT=true", "AWS_CA_BUNDLE=/ca", "KUBECONFIG=/mine", "AWS_SHARED_CREDENTIALS_FILE=/own", "OTHER=a=b",
	}
}

func TestSourcedFileSetsTheEnvironment(t *testing.T) {
	t.Parallel()
	nasty := someEnvironment()
	nasty.Kubeconfig = `/a b/it's "$HOME" \x` + "`date`\nkubeconfig"
	nasty.CredentialsFile = "/a b/'credentials'"
	nasty.IssuerCA = "/a b/ca.crt"
	session := someEnvironment()
	session.Credentials.SessionToken = "token/+="
	for name, e := range map[string]Environment{"plain": someEnvironment(), "nasty": nasty, "session": session} {
		dir := t.TempDir()
		if err := WriteEnv(dir, e); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, EnvFile)
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
		cmd := exec.Command("sh", "-euc", `. "$1"; exec env -0`, "sh", path)
		cmd.Env = before()
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		got := slices.DeleteFunc(strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), func(s string) bool {
			return strings.HasPrefix(s, "PWD=") || strings.HasPrefix(s, "_=") || strings.HasPrefix(s, "SHLVL=") ||
				s == "AWS_ENDPOINT_URL_S3=https://y" // a shell cannot unset what it does not know
		})
		want := e.Environ(before())
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the sourced environment is another than a child's: %s", name, diff)
		}
	}
}

func TestChildEnvironment(t *testing.T) {
	t.Parallel()
	base := before()
	e := someEnvironment()
	want := []string{
		base[0], "AWS_CA_BUNDLE=/ca", "KUBECONFIG=/mine", "AWS_SHARED_CREDENTIALS_FILE=/own", "OTHER=a=b",
		"AWS_ENDPOINT_URL=http://127.0.0.1:4566",
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
		"NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1",
	}
	if diff := cmp.Diff(want, e.Environ(base)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before(), base); diff != "" {
		t.Errorf("the given environment was changed: %s", diff)
	}
	e.Kubeconfig = "/theirs"
	if got := e.Environ(base); !slices.Contains(got, "KUBECONFIG=/theirs") || slices.Contains(got, "KUBECONFIG=/mine") {
		t.Errorf("with a kubeconfig: %v", got)
	}
}

// What the user exempts from the proxy stays exempt.
func TestChildEnvironmentKeepsNoProxy(t *testing.T) {
	t.Parallel()
	got := someEnvironment().Environ([]string{"NO_PROXY=example.com", "no_proxy="})
	for _, want := range []string{"NO_PROXY=example.com,127.0.0.1", "no_proxy=127.0.0.1"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s in %q", want, got)
		}
	}
}
