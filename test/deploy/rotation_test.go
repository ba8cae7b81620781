package deploy_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/controlplane"
	"github.com/eksauth/eksauth/internal/require"
)

// signingCluster is a control plane that signs with the keys of a reader's issuer, and
// reads them when it starts.
type signingCluster struct {
	*reader
	plane *controlplane.ControlPlane
}

func (s *signingCluster) start() {
	s.t.Helper()
	binaries, err := controlplane.FindBinaries(controlplane.BinaryDirs(os.Getenv, filepath.Join(repository, "bin", "eksauth"))...)
	require.Found(s.t, "controlplane", err)
	flags, stderr, err := s.try("eksauthd issuer flags --dir " + s.home + "/etc/kubernetes/issuer")
	if err != nil {
		s.t.Fatalf("%v\n%s", err, stderr)
	}
	s.plane = controlplane.New(controlplane.Config{
		Dir: filepath.Join(s.home, "cluster"), Binaries: binaries, ServiceAccountFlags: strings.Fields(flags), NoSync: true, Log: slog.New(slog.DiscardHandler),
	})
	if err := s.plane.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.env["KUBECONFIG"] = s.plane.AdminKubeconfig()
}

func (s *signingCluster) stop() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.plane.Stop(ctx); err != nil {
		s.t.Error(err)
	}
}

// token is a new one, and the key that signed it.
func (s *signingCluster) token() (token, key string) {
	s.t.Helper()
	stdout, stderr, err := s.try("kubectl create token -n default default")
	if err != nil {
		s.t.Fatalf("%v\n%s", err, stderr)
	}
	token = strings.TrimSpace(stdout)
	stdout, stderr, err = s.try("echo '" + token + "' | eksauth inspect -o json -")
	if err != nil {
		s.t.Fatalf("%v\n%s", err, stderr)
	}
	var about struct{ KeyID string }
	if err := json.Unmarshal([]byte(stdout), &about); err != nil || about.KeyID == "" {
		s.t.Fatalf("no key in %s: %v", stdout, err)
	}
	return token, about.KeyID
}

// accepted reports whether the API server takes a token.
func (s *signingCluster) accepted(token string) bool {
	s.t.Helper()
	_, _, err := s.try("kubectl config view --raw --minify --flatten > only.kubeconfig && kubectl --kubeconfig only.kubeconfig config unset users >/dev/null && kubectl --kubeconfig only.kubeconfig --token '" + token + "' auth whoami")
	return err == nil
}

// published are the states of the keys in the ConfigMap that the issuer's pods serve.
func (s *signingCluster) published() []string {
	s.t.Helper()
	stdout, stderr, err := s.try(`kubectl get configmap -n eksauth eksauth-issuer -o jsonpath='{.data.issuer\.json}'`)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, stderr)
	}
	var state struct{ Keys []struct{ State string } }
	if err := json.Unmarshal([]byte(stdout), &state); err != nil {
		s.t.Fatal(err)
	}
	var states []string
	for _, k := range state.Keys {
		states = append(states, k.State)
	}
	return states
}

func TestTheGuideToRotation(t *testing.T) {
	t.Parallel()
	s := &signingCluster{reader: newReader(t, "rotating-keys.md")}
	s.prepareHost("etc/kubernetes")
	if _, stderr, err := s.try("eksauthd issuer init --dir " + s.home + "/etc/kubernetes/issuer --issuer https://oidc.example.com/dev"); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	s.start()
	defer func() { s.stop() }()
	s.run(block{text: "kubectl create namespace eksauth"})
	ran := 0
	for _, b := range readGuide(t, s.name) {
		b.text = s.onHost(b.text)
		switch b.how {
		case "run":
			s.run(b)
		case "run: three times":
			s.rotate(b)
		default:
			t.Errorf("%s line %d is not run", s.name, b.line)
		}
		ran++
	}
	if ran != 5 {
		t.Errorf("%d blocks ran", ran)
	}
}

// rotate goes through a whole rotation, with a token of the old key and one of the new.
func (s *signingCluster) rotate(b block) {
	s.t.Helper()
	old, oldKey := s.token()
	for step, want := range []struct {
		keys        int
		newSigns    bool
		oldAccepted bool
	}{{2, false, true}, {2, true, true}, {1, true, false}} {
		s.run(b)
		if published := s.published(); len(published) != want.keys {
			s.t.Errorf("step %d publishes %v", step, published)
		}
		s.stop()
		s.start()
		token, key := s.token()
		if (key != oldKey) != want.newSigns || !s.accepted(token) {
			s.t.Errorf("step %d signs with %s, before with %s", step, key, oldKey)
		}
		if s.accepted(old) != want.oldAccepted {
			s.t.Errorf("step %d: a token of the old key is accepted: %v", step, !want.oldAccepted)
		}
	}
}
