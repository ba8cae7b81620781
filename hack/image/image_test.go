package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// eksauthd builds the program from a clone of its own, as somebody else would.
func eksauthd(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "eksauthd")
	command(t, "git", "clone", "--quiet", "../..", filepath.Join(dir, "clone"))
	cmd := exec.Command("go", "build", "-C", filepath.Join(dir, "clone"), "-trimpath", "-buildvcs=auto", "-ldflags", "-s -w", "-o", program, "./cmd/eksauthd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

func command(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// image builds it and returns the digest that is printed.
func image(t *testing.T, program string, more ...string) (dir, digest string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "image")
	var out bytes.Buffer
	if err := run(append(more, "--out", dir, program), &out); err != nil {
		t.Fatal(err)
	}
	return dir, strings.TrimSpace(out.String())
}

// Two people who build the same commit have the same image.
func TestSameInputsSameDigest(t *testing.T) {
	mine, yours := eksauthd(t), eksauthd(t)
	dir, first := image(t, mine)
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	if err := os.Chmod(yours, 0o700); err != nil {
		t.Fatal(err)
	}
	other, second := image(t, yours)
	if first != second || !strings.HasPrefix(first, "sha256:") {
		t.Errorf("%s and %s", first, second)
	}
	for _, file := range []string{"image/index.json", "image-linux-" + platform(t, dir).Architecture + ".tar"} {
		a, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(filepath.Dir(other), file)); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is another: %v", file, err)
		}
	}
	// Another user, and another program, is another image.
	dirOfUser, ofUser := image(t, mine, "--user", "10000:10000")
	if i, _ := only(t, dirOfUser); ofUser == first {
		t.Error("the digest does not depend on the user")
	} else if config, err := i.ConfigFile(); err != nil || config.Config.User != "10000:10000" {
		t.Errorf("%+v, %v", config, err)
	}
	data, err := os.ReadFile(mine)
	if err == nil {
		err = os.WriteFile(mine, append(data, 0), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, third := image(t, mine); third == first {
		t.Error("the digest does not depend on the program")
	}

	// A layout is replaced, and nothing else.
	var again bytes.Buffer
	if err := run([]string{"--out", dir, yours}, &again); err != nil || strings.TrimSpace(again.String()) != first {
		t.Errorf("again: %v %s", err, &again)
	}
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "letter"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"--out", home, yours}, io.Discard); err == nil || !strings.Contains(err.Error(), "something else") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(home, "letter")); err != nil {
		t.Error(err)
	}

	t.Run("contents", func(t *testing.T) { contents(t, dir, yours) })
	t.Run("runs", func(t *testing.T) { runs(t, dir) })
	t.Run("is pushed", func(t *testing.T) { pushed(t, dir, first) })
}

func only(t *testing.T, dir string) (v1.Image, v1.Descriptor) {
	t.Helper()
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("%+v, %v", manifest, err)
	}
	image, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return image, manifest.Manifests[0]
}

func platform(t *testing.T, dir string) *v1.Platform {
	t.Helper()
	_, d := only(t, dir)
	return d.Platform
}

// unpack returns the files of an image and the headers of all that is in it.
func unpack(t *testing.T, image v1.Image) (map[string][]byte, []*tar.Header) {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	files, headers := map[string][]byte{}, []*tar.Header(nil)
	for _, l := range layers {
		in, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for r := tar.NewReader(in); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			headers = append(headers, h)
			if h.Typeflag == tar.TypeReg {
				if files[h.Name], err = io.ReadAll(r); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return files, headers
}

func contents(t *testing.T, dir, program string) {
	image, descriptor := only(t, dir)
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c := config.Config
	if c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/eksauthd"}) || len(c.Cmd) != 0 || config.OS != "linux" || descriptor.Platform.OS != "linux" {
		t.Errorf("%+v", config)
	}
	head := command(t, "git", "rev-parse", "HEAD")
	if l := c.Labels; l["org.opencontainers.image.revision"] != head || l["org.opencontainers.image.created"] != config.Created.Format("2006-01-02T15:04:05Z07:00") ||
		config.Created.Unix() == 0 || l["org.opencontainers.image.version"] == "" || l["org.opencontainers.image.licenses"] != "Apache-2.0" {
		t.Errorf("%v, created %v", c.Labels, config.Created)
	}
	files, headers := unpack(t, image)
	if len(files) != 2 || len(headers) != 5 {
		t.Errorf("%d files, %d entries", len(files), len(headers))
	}
	want, err := os.ReadFile(program)
	if err != nil || !bytes.Equal(files["eksauthd"], want) {
		t.Errorf("it has another program: %v", err)
	}
	for _, h := range headers {
		if h.Uid != 0 || h.Gid != 0 || h.Mode&0o022 != 0 || h.ModTime.Unix() != 0 {
			t.Errorf("%+v", h)
		}
	}
	pool, count := x509.NewCertPool(), 0
	for rest := files["etc/ssl/certs/ca-certificates.crt"]; ; count++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !cert.IsCA {
			t.Errorf("%v: %v", cert, err)
		}
		pool.AddCert(cert)
	}
	if text := string(files["etc/ssl/certs/ca-certificates.crt"]); count < 80 || pool.Equal(x509.NewCertPool()) || !strings.HasPrefix(text, "-----BEGIN CERTIFICATE-----") {
		t.Errorf("%d authorities", count)
	}
}

// runs starts the program with nothing but what the image has, as the image's user.
func runs(t *testing.T, dir string) {
	if os.Getuid() != 0 {
		t.Skip("only root may change the root of a process")
	}
	image, _ := only(t, dir)
	files, _ := unpack(t, image)
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/eksauthd", "version")
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "eksauthd ") {
		t.Errorf("%v %s", err, out)
	}
}

// pushed brings it into a registry, with the command of the guide.
func pushed(t *testing.T, dir, digest string) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	repository := strings.TrimPrefix(server.URL, "http://") + "/eksauthd"
	command(t, "go", "tool", "crane", "push", "--index", dir, repository+":latest")
	reference, err := name.ParseReference(repository + ":latest")
	if err != nil {
		t.Fatal(err)
	}
	found, err := remote.Head(reference)
	if err != nil || found.Digest.String() != digest {
		t.Errorf("the registry has %+v, not %s: %v", found, digest, err)
	}
}

// What would not run in the image is refused.
func TestRefuses(t *testing.T) {
	itself, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{itself: "not eksauthd", text: "text", filepath.Join(t.TempDir(), "none"): "no such file"} {
		if err := run([]string{"--out", t.TempDir(), path}, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, args := range [][]string{{}, {"--out", t.TempDir()}, {itself}, {"--out", t.TempDir(), "--user", "0:0"}, {"--out", t.TempDir(), "--user", "nobody"}} {
		if run(args, io.Discard) == nil {
			t.Errorf("%v is taken", args)
		}
	}
	shell, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := static(shell); err == nil || !strings.Contains(err.Error(), "not static") {
		t.Errorf("/bin/sh: %v", err)
	}
	if err := static([]byte("MZ")); err == nil || !strings.Contains(err.Error(), "not a program for Linux") {
		t.Errorf("%v", err)
	}
}

// The Dockerfile makes the same: user, entry point, authorities, static program.
func TestDockerfileAgrees(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, last, found := strings.Cut(string(text), "\nFROM scratch\n")
	for _, want := range []string{"USER " + nonroot + "\n", `ENTRYPOINT ["/` + programFile + `"]`, "COPY --from=build /out/roots.pem /" + rootsFile + "\n", "COPY --from=build /out/" + programFile + " /" + programFile + "\n"} {
		if !found || !strings.Contains(last, want) {
			t.Errorf("the Dockerfile's image lacks %s", want)
		}
	}
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := run([]string{"--roots", roots}, io.Discard); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(roots); err != nil || !bytes.Equal(data, authorities()) || !strings.Contains(string(text), "--roots /out/roots.pem") {
		t.Errorf("%v", err)
	}
}
