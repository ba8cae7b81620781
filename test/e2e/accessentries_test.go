package e2e_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/require"
)

// Access entries, made with the unmodified aws CLI, let people in and give them
// what EKS's access policies give; the cluster's authentication mode is obeyed.
func TestAccessEntries(t *testing.T) {
	t.Parallel()
	require.Program(t, "aws")
	findBinaries(t)
	s, err := start(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	c := s.client(t)
	const charles = "arn:aws:iam::" + account + ":user/charles.babbage"
	asAdministrator := func(args ...string) string {
		t.Helper()
		// Keys in the environment win over a profile.
		return c.must(append([]string{"env", "-u", "AWS_ACCESS_KEY_ID", "-u", "AWS_SECRET_ACCESS_KEY", "aws", "--profile", "administrator", "--output", "json", "eks"}, args...)...)
	}
	as := func(who string, args ...string) result {
		return c.run(append([]string{"kubectl", "--context", who + "@dev"}, args...)...)
	}
	may := func(who string, args ...string) bool {
		r := as(who, append([]string{"auth", "can-i"}, args...)...)
		return r.err == nil && strings.TrimSpace(r.stdout) == "yes"
	}
	const soon = 20 * time.Second
	c.admin("create", "namespace", "shop")
	c.admin("create", "namespace", "other")

	if r := as("charles.babbage", "auth", "whoami"); r.err == nil {
		t.Fatalf("charles is in before anybody lets him: %s", r.stdout)
	}
	asAdministrator("update-cluster-config", "--name", "dev", "--access-config", "authenticationMode=API_AND_CONFIG_MAP")
	asAdministrator("create-access-entry", "--cluster-name", "dev", "--principal-arn", charles, "--kubernetes-groups", "engineers")
	eventually(t, soon, "charles signs in", func() bool { return as("charles.babbage", "auth", "whoami").err == nil })
	if who := c.whoami("--context", "charles.babbage@dev"); who.Username != charles || !slices.Contains(who.Groups, "engineers") {
		t.Errorf("signed in as %+v", who)
	}
	if may("charles.babbage", "list", "pods", "-n", "shop") {
		t.Error("charles may list pods without an access policy")
	}

	view := "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
	asAdministrator("associate-access-policy", "--cluster-name", "dev", "--principal-arn", charles, "--policy-arn", view, "--access-scope", "type=namespace,namespaces=sh*")
	eventually(t, soon, "charles may list pods in shop", func() bool { return may("charles.babbage", "list", "pods", "-n", "shop") })
	for _, tc := range []struct {
		args string
		want bool
	}{{"list pods -n other", false}, {"create pods -n shop", false}, {"get secrets -n shop", false}, {"list pods -A", false}} {
		if got := may("charles.babbage", strings.Fields(tc.args)...); got != tc.want {
			t.Errorf("charles may %s: %v", tc.args, got)
		}
	}
	asAdministrator("disassociate-access-policy", "--cluster-name", "dev", "--principal-arn", charles, "--policy-arn", view)
	eventually(t, soon, "charles may no longer", func() bool { return !may("charles.babbage", "list", "pods", "-n", "shop") })
	asAdministrator("associate-access-policy", "--cluster-name", "dev", "--principal-arn", charles, "--policy-arn",
		"arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy", "--access-scope", "type=cluster")
	eventually(t, soon, "charles is the cluster's administrator", func() bool { return may("charles.babbage", "*", "*", "-A") })

	// An entry wins over aws-auth for the same principal.
	mustBeAda(t, c.whoami("--context", "ada.lovelace@dev"))
	asAdministrator("create-access-entry", "--cluster-name", "dev", "--principal-arn", userARN, "--username", "countess")
	eventually(t, soon, "the entry wins", func() bool { return c.whoami("--context", "ada.lovelace@dev").Username == "countess" })
	asAdministrator("delete-access-entry", "--cluster-name", "dev", "--principal-arn", userARN)
	eventually(t, soon, "aws-auth is back", func() bool {
		r := as("ada.lovelace", "auth", "whoami", "-o", "json")
		return r.err == nil && parseWhoami(t, r.stdout).Username == "ada.lovelace"
	})

	// In the mode API nobody reads aws-auth.
	asAdministrator("update-cluster-config", "--name", "dev", "--access-config", "authenticationMode=API")
	eventually(t, soon, "aws-auth counts no more", func() bool { return as("ada.lovelace", "auth", "whoami").err != nil })
	if r := as("charles.babbage", "auth", "whoami"); r.err != nil {
		t.Errorf("charles: %s", r.stderr)
	}

	// The doctor sees what EKS has, by the credentials of whoever asks.
	doctor := s.client(t).as("administrator")
	doctor.env["KUBECONFIG"] = filepath.Join(s.dir, "controlplane", "admin.kubeconfig")
	if d := diagnose(t, doctor, "user", "--cluster-name", "dev", charles); len(d.causes) > 0 || !strings.Contains(d.text, "AmazonEKSClusterAdminPolicy everywhere") || !strings.Contains(d.text, "in groups engineers, ") {
		t.Errorf("charles: %s", d.text)
	}
	d := diagnose(t, doctor, "user", "--cluster-name", "dev", userARN)
	if len(d.causes) != 1 || d.causes[0] != "mapping" || !strings.Contains(d.text, "authentication mode is API, and there is no access entry for it") {
		t.Fatalf("ada: %s", d.text)
	}
	doctor.must("bash", "-euc", filledIn(d.fix))
	eventually(t, soon, "ada is let in by the doctor's advice", func() bool { return as("ada.lovelace", "auth", "whoami").err == nil })
	nobody := s.client(t).as("charles.babbage")
	nobody.env["KUBECONFIG"] = doctor.env["KUBECONFIG"]
	if d := diagnose(t, nobody, "user", "--cluster-name", "dev", userARN); !strings.Contains(d.text, "could not check the cluster's access entries, because EKS refuses: AccessDeniedException") {
		t.Errorf("without rights: %s", d.text)
	}
	// Nor does it take an authenticator's own file for nothing.
	config := filepath.Join(doctor.home, "config.yaml")
	if err := os.WriteFile(config, []byte("clusterID: dev\nserver:\n  mapUsers:\n  - {userARN: arn:aws:iam::"+account+":user/grace, username: grace}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	grace := "arn:aws:iam::" + account + ":user/grace"
	if d := diagnose(t, doctor, "user", "--config", config, grace); len(d.causes) != 1 || !strings.Contains(d.text, "there is no such user in account") {
		t.Errorf("nobody has made grace: %s", d.text)
	}
	if d := diagnose(t, doctor, "user", "--no-aws", "--config", config, grace); len(d.causes) > 0 || !strings.Contains(d.text, "signs in as grace") {
		t.Errorf("mapped by the file: %s", d.text)
	}
}
