package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awslocal/iamapi"
	"github.com/eksauth/eksauth/awslocal/server"
	"github.com/eksauth/eksauth/internal/atomicfile"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/serving"
	"github.com/eksauth/eksauth/internal/shell"
	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/sts"
)

type localFlags struct {
	quotas []string
	iam    iamapi.Quotas // of quotas

	dataDir      string
	listen       string
	world        string
	printWorld   bool
	controlPlane bool
	tour         bool
	maxSession   time.Duration
}

func (p *program) newLocal() *cobra.Command {
	f := &localFlags{}
	cmd := &cobra.Command{
		Use:   "local [-- COMMAND ARGS…]",
		Short: "A local AWS that enforces: STS and EKS on loopback, with users, roles and clusters",
		Long: `A local AWS on loopback, for laptops and CI: IAM users and roles, STS, and what
of EKS is needed to sign in. It verifies signatures, expiry and trust policies.
With --control-plane there is a real Kubernetes API server beside it, and eksauthd,
which lets IAM users and roles sign in there and gives pods their roles.

It writes DIR/env for a shell to source, prints "ready" on standard output when
everything answers, and runs until Ctrl-C. With a COMMAND it runs that in the
same environment instead, and ends with its exit code.`,
		Example: `  eksauth local --tour
  eksauth local --control-plane --data-dir ./dev    # then, elsewhere: . ./dev/env
  eksauth local --world team.yaml -- go test ./...  # a CI job
  eksauth local --print-world > team.yaml           # the template`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return fmt.Errorf("a command to run stands after --, as in: eksauth local -- %s", strings.Join(args, " "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			ctx, stop := cli.UntilSignal(cmd.Context())
			defer stop()
			return p.local(ctx, f, args)
		},
	}
	cmd.Flags().StringVar(&f.dataDir, "data-dir", "", "`DIR` for state and files (default: eksauth in the user's data folder; with a COMMAND, a temporary one)")
	cmd.Flags().StringVar(&f.listen, "listen", "", "`address` to listen on (default: a free port on 127.0.0.1, the same as last time if it is still free)")
	cmd.Flags().StringVar(&f.world, "world", "", "world `FILE`: accounts, users, roles, clusters (default: what the data directory has, at first the example)")
	cmd.Flags().BoolVar(&f.printWorld, "print-world", false, "print the example world, which is a template, and end")
	cmd.Flags().BoolVar(&f.controlPlane, "control-plane", false, "start etcd and kube-apiserver too, with eksauthd's authenticator and pod identity webhook")
	cmd.Flags().DurationVar(&f.maxSession, "max-session", 0, "sessions end after this `duration`, however long was asked for: to see that a client refreshes")
	cmd.Flags().BoolVar(&f.tour, "tour", false, "walk through what it does, live")
	cmd.Flags().StringArrayVar(&f.quotas, "quota", nil, "`NAME=N`: another limit of IAM than AWS's, such as TrustPolicySize=4096; may be given again")
	cmd.AddCommand(p.newLocalExport(), p.newLocalSchema())
	return cmd
}

// openHint takes the hint of an awslocal.OpenError to where cli prints hints.
func openHint(err error) error {
	var open *awslocal.OpenError
	if errors.As(err, &open) {
		return cli.Hint(err, "%s", open.Hint)
	}
	return err
}

func (f *localFlags) check(cmd *cobra.Command) error {
	if cmd.Flags().Changed("max-session") && f.maxSession < time.Second {
		return cli.Hint(cli.Usage("--max-session %s: a session lasts a second at least", f.maxSession), "such as --max-session 20s")
	}
	for _, q := range f.quotas {
		name, value, _ := strings.Cut(q, "=")
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return cli.Hint(cli.Usage("--quota %s: this is not NAME=NUMBER", q), "such as --quota TrustPolicySize=4096")
		}
		if err := f.iam.Set(name, n); err != nil {
			return cli.Usage("--quota %s: %v", q, err)
		}
	}
	return nil
}

func (p *program) local(ctx context.Context, f *localFlags, command []string) error {
	if f.printWorld {
		_, err := p.Out.Write(awslocal.DefaultWorldYAML())
		return err
	}
	if f.dataDir == "" && len(command) > 0 {
		// For one command, a world of its own: several may run at once.
		dir, err := os.MkdirTemp("", "eksauth-local-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		f.dataDir = dir
	}
	l, err := p.openLocal(f, len(command) > 0)
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.start(ctx, f); err != nil {
		return err
	}
	if len(command) == 0 {
		fmt.Fprintln(p.Out, "ready")
	}
	if f.tour {
		if err := l.tour(ctx); err != nil {
			return err
		}
	}
	if len(command) > 0 {
		return l.run(command)
	}
	l.sayWhatNext(f)
	select {
	case <-ctx.Done():
		fmt.Fprintf(p.Err, "stopping; the state stays in %s\n", l.dir)
		return nil
	case err := <-l.failed:
		return err
	}
}

// local is a running local AWS, and perhaps a control plane.
type local struct {
	*program
	dir     string
	store   *awslocal.Store
	log     *slog.Logger
	cluster awslocal.PlacedCluster
	issuer  string // URL of the cluster's issuer of service-account tokens
	env     awslocal.Environment
	kube    *localKubernetes // nil without --control-plane
	failed  chan error       // gets what ends a part that should not end
	closers []func()
}

// openLocal opens the store and puts the world into it.
func (p *program) openLocal(f *localFlags, quiet bool) (_ *local, err error) {
	dir, err := p.dataDir(f.dataDir)
	if err != nil {
		return nil, err
	}
	l := &local{program: p, dir: dir, failed: make(chan error, 4)}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if err := refuseForeign(dir); err != nil {
		return nil, err
	}
	if l.store, err = awslocal.Open(dir, time.Now); err != nil {
		return nil, openHint(err)
	}
	l.onClose(func() { l.store.Close() })
	if err := l.openLog(quiet || f.tour); err != nil {
		return nil, err
	}
	return l, l.applyWorld(f.world)
}

// dataDir is absolute, because child processes have other working folders.
func (p *program) dataDir(given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	if data := p.Getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "eksauth"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", cli.Hint(fmt.Errorf("where to keep the state: %w", err), "--data-dir DIR")
	}
	return filepath.Join(home, ".local", "share", "eksauth"), nil
}

// refuseForeign keeps us from writing "credentials" or "env" over those of
// somebody who gave a directory of theirs, such as ~/.aws.
func refuseForeign(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == awslocal.StateFile }) {
		return cli.Hint(fmt.Errorf("data directory %s: it has files, and none of them is ours", dir), "give a directory that is new or empty")
	}
	return nil
}

// openLog logs to a file, so that the true reason of each refusal can be looked
// up, and to standard error when nothing else is written there.
func (l *local) openLog(quiet bool) error {
	file, err := openLogFile(filepath.Join(l.dir, "local.log"))
	if err != nil {
		return err
	}
	l.onClose(func() { file.Close() })
	var w io.Writer = file
	if !quiet {
		w = io.MultiWriter(file, l.Err)
	}
	l.log = slog.New(slog.NewTextHandler(w, nil))
	return nil
}

func (l *local) applyWorld(path string) error {
	if path == "" {
		empty, err := l.store.Empty()
		if err != nil || !empty {
			return err
		}
		world, err := awslocal.DefaultWorld()
		if err != nil {
			return err
		}
		return l.store.Apply(world)
	}
	world, err := awslocal.ReadWorld(path)
	if err != nil {
		return err
	}
	for _, warning := range world.Warnings() {
		fmt.Fprintln(l.Err, "warning:", warning)
	}
	return l.store.Apply(world)
}

// start makes everything answer, and writes the files for people.
func (l *local) start(ctx context.Context, f *localFlags) error {
	clusters, err := l.store.Clusters()
	if err != nil {
		return err
	}
	if len(clusters) > 0 {
		l.cluster = clusters[0]
	} else if f.controlPlane || f.tour {
		return cli.Hint(errors.New("the world has no cluster"), "add one under clusters: in the world file")
	}
	listener, err := l.listen(f.listen)
	if err != nil {
		return err
	}
	var tokens sts.Tokens = l.tokenVerifier(nil) // of issuers elsewhere
	if l.cluster.Name != "" {
		verifier, err := l.startIssuer(ctx)
		if err != nil {
			listener.Close()
			return err
		}
		if err := l.store.SetClusterIssuer(l.cluster.ARN().String(), l.issuer); err != nil {
			return err
		}
		tokens = verifier
	}
	config := server.Config{Store: l.store, Tokens: tokens, Now: time.Now, Log: l.log, MaxSession: f.maxSession, Quotas: f.iam}
	l.serve(ctx, listener, serving.Server{Handler: server.New(config), Log: l.log, Grace: 5 * time.Second})
	if l.env, err = l.environment("http://" + reachable(listener.Addr().(*net.TCPAddr))); err != nil {
		return err
	}
	if f.controlPlane {
		if err := l.startKubernetes(ctx, f.world != ""); err != nil {
			return err
		}
	}
	return l.writeFiles()
}

// listen takes the port of last time if it is free, so that environments and
// kubeconfigs written then still work.
func (l *local) listen(given string) (net.Listener, error) {
	if given != "" {
		listener, err := net.Listen("tcp", given)
		if err != nil {
			return nil, cli.Hint(err, "--listen 127.0.0.1:0 takes a free port")
		}
		if !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
			fmt.Fprintf(l.Err, "warning: %s is not loopback: session tokens cross the network in plain HTTP\n", listener.Addr())
		}
		return listener, nil
	}
	return listenAgain(filepath.Join(l.dir, "address"))
}

// listenAgain listens on the address that the file remembers, or else on a free
// port of loopback, and remembers that.
func listenAgain(remembered string) (net.Listener, error) {
	var listener net.Listener
	if last, err := os.ReadFile(remembered); err == nil {
		listener, _ = net.Listen("tcp", strings.TrimSpace(string(last))) // taken: another will do
	}
	if listener == nil {
		var err error
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	return listener, atomicfile.Write(remembered, []byte(listener.Addr().String()+"\n"), 0o600)
}

// reachable is an address that a client on this machine can use: one that
// listens everywhere is also on loopback.
func reachable(a *net.TCPAddr) string {
	if a.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", a.Port)
	}
	return a.String()
}

// serve goes on until everything else has ended: what ends needs it.
func (l *local) serve(ctx context.Context, listener net.Listener, server serving.Server) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(ctx, listener); err != nil {
			l.log.Error("a part of the local AWS stopped listening", "error", err)
			l.failed <- err
		}
	}()
	l.onClose(func() {
		stop()
		<-ended
	})
}

// environment signs in as the world's first user, if there is one with a key.
func (l *local) environment(endpoint string) (awslocal.Environment, error) {
	env := awslocal.Environment{
		Endpoint: endpoint, Region: firstOf(l.cluster.Region, "us-east-1"),
		CredentialsFile: l.path(awslocal.CredentialsFile),
		// Without a control plane as well: nothing here shall reach, or be
		// written into, the kubeconfig of the user's real clusters.
		Kubeconfig: l.path("kubeconfig"),
	}
	if l.issuer != "" {
		env.IssuerCA = issuerFiles{l.dir}.authority()
	}
	user, err := l.store.FirstUser()
	if err == nil {
		env.Credentials, err = l.store.Credentials(user)
	}
	if errors.Is(err, sts.ErrNotFound) {
		fmt.Fprintln(l.Err, "warning: the world has no user with an active access key, so the environment has no credentials")
		env.Credentials, err = sigv4.Credentials{}, nil
	}
	return env, err
}

func (l *local) writeFiles() error {
	if err := awslocal.WriteEnv(l.dir, l.env); err != nil {
		return err
	}
	if err := l.store.WriteCredentials(); err != nil {
		return err
	}
	// Keys do not belong into a repository that the directory may be in.
	if err := atomicfile.Write(l.path(".gitignore"), []byte("*\n"), 0o600); err != nil {
		return err
	}
	if l.cluster.Name == "" {
		return nil
	}
	manifest, err := l.cluster.AWSAuth()
	if err != nil {
		return err
	}
	return atomicfile.Write(l.path("aws-auth.yaml"), append([]byte("# As the world has it; an edit in the cluster is not seen here.\n"), manifest...), 0o600)
}

func (l *local) path(name string) string { return filepath.Join(l.dir, name) }

func (l *local) onClose(f func()) { l.closers = append(l.closers, f) }

// close ends everything, the newest first.
func (l *local) close() {
	for i := len(l.closers) - 1; i >= 0; i-- {
		l.closers[i]()
	}
	l.closers = nil
}

// fromHere is a path as it is written in the working folder, if it is within it.
func fromHere(path string) (string, bool) {
	wd, err := os.Getwd()
	if err != nil {
		return "", false
	}
	rel, err := filepath.Rel(wd, path)
	return rel, err == nil && !strings.HasPrefix(rel, "..")
}

func (l *local) sayWhatNext(f *localFlags) {
	style := cli.StyleFor(l.Err, l.Getenv)
	dir := l.dir
	if short, ok := fromHere(dir); ok {
		dir = short
	}
	fmt.Fprintf(l.Err, "\nThe local AWS answers at %s until Ctrl-C. In another shell:\n\n", style.Strong(l.env.Endpoint))
	fmt.Fprintf(l.Err, "  . %s\n", shell.Path(filepath.Join(dir, awslocal.EnvFile)))
	if l.cluster.Name != "" {
		name := commandName()
		// The other shell begins here as well, and may have another PATH.
		if short, ok := fromHere(self()); ok {
			name = shell.Path(short)
		}
		fmt.Fprintf(l.Err, "  %s token --cluster-name %s | %s verify --cluster-name %s --aws-auth %s -\n",
			name, l.cluster.Name, name, l.cluster.Name, shell.Path(filepath.Join(dir, "aws-auth.yaml")))
	}
	fmt.Fprintln(l.Err, "  aws sts get-caller-identity")
	if l.kube != nil {
		fmt.Fprintln(l.Err, "  kubectl auth whoami")
		fmt.Fprintf(l.Err, "  kubectl --kubeconfig %s edit configmap --namespace kube-system aws-auth\n", shell.Path(l.kube.plane.AdminKubeconfig()))
	} else if !f.controlPlane {
		fmt.Fprintln(l.Err, style.Dim("  (--control-plane adds a real Kubernetes API server)"))
	}
	logs := filepath.Join(dir, "local.log")
	if l.kube != nil {
		logs += " (by AWS) and " + filepath.Join(dir, "authenticator", "eksauthd.log") + " (by the cluster)"
	}
	fmt.Fprintf(l.Err, "\nWhy something was refused stands in %s.\n", logs)
}
