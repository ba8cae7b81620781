//go:build unix

package controlplane

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	l := layout{"/data"}
	plain := apiServerArgs(Config{}, l, 1234)
	for _, want := range []string{
		"--secure-port=1234",
		"--bind-address=127.0.0.1",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--client-ca-file=/data/pki/ca.crt",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-signing-key-file=/data/pki/service-account.key",
	} {
		if !slices.Contains(plain, want) {
			t.Errorf("no %s in %q", want, plain)
		}
	}
	for _, flag := range plain {
		if strings.Contains(flag, "webhook") || strings.Contains(flag, "audiences") {
			t.Errorf("%s, which nobody asked for", flag)
		}
	}

	full := apiServerArgs(Config{
		AuthenticatorKubeconfig: "/data/authenticator.kubeconfig",
		AuthenticatorCacheTTL:   1500 * time.Millisecond,
		APIAudiences:            []string{"https://issuer.example", "sts.amazonaws.com"},
		ServiceAccountIssuer:    "https://issuer.example",
	}, l, 1234)
	for _, want := range []string{
		"--authentication-token-webhook-config-file=/data/authenticator.kubeconfig",
		"--authentication-token-webhook-version=v1",
		"--authentication-token-webhook-cache-ttl=1.5s",
		"--api-audiences=https://issuer.example,sts.amazonaws.com",
		"--service-account-issuer=https://issuer.example",
	} {
		if !slices.Contains(full, want) {
			t.Errorf("no %s in %q", want, full)
		}
	}

	foreign := apiServerArgs(Config{
		ServiceAccountFlags: []string{"--service-account-issuer=https://other.example", "--service-account-key-file=/other.pem"},
		APIAudiences:        []string{"not-this"}, ServiceAccountIssuer: "https://not-this.example",
	}, l, 1234)
	var about []string
	for _, flag := range foreign {
		if strings.HasPrefix(flag, "--service-account-") || strings.HasPrefix(flag, "--api-audiences") {
			about = append(about, flag)
		}
	}
	if want := []string{"--service-account-issuer=https://other.example", "--service-account-key-file=/other.pem"}; !slices.Equal(about, want) {
		t.Errorf("%q, want only %q", about, want)
	}

	const noSync = "--unsafe-no-fsync"
	if slices.Contains(etcdArgs(Config{}, l), noSync) || !slices.Contains(etcdArgs(Config{NoSync: true}, l), noSync) {
		t.Errorf("%s does not follow NoSync", noSync)
	}
}

func TestPortIsKeptWhileItIsFree(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "port")
	port, err := choosePort(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := rememberPort(file, port); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		t.Fatalf("the chosen port is not free: %v", err)
	}
	if other, err := choosePort(file); err != nil || other == port {
		t.Errorf("port %d, error %v: that one is taken", other, err)
	}
	l.Close()
	if again, err := choosePort(file); err != nil || again != port {
		t.Errorf("port %d, error %v; want %d again", again, err, port)
	}
	for _, garbage := range []string{"", "-1", "0", "70000", "many", "\x00"} {
		if err := os.WriteFile(file, []byte(garbage), 0o600); err != nil {
			t.Fatal(err)
		}
		if port, err := choosePort(file); err != nil || port < 1 || port > 65535 {
			t.Errorf("file %q: port %d, error %v", garbage, port, err)
		}
	}
}

func TestFoldersAreClosedToOthers(t *testing.T) {
	t.Parallel()
	l := layout{filepath.Join(t.TempDir(), "data")}
	if err := os.MkdirAll(l.etcd(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := l.make(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{l.etcd(), l.pki(), l.logs()} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v, error %v", dir, info.Mode(), err)
		}
	}
}

func TestSummaryNamesWhatIsNotWell(t *testing.T) {
	t.Parallel()
	// What kube-apiserver v1.37 answers, shortened.
	const answer = "[+]ping ok\n[-]etcd failed: reason withheld\n[+]poststarthook/start-apiserver-admission-initializer ok\n[-]poststarthook/rbac/bootstrap-roles failed: reason withheld\nreadyz check failed\n"
	for answer, want := range map[string]string{
		answer:      "500 Internal Server Error, not yet well: etcd, poststarthook/rbac/bootstrap-roles",
		"":          "500 Internal Server Error",
		"forbidden": "500 Internal Server Error",
	} {
		if got := summary(answer, "500 Internal Server Error"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
