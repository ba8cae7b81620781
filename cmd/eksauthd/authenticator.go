package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/serving"
	"github.com/eksauth/eksauth/nodenames"
	"github.com/eksauth/eksauth/token"
	"github.com/eksauth/eksauth/tokenreview"
)

// authenticatePath is aws-iam-authenticator's.
const authenticatePath = "/authenticate"

type authenticatorFlags struct {
	*settings
	stsEndpoint   string
	sts           *url.URL // stsEndpoint, or nil
	apiAudiences  []string
	healthAddress string

	accessEntriesEvery time.Duration
	grace              time.Duration
	shutdown           shutdown
	profiling          profiling
}

func (p *program) newAuthenticator() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "authenticator --config FILE",
		Aliases: []string{"server"}, // aws-iam-authenticator's word
		Short:   "Answer kube-apiserver's TokenReviews for EKS tokens",
		Long: `Answer kube-apiserver's TokenReviews for EKS tokens: who made this token, and
who is that in Kubernetes?

The configuration file is aws-iam-authenticator's, and so are the flags with the
same names. Mappings come from the file (backendMode MountedFile), from the
ConfigMap kube-system/aws-auth (EKSConfigMap), from custom resources
IAMIdentityMapping (CRD), from a JSON file that may change (DynamicFile), and from
the access entries of an EKS cluster with the name --cluster-id (EKSAccessEntries),
which win over the others; the cluster's authentication mode is obeyed. Those are
asked for with the AWS SDK's default credentials and region, and so is EC2, when
somebody signs in whose mapping has {{EC2PrivateDNSName}}.

It serves ` + authenticatePath + `, /metrics, /healthz and /readyz over TLS. Standard output
gets two lines: "serving URL" when it listens, and "ready" when all mappings
have been read. The log goes to standard error.`,
		Example: `  eksauthd authenticator --config config.yaml
  eksauthd authenticator -i dev --backend-mode EKSConfigMap --kubeconfig admin.conf
  eksauthd authenticator --config config.yaml --sts-endpoint http://127.0.0.1:4566`,
	}
	f := &authenticatorFlags{settings: addSettings(cmd)}
	d := f.Server
	flags := cmd.Flags()
	flags.Bool("kubeconfig-pregenerated", false, "do not write the webhook kubeconfig: init has")
	flags.String("kubeconfig", "", "`file` that says how to reach the API server, for reading aws-auth (default: as a pod of the cluster)")
	flags.String("master", "", "`URL` of the API server, over that in --kubeconfig")
	flags.String("partition", d.Partition, "AWS `partition` that tokens must be of")
	flags.StringSlice("backend-mode", d.BackendMode, "sources of mappings, in the `order` in which they are searched: MountedFile, EKSConfigMap, CRD, DynamicFile, EKSAccessEntries")
	flags.DurationVar(&f.grace, "missing-grace", 15*time.Minute, "for how long the last mappings of a source stay in use that was deleted or emptied; 0 for as long as the program runs")
	flags.DurationVar(&f.accessEntriesEvery, "access-entries-every", 10*time.Second, "how often EKS is asked for access entries")
	flags.StringVar(&f.stsEndpoint, "sts-endpoint", "", "ask the STS at this `URL`, whatever host a token names, and believe what it says")
	flags.StringSliceVar(&f.apiAudiences, "api-audiences", nil, "`audiences` that tokens are good for: kube-apiserver's flag of the same name (default: whatever it asks for)")
	// aws-iam-authenticator listens on every interface here. Nothing but the
	// kubelet of the same machine needs it, and it asks nobody who they are.
	flags.StringVar(&f.healthAddress, "health-address", "127.0.0.1:21363", "`address` for /healthz, /readyz and /metrics without TLS; \"\" for none")
	f.shutdown.addFlag(flags)
	f.profiling.addFlag(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.load(cmd.Flags(), p.Getenv); err != nil {
			return err
		}
		if err := f.check(); err != nil {
			return err
		}
		ctx, stop := cli.UntilSignal(cmd.Context())
		defer stop()
		return p.authenticator(ctx, f)
	}
	return cmd
}

// check reads the flags that have a form of their own.
func (f *authenticatorFlags) check() error {
	if f.accessEntriesEvery < time.Second {
		return cli.Hint(cli.Usage("--access-entries-every %s: a second is the least", f.accessEntriesEvery), "such as 10s")
	}
	if f.grace < 0 {
		return cli.Hint(cli.Usage("--missing-grace %s is less than nothing", f.grace), "such as 15m, or 0 for as long as the program runs")
	}
	if f.stsEndpoint == "" {
		return nil
	}
	u, err := url.Parse(f.stsEndpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return cli.Hint(cli.Usage("--sts-endpoint %q is not an http or https URL", f.stsEndpoint), "such as http://127.0.0.1:4566")
	}
	f.sts = u
	return nil
}

// authenticator is everything that runs.
type authenticator struct {
	flags   *authenticatorFlags
	log     *slog.Logger
	live    *awsauth.Live
	changed chan struct{} // has a value when a source has changed
	sources *sources
	events  atomic.Pointer[mappingEvents] // nil without a cluster to write them to
	cert    certificate
	metrics *metrics
	limits  *serving.Limits
	traces  *tracing
	names   *nodenames.Names
	url     string // where kube-apiserver finds it
}

// authenticator makes everything, then starts it.
func (p *program) authenticator(ctx context.Context, f *authenticatorFlags) error {
	a, err := p.prepare(f)
	if err != nil {
		return err
	}
	if a.traces, err = newTracing(ctx, p.Getenv, a.log); err != nil {
		return err
	}
	defer a.traces.end()
	if err := a.sources.prepare(ctx); err != nil {
		return err
	}
	if err := a.cert.open(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(f.Server.Address, strconv.Itoa(f.Server.Port)))
	if err != nil {
		return err
	}
	defer listener.Close()
	a.url = f.url(listener.Addr().(*net.TCPAddr).Port) // port 0 is another by now
	if err := a.writeWebhookConfig(); err != nil {
		return err
	}
	var health net.Listener
	if f.healthAddress != "" {
		if health, err = net.Listen("tcp", f.healthAddress); err != nil {
			return cli.Hint(fmt.Errorf("--health-address: %w", err), `give another, or "" for none`)
		}
		defer health.Close()
	}
	profiles, err := f.profiling.listen()
	if err != nil {
		return err
	}
	if profiles != nil {
		defer profiles.Close()
	}
	a.log.Info("serving", "url", a.url, "cluster", f.ClusterID, "sources", f.Server.BackendMode, "version", cli.Version())
	if _, err := fmt.Fprintln(p.Out, "serving", a.url); err != nil {
		return err
	}
	return a.run(ctx, listener, health, profiles, p.Out)
}

// run ends when ctx does, or with the first part that fails. Health and profiles may
// be nil.
func (a *authenticator) run(ctx context.Context, listener, health, profiles net.Listener, out io.Writer) error {
	end := &a.flags.shutdown
	end.watch(ctx)
	servers := []func(context.Context) error{func(ctx context.Context) error {
		return serving.Server{Handler: a.handler(), TLS: a.cert.TLS(), Log: a.log, Limits: a.limits, Delay: end.delay}.Serve(ctx, listener)
	}}
	if health != nil {
		servers = append(servers, func(ctx context.Context) error {
			return end.plainServer(a.healthHandler(), a.log).Serve(ctx, health)
		})
	}
	if profiles != nil {
		servers = append(servers, serveProfiles(profiles, a.log))
	}
	work := []func(context.Context) error{
		a.cert.Run, a.sources.Run,
		func(ctx context.Context) error { return a.announce(ctx, out) },
	}
	if a.cert.keeper != nil {
		work = append(work, a.cert.keeper.Run)
	}
	err := serving.Together(ctx, servers, work)
	if err == nil {
		a.log.Info("stopped")
	}
	return err
}

// prepare makes all parts; it starts none and writes nothing.
func (p *program) prepare(f *authenticatorFlags) (*authenticator, error) {
	a := &authenticator{flags: f, log: p.logger(f.logFormat), changed: make(chan struct{}, 1)}
	scrub := newScrubber(f.Server.ScrubbedAccounts)
	for _, fault := range f.Faults { // what is left of them are warnings
		a.log.Warn("configuration: "+where(fault)+scrub.text(fault.Message), "hint", scrub.text(fault.Hint))
	}
	var err error
	if a.live, err = newMappings(f.settings, a.log, a.noteChange); err != nil {
		return nil, err
	}
	a.live.Grace = f.grace
	a.sources = a.newSources()
	a.cert = newCertificate(f.settings, a.log)
	a.cert.Changed = func() {
		if err := a.writeWebhookConfig(); err != nil {
			a.log.Error("the webhook kubeconfig could not be written", "error", err)
		}
	}
	if a.cert.keeper != nil {
		a.cert.keeper.Changed = a.cert.Changed
	}
	a.metrics = newMetrics(a.live, a.cert.expiry())
	a.limits = newLimits(tokenReviewBody)
	addLimits(a.metrics.registry, a.limits)
	a.names = newNodeNames(f.Server, a.metrics)
	return a, nil
}

func (a *authenticator) noteChange(s awsauth.SourceState) {
	a.events.Load().note(s)
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// announce tells whoever started the program when it knows everybody.
func (a *authenticator) announce(ctx context.Context, out io.Writer) error {
	for !a.live.Ready() {
		select {
		case <-a.changed:
		case <-ctx.Done():
			return nil
		}
	}
	a.log.Info("ready")
	_, err := fmt.Fprintln(out, "ready")
	return err
}

func (a *authenticator) writeWebhookConfig() error {
	if a.flags.Server.KubeconfigPregenerated {
		return nil
	}
	path := a.flags.Server.GenerateKubeconfig
	changed, err := writeWebhookConfig(path, a.url, a.cert.Authority())
	if changed {
		a.log.Info("wrote the webhook kubeconfig; kube-apiserver reads it when it starts", "file", path)
	}
	return err
}

func (a *authenticator) handler() http.Handler {
	f := a.flags
	if f.sts != nil {
		a.log.Warn("asking this STS, whatever host a token names", "url", f.sts.Redacted())
	}
	mux := http.NewServeMux()
	a.addHealth(mux)
	mux.Handle(authenticatePath, a.limits.Handler(a.traces.handler("TokenReview", tokenreview.New(tokenreview.Config{
		Verifier: &token.Verifier{
			ClusterID: f.ClusterID, Partition: f.Server.Partition, Endpoint: f.sts,
			Client: &http.Client{Transport: a.traces.transport(countedTransport{token.NewTransport(), a.metrics})},
		},
		Mappings: a.live, Names: a.names, Audiences: f.apiAudiences, ScrubbedAccounts: f.Server.ScrubbedAccounts,
		Log: a.log.With("cluster", f.ClusterID), Observer: a.metrics,
	}))))
	return mux
}

func (a *authenticator) healthHandler() http.Handler {
	mux := http.NewServeMux()
	a.addHealth(mux)
	return mux
}
