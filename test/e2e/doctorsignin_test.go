package e2e_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/token"
)

// The way in: kubectl shows what the user sees, the doctor names the cause, and its
// fix, pasted into a shell, lets her in again.
func TestDoctorSignIn(t *testing.T) {
	s := theSystem(t)
	const entry = "- userarn: " + userARN + "\n  username: ada.lovelace\n  groups: [awesome-app-admin]\n"
	for _, f := range []struct {
		name, mapUsers string
		says           string
	}{
		{"nobody mapped her", "- userarn: arn:aws:iam::" + account + ":user/charles.babbage\n  username: charles\n", "no mapping is for this principal"},
		{"another account", strings.Replace(entry, account, "444455556666", 1), "the account is another"},
		{"another path", strings.Replace(entry, "user/", "user/staff/", 1), "the path is another"},
		{"pinned to another id", entry + "  userid: AIDAANOTHER\n", "it is pinned to the user id"},
		{"a role of her name", strings.Replace(entry, ":user/", ":role/", 1), "that is a role, this is a user"},
	} {
		t.Run(f.name, func(t *testing.T) {
			c := s.client(t)
			restoreAWSAuth(t, c)
			c.admin("delete", "configmap", "-n", "kube-system", "aws-auth")
			c.admin("create", "configmap", "-n", "kube-system", "aws-auth", "--from-literal=mapUsers="+f.mapUsers)
			eventually(t, 5*time.Second, "she is refused", func() bool {
				r := c.run("kubectl", "auth", "whoami")
				return r.err != nil && strings.Contains(r.stderr, "Unauthorized")
			})
			doctor := s.client(t)
			doctor.env["KUBECONFIG"] = filepath.Join(s.dir, "controlplane", "admin.kubeconfig")
			report := diagnose(t, doctor, "user", userARN)
			if !strings.Contains(report.text, f.says) || len(report.fix) == 0 {
				t.Fatalf("%s", report.text)
			}
			doctor.must("bash", "-euc", filledIn(report.fix))
			eventually(t, 5*time.Second, "she is let in again", func() bool { return c.run("kubectl", "auth", "whoami").err == nil })
			left := c.admin("get", "configmap", "-n", "kube-system", "aws-auth", "-o", "jsonpath={.data.mapUsers}")
			if f.name != "nobody mapped her" && !strings.Contains(left, "awesome-app-admin") || strings.Contains(left, "GROUP") || strings.Contains(left, "user/staff/") {
				t.Errorf("the fix leads to\n%s", left)
			}
		})
	}
}

// filledIn is a fix as somebody runs it who knows the group that it leaves open, which is
// in a line that does not run as it is.
func filledIn(fix []string) string {
	text := strings.Join(fix, "\n")
	for _, begin := range []string{"eksauth map add ", "aws eks create-access-entry "} {
		text = strings.ReplaceAll(text, "# "+begin, begin)
	}
	return strings.ReplaceAll(text, " GROUP", " engineers")
}

// diagnosis is what the doctor says of a sign-in.
type diagnosis struct {
	causes []string // ids
	fix    []string
	text   string // all of it
}

func diagnose(t *testing.T, c *client, args ...string) diagnosis {
	t.Helper()
	r := c.run(append(append([]string{"eksauth", "doctor"}, args...), "-o", "json")...)
	var report struct {
		Checks []struct {
			ID, Status string
			Fix        []string
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		t.Fatalf("%v\n%s%s", err, r.stdout, r.stderr)
	}
	d := diagnosis{text: r.stdout}
	for _, check := range report.Checks {
		if check.Status == "bad" {
			d.causes, d.fix = append(d.causes, check.ID), append(d.fix, check.Fix...)
		}
	}
	if (r.err != nil) != (len(d.causes) > 0) {
		t.Errorf("%v with the causes %v", r.err, d.causes)
	}
	return d
}

func TestDoctorToken(t *testing.T) {
	s := theSystem(t)
	c := s.client(t)
	kubectl := func(cluster string) string { return tokenOf(t, c.must("eksauth", "token", "--cluster-name", cluster)) }
	doctor := s.client(t)
	doctor.env["KUBECONFIG"] = filepath.Join(s.dir, "controlplane", "admin.kubeconfig")
	good := kubectl("dev")
	d := diagnose(t, doctor, "token", "-i", "dev", good)
	for _, want := range []string{"STS says that " + userARN + " made it", "signs in as ada.lovelace in groups awesome-app-admin", "pods in default"} {
		if !strings.Contains(d.text, want) {
			t.Errorf("no %q in %s", want, d.text)
		}
	}
	if len(d.causes) > 0 || strings.Contains(d.text, good[20:60]) {
		t.Errorf("a false alarm, or the token itself: %s", d.text)
	}
	unmapped := s.client(t)
	unmapped.env["AWS_PROFILE"] = "charles.babbage"
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		delete(unmapped.env, name)
	}
	for name, f := range map[string]struct{ token, cause, says string }{
		"another cluster": {kubectl("staging"), "token", "the token is refused: signature"},
		"altered":         {strings.Replace(good, good[len(good)-20:len(good)-10], "AAAAAAAAAA", 1), "token", "the token is refused: "},
		"a JWT":           {strings.TrimSpace(c.admin("create", "token", "default")), "token", "that is no EKS token"},
		"not a token":     {"hello", "token", "the token is refused: malformed"},
		"not mapped":      {tokenOf(t, unmapped.must("eksauth", "token", "--cluster-name", "dev")), "mapping", "no mapping is for this principal"},
	} {
		d := diagnose(t, doctor, "token", "-i", "dev", f.token)
		if len(d.causes) != 1 || d.causes[0] != f.cause || !strings.Contains(d.text, f.says) {
			t.Errorf("%s: %v %s", name, d.causes, d.text)
		}
		if f.cause != "token" {
			continue
		}
		// What is printed, pasted as it is, prints a token that lets her in.
		said := c.run("bash", "-c", strings.Join(d.fix, "\n")).stdout
		_, made, _ := strings.Cut("\n"+said, "\n"+token.Prefix)
		made, _, _ = strings.Cut(made, "\n")
		if d := diagnose(t, doctor, "token", "-i", "dev", token.Prefix+made); len(d.causes) > 0 {
			t.Errorf("%s: after %q: %s", name, d.fix, d.text)
		}
	}
}
