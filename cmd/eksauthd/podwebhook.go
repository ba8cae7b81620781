package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/eksauth/eksauth/guard"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/serving"
	"github.com/eksauth/eksauth/irsa"
	"github.com/eksauth/eksauth/kube"
)

// podWebhook is everything that runs.
type podWebhook struct {
	flags      *webhookFlags
	log        *slog.Logger
	config     *rest.Config
	accounts   *kube.ServiceAccounts
	fallbacks  *kube.Fallbacks // nil unless watched
	identities *identities     // nil unless watched
	events     *kube.Events
	mappings   *kube.Mappings // nil unless edits of them are guarded
	cert       *serving.Certificates
	rotator    *kube.Rotator // nil if the certificate was given
	metrics    *webhookMetrics
	limits     *serving.Limits
	traces     *tracing
}

// webhook makes everything, then starts it.
func (p *program) webhook(ctx context.Context, f *webhookFlags) error {
	w, err := p.preparePodWebhook(f)
	if err != nil {
		return err
	}
	if w.traces, err = newTracing(ctx, p.Getenv, w.log); err != nil {
		return err
	}
	defer w.traces.end()
	cleanUp, err := w.open()
	if err != nil {
		return err
	}
	defer cleanUp()
	listener, err := net.Listen("tcp", net.JoinHostPort(f.address, strconv.Itoa(f.port)))
	if err != nil {
		return cli.Hint(err, "give another --port")
	}
	defer listener.Close()
	var plain net.Listener
	if f.metricsPort >= 0 {
		if plain, err = net.Listen("tcp", net.JoinHostPort(f.address, strconv.Itoa(f.metricsPort))); err != nil {
			return cli.Hint(fmt.Errorf("--metrics-port: %w", err), "give another, or -1 for none")
		}
		defer plain.Close()
	}
	profiles, err := f.profiling.listen()
	if err != nil {
		return err
	}
	if profiles != nil {
		defer profiles.Close()
	}
	url := f.url(listener.Addr().(*net.TCPAddr).Port)
	w.log.Info("serving", "url", url, "annotations", f.settings.AnnotationPrefix, "version", cli.Version())
	if plain != nil {
		w.log.Info("serving /metrics, /healthz and /readyz", "address", plain.Addr())
	}
	if _, err := fmt.Fprintln(p.Out, "serving", url); err != nil {
		return err
	}
	return w.run(ctx, listener, plain, profiles, p.Out)
}

// preparePodWebhook makes all parts; it starts none.
func (p *program) preparePodWebhook(f *webhookFlags) (*podWebhook, error) {
	w := &podWebhook{flags: f, log: p.logger(f.logFormat)}
	var err error
	if w.config, err = clusterConfig(f.kubeconfig, f.kubeAPI, "service accounts are read from the cluster"); err != nil {
		return nil, err
	}
	if w.accounts, err = kube.NewServiceAccounts(w.config, f.settings.AnnotationPrefix, w.log); err != nil {
		return nil, err
	}
	if f.watchConfigMap {
		if w.fallbacks, err = kube.NewFallbacks(w.config, f.namespace, w.log); err != nil {
			return nil, err
		}
	}
	if f.identitiesFile != "" {
		w.identities = &identities{file: f.identitiesFile, log: w.log}
	}
	if w.events, err = kube.NewEvents(w.config, "eksauthd-webhook", w.log); err != nil {
		return nil, err
	}
	if f.guard {
		if w.mappings, err = kube.NewMappings(w.config); err != nil {
			return nil, err
		}
	}
	w.cert = &serving.Certificates{CertFile: f.tlsCert, KeyFile: f.tlsKey, Log: w.log}
	w.metrics = newWebhookMetrics(w.accounts, expiry{w.cert.NotAfter, w.authorityNotAfter})
	w.limits = newLimits(admissionBody)
	addLimits(w.metrics.registry, w.limits)
	w.accounts.Failed = func(error) { w.metrics.watchFails.Inc() }
	return w, nil
}

// open reads the files that must be there, and makes the directory for those
// that come from the cluster.
func (w *podWebhook) open() (cleanUp func(), err error) {
	cleanUp = func() {}
	if w.identities != nil {
		if err := w.identities.load(); err != nil {
			return nil, err
		}
	}
	if w.cert.CertFile != "" {
		return cleanUp, w.cert.Load()
	}
	dir := w.flags.certDir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "eksauthd-webhook-"); err != nil {
			return nil, cli.Hint(err, "give a directory that can be written to with --cert-dir")
		}
		cleanUp = func() { os.RemoveAll(dir) }
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	w.rotator = &kube.Rotator{
		Namespace: w.flags.namespace, Secret: w.flags.tlsSecret, Registration: w.flags.webhookConfig,
		Names: w.flags.names(), Dir: dir, Log: w.log, Changed: w.useNewCertificate,
	}
	if w.flags.guard {
		w.rotator.Validating = w.flags.guardConfig
	}
	w.cert.CertFile, w.cert.KeyFile = w.rotator.CertFile(), w.rotator.KeyFile()
	return cleanUp, nil
}

func (w *podWebhook) authorityNotAfter() time.Time {
	if w.rotator != nil {
		return w.rotator.AuthorityNotAfter()
	}
	return w.cert.AuthorityNotAfter()
}

func (w *podWebhook) useNewCertificate() {
	if err := w.cert.Load(); err != nil {
		w.log.Error("the certificate in the Secret cannot be used", "error", err)
		return
	}
	w.log.Info("serving the Secret's certificate", "not_after", w.cert.NotAfter())
}

// run ends when ctx does, or with the first part that fails. Plain and profiles may be
// nil.
func (w *podWebhook) run(ctx context.Context, listener, plain, profiles net.Listener, out io.Writer) error {
	end := &w.flags.shutdown
	end.watch(ctx)
	servers := []func(context.Context) error{func(ctx context.Context) error {
		return serving.Server{Handler: w.handler(), TLS: w.cert.TLS(), Log: w.log, Limits: w.limits, Delay: end.delay}.Serve(ctx, listener)
	}}
	if plain != nil {
		servers = append(servers, func(ctx context.Context) error {
			return end.plainServer(w.health(), w.log).Serve(ctx, plain)
		})
	}
	if profiles != nil {
		servers = append(servers, serveProfiles(profiles, w.log))
	}
	work := []func(context.Context) error{
		w.accounts.Run, w.events.Run,
		func(ctx context.Context) error { return w.announce(ctx, out) },
	}
	if w.fallbacks != nil {
		work = append(work, w.fallbacks.Run)
	}
	if w.identities != nil {
		work = append(work, w.identities.Run)
	}
	if w.rotator != nil {
		work = append(work, func(ctx context.Context) error { return w.rotator.Run(ctx, w.config) })
	} else {
		work = append(work, w.cert.Run)
	}
	err := serving.Together(ctx, servers, work)
	if err == nil {
		w.log.Info("stopped")
	}
	return err
}

// announce tells whoever started the program when pods can be answered.
func (w *podWebhook) announce(ctx context.Context, out io.Writer) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(w.waitsFor()) > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
	all, annotated := w.accounts.Len()
	w.log.Info("ready", "service_accounts", all, "annotated", annotated)
	_, err := fmt.Fprintln(out, "ready")
	return err
}

// waitsFor is what is still missing.
func (w *podWebhook) waitsFor() []string {
	var missing []string
	if w.cert.NotAfter().IsZero() {
		missing = append(missing, "the serving certificate")
	}
	if !w.accounts.Synced() {
		missing = append(missing, "the service accounts")
	}
	if w.fallbacks != nil && !w.fallbacks.Synced() {
		missing = append(missing, "the ConfigMap "+kube.FallbacksName)
	}
	return missing
}

func (w *podWebhook) handler() http.Handler {
	config := irsa.Config{
		Settings: w.flags.settings, Accounts: w.accounts, OnLookupFailure: w.flags.onLookupFailure.policy(),
		Log: w.log, Observer: w.metrics,
		Notify: func(namespace, serviceAccount, message string) {
			w.events.Warn(kube.Object{Kind: "ServiceAccount", Namespace: namespace, Name: serviceAccount}, "AdmittedWithoutCredentials", message)
		},
	}
	if w.fallbacks != nil {
		config.Fallbacks = w.fallbacks.Current
	}
	if w.identities != nil {
		config.Identities = w.identities.current.Load
	}
	mux := http.NewServeMux()
	w.addHealth(mux)
	mux.Handle(mutatePath, w.limits.Handler(w.traces.handler("AdmissionReview of a pod", irsa.New(config))))
	if w.mappings != nil {
		mux.Handle(guardPath, w.limits.Handler(w.traces.handler("AdmissionReview of mappings", guard.New(guard.Config{Cluster: w.mappings, Log: w.log, Reviewed: w.metrics.Judged}))))
	}
	return mux
}

// health is what is served without TLS.
func (w *podWebhook) health() http.Handler {
	mux := http.NewServeMux()
	w.addHealth(mux)
	mux.Handle("GET /metrics", metricsHandler(w.metrics.registry))
	return mux
}

func (w *podWebhook) addHealth(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) { io.WriteString(rw, "ok") })
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, _ *http.Request) {
		if w.flags.shutdown.refuse(rw) {
			return
		}
		if missing := w.waitsFor(); len(missing) > 0 {
			http.Error(rw, "waiting for "+strings.Join(missing, ", "), http.StatusServiceUnavailable)
			return
		}
		io.WriteString(rw, "ok")
	})
}

// names are those under which kube-apiserver knows the webhook.
func (f *webhookFlags) names() []string {
	service := f.serviceName + "." + f.namespace + ".svc"
	return append([]string{service, service + ".cluster.local"}, f.dnsNames...)
}

func (f *webhookFlags) url(port int) string {
	host := f.address
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(port)) + mutatePath
}
