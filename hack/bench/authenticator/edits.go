package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/eksauth/eksauth/hack/bench/rig"
	"github.com/eksauth/eksauth/internal/controlplane"
)

const (
	editTimeout = 30 * time.Second
	askEvery    = time.Millisecond
)

// edit is one change of aws-auth, from the start of kubectl.
type edit struct {
	acted   time.Duration // until the first answer that uses it
	kubectl time.Duration // until kubectl ended
}

// edits are what edits of aws-auth on a real control plane come to; nil if its
// programs are not here.
type edits []edit

func (e edits) median(of func(edit) time.Duration) time.Duration {
	values := e.sorted(of)
	return values[len(values)/2]
}

func (e edits) worst(of func(edit) time.Duration) time.Duration { return slices.Max(e.sorted(of)) }

func (e edits) sorted(of func(edit) time.Duration) []time.Duration {
	values := make([]time.Duration, len(e))
	for i, one := range e {
		values[i] = of(one)
	}
	slices.Sort(values)
	return values
}

// editor changes aws-auth, and asks until the change acts.
type editor struct {
	kubectl, kubeconfig string
	file                string // the manifest
	client              *http.Client
	url                 string
	review              []byte // of user 0's token
}

// edit makes a number of edits.
func (s *setting) edit(ctx context.Context, number int) (all edits, err error) {
	programs, err := controlplane.FindBinaries(controlplane.BinaryDirs(os.Getenv, filepath.Join(s.bin, "eksauthd"))...)
	if missing := (*controlplane.MissingError)(nil); errors.As(err, &missing) {
		fmt.Printf("edits of aws-auth: left out: %v; %s\n", missing, missing.Hint)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	plane := controlplane.New(controlplane.Config{
		Dir: filepath.Join(s.dir, "controlplane"), Binaries: programs, ServiceAccountIssuer: "https://issuer.example",
		Log: slog.New(slog.DiscardHandler),
	})
	if err := plane.Start(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, plane.Stop(context.WithoutCancel(ctx))) }()
	e := editor{kubectl: programs.Kubectl, kubeconfig: plane.AdminKubeconfig(), file: filepath.Join(s.dir, "aws-auth.yaml"), client: rig.NewClient(s.trust, 1)}
	defer e.client.CloseIdleConnections()
	if err := e.apply(ctx, "before"); err != nil {
		return nil, err
	}
	server, err := s.startAuthenticator(ctx, "-i", cluster, "--backend-mode", "EKSConfigMap", "--kubeconfig", e.kubeconfig)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	s.sts.answerAfter(0)
	bodies, err := s.mint.reviews(users) // every user's once
	if err != nil {
		return nil, err
	}
	e.url, e.review = server.URL, bodies[0]
	for i := range number {
		one, err := e.measure(ctx, fmt.Sprintf("after-%d", i))
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// measure gives all users names that begin with prefix, and waits for one of them.
func (e *editor) measure(ctx context.Context, prefix string) (edit, error) {
	ctx, cancel := context.WithTimeout(ctx, editTimeout)
	defer cancel()
	begin := time.Now()
	type ended struct {
		after time.Duration
		err   error
	}
	applied := make(chan ended, 1)
	go func() {
		err := e.apply(ctx, prefix)
		applied <- ended{time.Since(begin), err}
		if err != nil {
			cancel()
		}
	}()
	err := e.await(ctx, `"username":"`+prefix+`-`)
	acted := time.Since(begin)
	a := <-applied
	return edit{acted, a.after}, errors.Join(a.err, err)
}

func (e *editor) await(ctx context.Context, wanted string) error {
	var answer bytes.Buffer
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		status, err := rig.Post(ctx, e.client, e.url, e.review, &answer)
		if err != nil {
			return err
		}
		if status == http.StatusOK && strings.Contains(answer.String(), wanted) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("no answer has %s, but %.300s", wanted, answer.String())
		}
	}
}

func (e *editor) apply(ctx context.Context, prefix string) error {
	var b strings.Builder
	io.WriteString(&b, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  namespace: kube-system\n  name: aws-auth\ndata:\n  mapUsers: |\n")
	io.WriteString(&b, mapUsers(func(i int) string { return fmt.Sprintf("%s-%d", prefix, i) }, "    "))
	if err := os.WriteFile(e.file, []byte(b.String()), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, e.kubectl, "apply", "-f", e.file)
	cmd.Env = []string{"HOME=" + filepath.Dir(e.file), "KUBECONFIG=" + e.kubeconfig}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl apply: %w: %s", err, out)
	}
	return nil
}
