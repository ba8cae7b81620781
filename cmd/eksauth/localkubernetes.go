package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/deploy"
	"github.com/eksauth/eksauth/internal/atomicfile"
	"github.com/eksauth/eksauth/internal/child"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/controlplane"
	"github.com/eksauth/eksauth/internal/kubeconfig"
)

// localKubernetes is the control plane of the world's first cluster, with the
// authenticator and the pod identity webhook that it asks.
type localKubernetes struct {
	plane         *controlplane.ControlPlane
	authenticator *child.Process
	podWebhook    *child.Process
	kubectl       string // path of the program
	kubeconfig    string // path of the file with a context for each user
}

const (
	authenticatorUser = "eksauth:authenticator"

	daemonGrace  = 10 * time.Second
	readyTimeout = 30 * time.Second
)

// startKubernetes wires it as in a real cluster: the webhook's certificate and
// kubeconfig first, because kube-apiserver reads them when it starts; then the
// API server; then the authenticator, which watches aws-auth there, and the
// webhook for pods.
func (l *local) startKubernetes(ctx context.Context, worldGiven bool) error {
	binaries, err := controlplane.FindBinaries(controlplane.BinaryDirs(l.Getenv, self())...)
	if err != nil {
		var missing *controlplane.MissingError
		if errors.As(err, &missing) {
			return cli.Hint(err, "%s", missing.Hint)
		}
		return err
	}
	eksauthd, err := findBeside("eksauthd")
	if err != nil {
		return err
	}
	fmt.Fprintln(l.Err, "starting etcd, kube-apiserver and eksauthd …")
	webhook, err := l.initAuthenticator(ctx, eksauthd)
	if err != nil {
		return err
	}
	plane := controlplane.New(controlplane.Config{
		Dir: l.path("controlplane"), Binaries: binaries, AuthenticatorKubeconfig: webhook.kubeconfig,
		ServiceAccountIssuer: l.issuer,
		// An edit of aws-auth shall act soon for tokens that were seen before, too.
		AuthenticatorCacheTTL: time.Second,
		Log:                   l.log,
	})
	if err := plane.Start(ctx); err != nil {
		return err
	}
	l.onClose(func() { stopWithin(30*time.Second, plane.Stop) })
	l.kube = &localKubernetes{plane: plane, kubectl: binaries.Kubectl, kubeconfig: l.path("kubeconfig")}
	if err := l.store.SetClusterEndpoint(l.cluster.ARN().String(), plane.URL(), string(plane.CACert())); err != nil {
		return err
	}
	if err := l.prepareCluster(ctx, worldGiven); err != nil {
		return err
	}
	if err := l.startAuthenticator(ctx, eksauthd, webhook); err != nil {
		return err
	}
	if err := l.startPodWebhook(ctx, eksauthd); err != nil {
		return err
	}
	go l.watchKubernetes()
	return l.writeKubeconfig()
}

// watchKubernetes ends the program when a child has ended: half a control plane
// only misleads.
func (l *local) watchKubernetes() {
	select {
	case <-l.kube.plane.Done():
		if err := l.kube.plane.Err(); err != nil {
			l.failed <- err
		}
	case <-l.kube.authenticator.Done():
		if err := l.kube.authenticator.Err(); err != nil {
			l.failed <- err
		}
	case <-l.kube.podWebhook.Done():
		if err := l.kube.podWebhook.Err(); err != nil {
			l.failed <- err
		}
	}
}

// webhook is where the authenticator will listen.
type webhook struct {
	dir, config, kubeconfig string
	port                    int
}

func (l *local) initAuthenticator(ctx context.Context, eksauthd string) (webhook, error) {
	w := webhook{dir: l.path("authenticator"), config: l.path("authenticator.yaml"), kubeconfig: l.path("authenticator/kubeconfig.yaml")}
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return w, err
	}
	config, err := l.cluster.AuthenticatorConfig(w.dir, filepath.Join(w.dir, "apiserver.kubeconfig"))
	if err != nil {
		return w, err
	}
	if err := atomicfile.Write(w.config, config, 0o600); err != nil {
		return w, err
	}
	if w.port, err = freePort(); err != nil {
		return w, err
	}
	init := exec.CommandContext(ctx, eksauthd, "init", "--config", w.config, "--port", fmt.Sprint(w.port))
	if out, err := init.CombinedOutput(); err != nil {
		return w, fmt.Errorf("eksauthd init: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return w, nil
}

// prepareCluster gives the authenticator the rights that it needs, and the
// cluster its aws-auth. One that is there already stays: somebody may have
// edited it. A world file that was given is the truth again.
func (l *local) prepareCluster(ctx context.Context, worldGiven bool) error {
	manifest, err := l.cluster.AWSAuth()
	if err != nil {
		return err
	}
	if err := atomicfile.Write(l.path("aws-auth.yaml"), manifest, 0o600); err != nil {
		return err
	}
	for _, manifest := range [][]byte{deploy.Authenticator, deploy.AccessPolicies} {
		if err := l.grant(ctx, manifest); err != nil {
			return err
		}
	}
	const configMaps = "/api/v1/namespaces/kube-system/configmaps"
	return l.putObject(string(manifest), func(object any) error {
		if worldGiven {
			return l.kube.plane.Replace(ctx, configMaps, "aws-auth", object)
		}
		return l.kube.plane.Create(ctx, configMaps, object)
	})
}

// grant applies a manifest of roles and their bindings.
func (l *local) grant(ctx context.Context, manifest []byte) error {
	objects, err := readManifest(manifest)
	if err != nil {
		return err
	}
	for _, object := range objects {
		path := rbacAPI
		if namespace := objectNamespace(object); namespace != "" {
			path += "/namespaces/" + namespace
		}
		path += "/" + strings.ToLower(fmt.Sprint(object["kind"])) + "s/" + objectName(object)
		if err := l.kube.plane.Apply(ctx, path, object); err != nil {
			return err
		}
	}
	return nil
}

func (l *local) putObject(text string, put func(object any) error) error {
	var object map[string]any
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		return err
	}
	return put(object)
}

func (l *local) startAuthenticator(ctx context.Context, eksauthd string, w webhook) error {
	if err := l.writeClientKubeconfig(filepath.Join(w.dir, "apiserver.kubeconfig"), authenticatorUser); err != nil {
		return err
	}
	credentials, err := l.store.OperatorCredentials(l.cluster.AccountID)
	if err != nil {
		return err
	}
	l.kube.authenticator, err = l.startDaemon(child.Command{
		Name: "eksauthd authenticator", Path: eksauthd, Dir: w.dir, Log: filepath.Join(w.dir, "eksauthd.log"),
		Args: []string{
			"authenticator", "--config", w.config, "--port", fmt.Sprint(w.port),
			"--kubeconfig-pregenerated", "--sts-endpoint", l.env.Endpoint, "--health-address", "127.0.0.1:0",
			"--access-entries-every", "1s",
		},
		// For the access entries; nothing of the machine's own AWS is to be found.
		Env: awslocal.Environment{Endpoint: l.env.Endpoint, Credentials: credentials, Region: l.cluster.Region}.Environ([]string{
			"HOME=" + w.dir, "AWS_CONFIG_FILE=" + filepath.Join(w.dir, "no-aws-config"), "AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(w.dir, "no-aws-credentials"),
		}),
	})
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(filepath.Join(w.dir, "cert.pem"))
	if err != nil {
		return err
	}
	return l.awaitReady(ctx, l.kube.authenticator, w.port, ca)
}

// startDaemon starts a child process that ends when the local AWS does.
func (l *local) startDaemon(command child.Command) (*child.Process, error) {
	process, err := child.Start(command)
	if err != nil {
		return nil, err
	}
	l.onClose(func() {
		stopWithin(daemonGrace, func(ctx context.Context) error { return process.Stop(ctx, daemonGrace) })
	})
	return process, nil
}

// awaitReady asks a daemon itself whether it is ready: whether it has read what
// it needs from the API server.
func (l *local) awaitReady(ctx context.Context, daemon *child.Process, port int, ca []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("not ready after %s", readyTimeout))
	defer cancel()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	for {
		if resp, err := client.Get(fmt.Sprintf("https://127.0.0.1:%d/readyz", port)); err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start eksauthd: %w; see eksauthd.log in %s and %s", context.Cause(ctx), l.path("authenticator"), l.path("webhook"))
		case <-daemon.Done():
			return fmt.Errorf("start eksauthd: %w", daemon.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// writeKubeconfig has a context for each user, and for each mapped role one in
// which the first user assumes it. The credentials come from the data directory's credentials
// file, so that it works in every shell.
func (l *local) writeKubeconfig() error {
	users, err := l.store.Users()
	if err != nil {
		return err
	}
	roles, err := l.store.Roles()
	if err != nil {
		return err
	}
	if len(users) == 0 {
		return nil // and nobody can sign in
	}
	first := users[0]
	add := func(name string, user arn.Principal, args ...string) error {
		profile := awslocal.ProfileName(user, users)
		return kubeconfig.WriteFile(l.kube.kubeconfig, kubeconfig.Entry{
			Context: name + "@" + l.cluster.Name, Cluster: l.cluster.Name, User: name,
			Server: l.kube.plane.URL(), CA: l.kube.plane.CACert(),
			Exec: &kubeconfig.Exec{
				Command: self(),
				Args:    append([]string{"--profile", profile, "token", "--cluster-name", l.cluster.Name}, args...),
				Env: []kubeconfig.EnvVar{
					{Name: "AWS_ENDPOINT_URL", Value: l.env.Endpoint},
					{Name: "AWS_REGION", Value: l.env.Region},
					{Name: "AWS_SHARED_CREDENTIALS_FILE", Value: l.env.CredentialsFile},
				},
			},
			Current: name == awslocal.ProfileName(first, users),
		})
	}
	for _, user := range users {
		if err := add(awslocal.ProfileName(user, users), user); err != nil {
			return err
		}
	}
	for _, role := range roles {
		mapped := slices.ContainsFunc(l.cluster.MapRoles, func(m awslocal.RoleMapping) bool { return m.RoleARN == role.String() })
		if !mapped {
			continue
		}
		if err := add(role.Name, first, "--role-arn", role.String()); err != nil {
			return err
		}
	}
	return nil
}

// findBeside finds a program in this one's folder, or on PATH.
func findBeside(name string) (string, error) {
	if path := filepath.Join(filepath.Dir(self()), name); isProgram(path) {
		return path, nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", cli.Hint(fmt.Errorf("%s is neither beside %s nor on PATH", name, self()), "make build")
	}
	return filepath.Abs(path)
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func stopWithin(limit time.Duration, stop func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_ = stop(ctx) // it is gone either way
}
