//go:build unix

package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/eksauth/eksauth/internal/controlplane"
	"github.com/eksauth/eksauth/internal/require"
	"github.com/eksauth/eksauth/oidc"
)

// issuerCluster is a real kube-apiserver that can be started with other flags.
type issuerCluster struct {
	dir      string
	binaries controlplane.Binaries
	plane    *controlplane.ControlPlane
}

func newIssuerCluster(t *testing.T) *issuerCluster {
	t.Helper()
	binaries, err := controlplane.FindBinaries(append(controlplane.BinaryDirs(os.Getenv, os.Args[0]), "../../bin/k8s")...)
	require.Found(t, "controlplane", err)
	c := &issuerCluster{dir: filepath.Join(t.TempDir(), "controlplane"), binaries: binaries}
	t.Cleanup(c.stop)
	return c
}

func (c *issuerCluster) stop() {
	if c.plane != nil {
		c.plane.Stop(context.Background())
		c.plane = nil
	}
}

func (c *issuerCluster) restart(t *testing.T, serviceAccountFlags ...string) {
	t.Helper()
	c.stop()
	plane := controlplane.New(controlplane.Config{
		Dir: c.dir, Binaries: c.binaries, NoSync: true, Log: slog.New(slog.DiscardHandler), ServiceAccountFlags: serviceAccountFlags,
	})
	if err := plane.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.plane = plane
}

func (c *issuerCluster) admin(t *testing.T) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.plane.AdminKubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// mint asks for a token of default/default by TokenRequest.
func (c *issuerCluster) mint(t *testing.T, seconds int64, audiences ...string) string {
	t.Helper()
	client, err := kubernetes.NewForConfig(c.admin(t))
	if err != nil {
		t.Fatal(err)
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, ExpirationSeconds: &seconds}}
	made, err := client.CoreV1().ServiceAccounts("default").CreateToken(t.Context(), "default", request, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made.Status.Token
}

// accepts reports whether the API server knows the service account by its token.
func (c *issuerCluster) accepts(t *testing.T, raw string) bool {
	t.Helper()
	config := rest.AnonymousClientConfig(c.admin(t))
	config.BearerToken = raw
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	return err == nil && review.Status.UserInfo.Username == "system:serviceaccount:default:default"
}

func inspect(t *testing.T, raw string) (kid string, audience []string, lifetime time.Duration) {
	t.Helper()
	i, err := oidc.Inspect(raw, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return i.KeyID, i.Audience, i.Expiry.Sub(i.IssuedAt)
}

// A kubeadm-like cluster gets an issuer of its own, and the issuer's key is
// rotated, and no token is refused before its time: not by kube-apiserver, not by
// a relying party.
func TestIssuerOfARealCluster(t *testing.T) {
	c := newIssuerCluster(t)
	const before = "https://kubernetes.default.svc.cluster.local"
	c.restart(t)
	fromBefore := c.mint(t, 3600)
	if !c.accepts(t, fromBefore) {
		t.Fatal("the cluster does not accept its own token")
	}
	key, err := controlplane.SigningKey(c.dir)
	if err != nil {
		t.Fatal(err)
	}

	dir := filepath.Join(t.TempDir(), "issuer")
	issuerCommand(t, "init", "--dir", dir, "--issuer", testIssuer, "--signing-key", key.PrivateFile, "--previous-issuer", before)
	flags := strings.Fields(issuerCommand(t, "flags", "--dir", dir))
	site := serveIssuer(t, dir)
	authority := filepath.Join(dir, "serving", "ca.crt")
	client := site.client(t, authority)
	// A relying party that has asked nobody yet.
	verify := func(raw string) error {
		claims, err := (&oidc.Verifier{Client: client}).Verify(t.Context(), testIssuer, raw)
		if err == nil && (claims.Subject != "system:serviceaccount:default:default" || !slices.Equal(claims.Audience, []string{"sts.amazonaws.com"})) {
			t.Errorf("%+v", claims)
		}
		return err
	}

	c.restart(t, flags...)
	if !c.accepts(t, fromBefore) {
		t.Error("the move to the issuer made a token of the issuer before worthless")
	}
	oldAPI, oldAWS := c.mint(t, 3600), c.mint(t, 3600, "sts.amazonaws.com")
	oldKid, audience, _ := inspect(t, oldAPI)
	if want := []string{testIssuer, before}; !slices.Equal(audience, want) {
		t.Errorf("a token without an audience got %q, want the API server's %q", audience, want)
	}
	if !c.accepts(t, oldAPI) {
		t.Error("the API server refuses its own token")
	}
	if c.accepts(t, oldAWS) {
		t.Error("a token for AWS is good for the API server")
	}
	if err := verify(oldAWS); err != nil {
		t.Error(err)
	}
	if _, _, lifetime := inspect(t, c.mint(t, 7*24*3600, "sts.amazonaws.com")); lifetime != 24*time.Hour {
		t.Errorf("a token is valid for %s, longer than its key is published", lifetime)
	}

	// Announced: everybody learns the key, and nothing else changes.
	issuerCommand(t, "rotate", "--dir", dir)
	awaitKeys(t, client, 2)
	c.restart(t, flags...)
	if kid, _, _ := inspect(t, c.mint(t, 3600)); kid != oldKid {
		t.Errorf("signed with %s, which is only announced", kid)
	}
	if !c.accepts(t, oldAPI) || !c.accepts(t, fromBefore) {
		t.Error("announced: the API server refuses a token")
	}

	// Signs. kube-apiserver reads keys when it starts, and only then.
	issuerCommand(t, "rotate", "--dir", dir, "--force")
	if kid, _, _ := inspect(t, c.mint(t, 3600)); kid != oldKid {
		t.Errorf("kube-apiserver signs with %s without a restart; the documentation says otherwise", kid)
	}
	c.restart(t, flags...)
	newAPI, newAWS := c.mint(t, 3600), c.mint(t, 3600, "sts.amazonaws.com")
	newKid, _, _ := inspect(t, newAPI)
	if newKid == oldKid {
		t.Error("the new key does not sign")
	}
	for name, raw := range map[string]string{"before": fromBefore, "old": oldAPI, "new": newAPI} {
		if !c.accepts(t, raw) {
			t.Errorf("the API server refuses the token %s", name)
		}
	}
	for name, raw := range map[string]string{"old": oldAWS, "new": newAWS} {
		if err := verify(raw); err != nil {
			t.Errorf("the token %s: %v", name, err)
		}
	}

	// Retired: the old key's tokens are worth nothing.
	issuerCommand(t, "rotate", "--dir", dir, "--force")
	awaitKeys(t, client, 1)
	c.restart(t, flags...)
	if now := strings.Fields(issuerCommand(t, "flags", "--dir", dir)); !slices.Equal(now, flags) {
		t.Errorf("the flags have changed:\n%s\nwere\n%s", now, flags)
	}
	for name, raw := range map[string]string{"before": fromBefore, "old": oldAPI} {
		if c.accepts(t, raw) {
			t.Errorf("the API server accepts the token %s still", name)
		}
	}
	if !c.accepts(t, newAPI) {
		t.Error("the API server refuses the new token")
	}
	if err := verify(newAWS); err != nil {
		t.Error(err)
	}
	if err := verify(oldAWS); err == nil {
		t.Error("a relying party accepts the old token still")
	}
}
