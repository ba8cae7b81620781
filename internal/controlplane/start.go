package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/eksauth/eksauth/internal/atomicfile"
	"github.com/eksauth/eksauth/internal/child"
	"github.com/eksauth/eksauth/internal/filelock"
	"github.com/eksauth/eksauth/internal/kubeconfig"
	"github.com/eksauth/eksauth/internal/pki"
)

const (
	// startTimeout bounds Start; three seconds are usual.
	startTimeout = 60 * time.Second

	// Both need about a second at most. What they have answered is on the disk
	// by then, so that to kill them loses nothing.
	apiServerGrace = 15 * time.Second
	etcdGrace      = 10 * time.Second

	// lockPatience is for a process that is just ending.
	lockPatience = 2 * time.Second

	signingKeyName = "service-account"
)

var errLocked = errors.New("another control plane runs on this data folder")

// Start brings up etcd and kube-apiserver and returns when the API server is
// ready and its first namespaces are there. It takes up to a minute; when it
// fails, or ctx ends first, nothing is left running. Once it has returned nil,
// ctx has no effect any more: call Stop.
func (c *ControlPlane) Start(ctx context.Context) (err error) {
	if c.started {
		return errors.New("start control plane: it was started already")
	}
	c.started = true
	begin := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not ready after %v", startTimeout))
	defer cancel()
	defer func() {
		if err != nil {
			err = fmt.Errorf("start control plane: %w", err)
			c.abandon(context.WithoutCancel(ctx))
		}
	}()

	if err := c.prepare(ctx); err != nil {
		return err
	}
	if err := c.startEtcd(ctx); err != nil {
		return err
	}
	if err := c.startAPIServer(ctx); err != nil {
		return err
	}
	if err := c.startKeeper(ctx); err != nil {
		return err
	}
	go func() {
		select {
		case <-c.etcd.Done():
		case <-c.apiServer.Done():
		}
		close(c.done)
	}()
	c.config.Log.Info("control plane is ready", "url", c.URL(), "after", time.Since(begin).Round(time.Millisecond))
	return nil
}

// prepare makes all files that the two programs need.
func (c *ControlPlane) prepare(ctx context.Context) (err error) {
	if err := c.config.check(); err != nil {
		return err
	}
	if err := c.config.absolute(); err != nil {
		return err
	}
	c.files = layout{c.config.Dir}
	if c.choosePort == nil {
		c.choosePort = func() (int, error) { return choosePort(c.files.port()) }
	}
	if err := c.files.make(); err != nil {
		return err
	}
	if c.lock, err = lockSoon(ctx, c.files.lock()); err != nil {
		return fmt.Errorf("%s: %w", c.config.Dir, err)
	}
	now := c.config.Now()
	if c.ca, err = pki.LoadOrCreateCA(c.files.pki(), "eksauth control plane", now); err != nil {
		return err
	}
	if _, err := c.ca.LoadOrIssue(c.files.pki(), "apiserver", pki.Server(servingNames...), now); err != nil {
		return err
	}
	_, err = pki.LoadOrCreateSigningKey(c.files.pki(), signingKeyName)
	return err
}

// lockSoon waits a little for the lock: a process that was killed has it until
// the kernel has taken all of the process down, its children perhaps sooner.
func lockSoon(ctx context.Context, path string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	lock, err := filelock.Wait(ctx, path)
	if errors.Is(err, filelock.ErrHeld) {
		return nil, errLocked
	}
	return lock, err
}

func (c *ControlPlane) startEtcd(ctx context.Context) (err error) {
	socket := filepath.Join(c.files.etcd(), clientSocket)
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // left by a run that was killed
	}
	if c.etcd, err = c.startChild("etcd", c.config.Binaries.Etcd, etcdArgs(c.config, c.files)); err != nil {
		return err
	}
	// That it listens is enough to go on: kube-apiserver waits for it to answer,
	// and is not ready before.
	return c.await(ctx, "etcd", func(context.Context) error {
		_, err := os.Stat(socket)
		return err
	})
}

func (c *ControlPlane) startAPIServer(ctx context.Context) (err error) {
	if c.port, err = c.choosePort(); err != nil {
		return err
	}
	err = c.tryAPIServer(ctx)
	if lostPort(err) {
		c.config.Log.Warn("another process took the API server's port, trying another one", "port", c.port)
		if c.port, err = freePort(); err != nil {
			return err
		}
		err = c.tryAPIServer(ctx)
	}
	if err != nil {
		return err
	}
	return rememberPort(c.files.port(), c.port)
}

// lostPort reports whether the API server ended because somebody else listens on
// its port.
func lostPort(err error) bool {
	var exit *child.ExitError
	return errors.As(err, &exit) && strings.Contains(exit.LastLines, "address already in use")
}

func (c *ControlPlane) tryAPIServer(ctx context.Context) error {
	admin, err := c.ca.Issue(pki.Client("admin", "system:masters"), c.config.Now())
	if err != nil {
		return err
	}
	if err := c.writeAdminKubeconfig(admin); err != nil {
		return err
	}
	c.api = newClient(c.URL(), c.ca.Pool(), admin.TLS())
	c.apiServer, err = c.startChild("kube-apiserver", c.config.Binaries.APIServer, apiServerArgs(c.config, c.files, c.port))
	if err != nil {
		return err
	}
	return c.await(ctx, "kube-apiserver", c.api.ready)
}

func (c *ControlPlane) writeAdminKubeconfig(admin pki.Pair) error {
	doc, err := kubeconfig.Merge(nil, kubeconfig.Entry{
		Context: "admin", Cluster: "eksauth", User: "admin",
		Server: c.URL(), CA: c.ca.PEM(),
		ClientCert: &kubeconfig.ClientCert{Cert: admin.CertPEM, Key: admin.KeyPEM},
		Current:    true,
	})
	if err != nil {
		return err
	}
	return atomicfile.Write(c.AdminKubeconfig(), doc, 0o600)
}

func (c *ControlPlane) startChild(name, path string, args []string) (*child.Process, error) {
	c.config.Log.Debug("starting "+name, "program", path, "log", c.files.log(name))
	return child.Start(child.Command{
		Name: name, Path: path, Args: args, Env: environment,
		Dir: c.files.etcd(), // where etcd's sockets are
		Log: c.files.log(name),
	})
}

// abandon ends what a Start that failed has started. Nobody has used it yet, so
// that the API server need not end in order, which takes it seconds.
func (c *ControlPlane) abandon(ctx context.Context) {
	var err error
	if c.apiServer != nil {
		err = c.apiServer.Kill()
	}
	if err := errors.Join(err, c.Stop(ctx)); err != nil {
		c.config.Log.Warn("control plane that did not start was not stopped in order", "error", err)
	}
}

// Stop ends kube-apiserver, then etcd: in order, or by SIGKILL when they take too
// long or ctx ends. It returns when they are gone.
func (c *ControlPlane) Stop(ctx context.Context) error {
	if c.stopKeeper != nil {
		c.stopKeeper()
		c.keeper.Wait()
	}
	if c.api != nil {
		c.api.close()
	}
	var errs []error
	if c.apiServer != nil {
		errs = append(errs, c.stopAPIServer(ctx))
	}
	if c.etcd != nil {
		errs = append(errs, c.etcd.Stop(ctx, etcdGrace))
	}
	if c.lock != nil {
		errs = append(errs, c.lock.Close())
		c.lock = nil
	}
	return errors.Join(errs...)
}

func (c *ControlPlane) stopAPIServer(ctx context.Context) error {
	if c.etcd.Err() == nil {
		return c.apiServer.Stop(ctx, apiServerGrace)
	}
	// Without etcd it cannot end in order, only try until its time is up. That
	// etcd is gone is the news then, not this.
	return c.apiServer.Kill()
}
