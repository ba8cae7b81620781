package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/eksauth/eksauth/hack/bench/rig"
)

// setting is where the contenders run.
type setting struct {
	dir   string // for everything that they write
	bin   string
	trust *x509.CertPool // of the certificate in dir
	sts   *fakeSTS
	mint  *minter
}

// The contenders, as the tables call them.
const (
	limit = "a handler that does nothing"
	ours  = "eksauthd authenticator"
	peer  = "aws-iam-authenticator"
	// keeping keeps 64 connections to STS, as eksauthd does, where the peer has
	// net/http's default of two and makes the others anew.
	keeping = "aws-iam-authenticator, 64 connections kept"
)

// nothing is of about the size of a real answer.
var nothing = `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{"authenticated":true,"user":{"username":"` + strings.Repeat("x", 500) + `"}}}`

func (s *setting) start(ctx context.Context, name string) (*rig.Server, error) {
	switch name {
	case ours:
		return s.startOurs(ctx)
	case peer:
		return s.startPeer(ctx)
	case keeping:
		return s.startPeer(ctx, "-idle", "64")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return rig.Start(ctx, s.dir, self, "-nothing", s.dir)
}

func (s *setting) startPeer(ctx context.Context, args ...string) (*rig.Server, error) {
	cert, key := rig.CertificateFiles(s.dir)
	return rig.Start(ctx, s.dir, filepath.Join(s.bin, "peers", "oracle"), append([]string{"serve",
		"-sts", s.sts.URL, "-cert", cert, "-key", key, "-mappings", strconv.Itoa(users)}, args...)...)
}

// startOurs starts the real program with its mappings in a file.
func (s *setting) startOurs(ctx context.Context) (*rig.Server, error) {
	config := filepath.Join(s.dir, "config.yaml")
	text := "clusterID: " + cluster + "\nserver:\n  mapUsers:\n" + mapUsers(func(i int) string { return fmt.Sprintf("user-%d", i) }, "  ")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return s.startAuthenticator(ctx, "--config", config)
}

func (s *setting) startAuthenticator(ctx context.Context, args ...string) (*rig.Server, error) {
	cert, key := rig.CertificateFiles(s.dir)
	return rig.Start(ctx, s.dir, filepath.Join(s.bin, "eksauthd"), append([]string{"authenticator",
		"--sts-endpoint", s.sts.URL, "--address", "127.0.0.1", "--hostname", "127.0.0.1", "--port", "0", "--health-address", "",
		"--tls-cert", cert, "--tls-key", key, "--kubeconfig-pregenerated"}, args...)...)
}

// mapUsers maps all users, in YAML.
func mapUsers(username func(i int) string, indent string) string {
	var b strings.Builder
	for i := range users {
		fmt.Fprintf(&b, "%s- userarn: %s\n%s  username: %s\n%s  groups: [team]\n", indent, userARN(i), indent, username(i), indent)
	}
	return b.String()
}
