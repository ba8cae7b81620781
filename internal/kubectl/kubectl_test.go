package kubectl

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stub is a program in kubectl's place that runs a shell script.
func stub(t *testing.T, script string) Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubectl")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return Client{Path: path, Kubeconfig: "k c", Context: "dev"}
}

func TestArguments(t *testing.T) {
	got, err := stub(t, `printf '[%s]' "$@"`).Get(t.Context(), "configmap", "kube-system", "aws-auth")
	want := "[--kubeconfig=k c][--context=dev][--namespace=kube-system][get][configmap][--output=json][--][aws-auth]"
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

// The forms in which kubectl writes what the API server or client-go said; the
// tests of cmd/eksauth have a real API server and kubectl write some of them.
func TestReasons(t *testing.T) {
	for stderr, want := range map[string]Reason{
		`Error from server (NotFound): configmaps "aws-auth" not found`:                                                         NotFound,
		`Error from server (Forbidden): configmaps "aws-auth" is forbidden: User "ada" cannot get`:                              Forbidden,
		`Error from server (Conflict): error when replacing "STDIN": Operation cannot be fulfilled on configmaps "aws-auth"`:    Conflict,
		`Error from server (AlreadyExists): error when creating "STDIN": configmaps "a" already exists`:                         AlreadyExists,
		`error: You must be logged in to the server (Unauthorized)`:                                                             Unauthorized,
		"E1126 memcache.go:265\nThe connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?": Unreachable,
		`error: context "nope" does not exist`:                                                                                  Failed,
		``:                                                                                                                      Failed,
	} {
		_, err := stub(t, "cat >&2 <<'END'\n"+stderr+"\nEND\nexit 1").Get(t.Context(), "configmap", "kube-system", "aws-auth")
		var e *Error
		if !errors.As(err, &e) || e.Reason != want || !Is(err, want) || e.Message == "" {
			t.Errorf("%q: %#v", stderr, err)
		}
		lines := strings.Split(stderr, "\n")
		if last := lines[len(lines)-1]; !strings.Contains(err.Error(), last) {
			t.Errorf("%q does not carry %q", err, last)
		}
	}
}

func TestMissing(t *testing.T) {
	_, err := Client{Path: filepath.Join(t.TempDir(), "kubectl")}.Get(t.Context(), "configmap", "", "a")
	var e *Error
	if !errors.As(err, &e) || e.Reason != Missing || !strings.Contains(e.Hint(), "install kubectl") {
		t.Errorf("%#v", err)
	}
}

func TestOutputIsBounded(t *testing.T) {
	_, err := stub(t, "head -c 17000000 /dev/zero").Get(t.Context(), "configmap", "", "a")
	if err == nil || !strings.Contains(err.Error(), "more than 16777216 bytes") {
		t.Error(err)
	}
}

func TestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	started := filepath.Join(t.TempDir(), "started")
	go func() {
		for {
			if _, err := os.Stat(started); err == nil {
				cancel(why)
				return
			}
		}
	}()
	if _, err := stub(t, "touch "+started+"; exec sleep 600").Get(ctx, "configmap", "", "a"); !errors.Is(err, why) {
		t.Error(err)
	}
}
