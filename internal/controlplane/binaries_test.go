//go:build unix

package controlplane

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBinaryDirs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		assets string
		want   []string
	}{
		{"", []string{"/opt/eksauth/bin/k8s"}},
		{"/usr/local/kubebuilder/bin", []string{"/usr/local/kubebuilder/bin", "/opt/eksauth/bin/k8s"}},
	} {
		getenv := func(name string) string { return map[string]string{"KUBEBUILDER_ASSETS": tc.assets}[name] }
		if diff := cmp.Diff(tc.want, BinaryDirs(getenv, "/opt/eksauth/bin/eksauth")); diff != "" {
			t.Error(diff)
		}
	}
}

func TestFindBinaries(t *testing.T) {
	root := t.TempDir()
	program := func(dir, name string, mode os.FileMode) string {
		path := filepath.Join(root, dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first, second, path := filepath.Join(root, "first"), filepath.Join(root, "second"), filepath.Join(root, "path")
	etcd := program("first", "etcd", 0o755)
	program("second", "etcd", 0o755)
	program("first", "kube-apiserver", 0o644) // not executable
	apiServer := program("second", "kube-apiserver", 0o755)
	kubectl := program("path", "kubectl", 0o755)
	t.Setenv("PATH", path)

	t.Run("in their order, then on PATH", func(t *testing.T) {
		got, err := FindBinaries(first, "", second)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Binaries{Etcd: etcd, APIServer: apiServer, Kubectl: kubectl}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("relative folders give absolute paths", func(t *testing.T) {
		t.Chdir(root)
		got, err := FindBinaries("first", "second")
		if err != nil || got.Etcd != etcd {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("what is missing is named", func(t *testing.T) {
		_, err := FindBinaries(first)
		var missing *MissingError
		if !errors.As(err, &missing) {
			t.Fatalf("error %v, want a *MissingError", err)
		}
		if want := "no kube-apiserver in " + first + ", PATH"; err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
		if !strings.Contains(missing.Hint, "make controlplane") || !strings.Contains(missing.Hint, "KUBEBUILDER_ASSETS") {
			t.Errorf("hint %q", missing.Hint)
		}
	})
	t.Run("all that is missing is named at once", func(t *testing.T) {
		t.Setenv("PATH", "")
		_, err := FindBinaries()
		if err == nil || err.Error() != "no etcd, no kube-apiserver, no kubectl in PATH" {
			t.Errorf("error %v", err)
		}
	})
}
