package main

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/serving"
	"github.com/eksauth/eksauth/oidc"
)

// keysEvery is how often the folder is looked at.
const keysEvery = 2 * time.Second

type issuerServeFlags struct {
	issuerFlags
	listen          string
	tlsCert, tlsKey string
	healthAddress   string
	logFormat       logFormat
	shutdown        shutdown
}

func (p *program) newIssuerServe() *cobra.Command {
	f := &issuerServeFlags{logFormat: "text"}
	cmd := &cobra.Command{
		Use:   "serve --dir DIR",
		Short: "Serve the two documents over TLS, and follow the keys",
		Long: `Serve the two documents over TLS at the path of the issuer's URL, with /healthz
and /readyz, and nothing else. It follows the keys in the folder, of which it
reads no private one, and the certificate's files.

Standard output gets two lines: "serving URL" when it listens, and "ready". The
log goes to standard error.`,
		Example: `  eksauthd issuer serve --dir ./issuer --listen :443 --tls-cert tls.crt --tls-key tls.key
  eksauthd issuer serve --dir ./issuer --listen 127.0.0.1:8443`,
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", ":8443", "`address` to listen on")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "`file` with a serving certificate and its chain (default: one of an authority that is kept in the folder, which nobody trusts yet)")
	flags.StringVar(&f.tlsKey, "tls-key", "", "`file` with its private key")
	flags.StringVar(&f.healthAddress, "health-address", "", "`address` for /healthz, /readyz and /metrics without TLS (default: none)")
	flags.VarP(&f.logFormat, "log-format", "l", "of the log on standard error: text or json")
	f.shutdown.addFlag(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if (f.tlsCert == "") != (f.tlsKey == "") {
			return cli.Usage("--tls-cert and --tls-key go together")
		}
		ctx, stop := cli.UntilSignal(cmd.Context())
		defer stop()
		return p.issuerServe(ctx, f)
	}
	return cmd
}

func (p *program) issuerServe(ctx context.Context, f *issuerServeFlags) error {
	ring, state, err := f.load()
	if err != nil {
		return err
	}
	publisher, err := oidc.NewPublisher(state)
	if err != nil {
		return err
	}
	log := p.logger(f.logFormat)
	certs, keeper, err := f.certificate(state.Issuer, log)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return cli.Hint(fmt.Errorf("--listen: %w", err), "give a free address, such as --listen :8443")
	}
	defer listener.Close()
	var health net.Listener
	if f.healthAddress != "" {
		if health, err = net.Listen("tcp", f.healthAddress); err != nil {
			return cli.Hint(fmt.Errorf("--health-address: %w", err), "give a free address, such as --health-address :9999, or none")
		}
		defer health.Close()
	}
	keys := &issuerFollower{ring: ring, publisher: publisher, shutdown: &f.shutdown, log: log}
	keys.current.Store(&state)
	log.Info("serving", "issuer", state.Issuer, "address", listener.Addr().String(), "keys", len(state.Keys), "version", cli.Version())
	if _, err := fmt.Fprintf(p.Out, "serving https://%s%s\nready\n", listener.Addr(), publisher.Path()); err != nil {
		return err
	}
	f.shutdown.watch(ctx)
	limits := newLimits(0) // it reads no bodies
	registry := newIssuerMetrics(keys, certificate{certs, keeper}.expiry())
	addLimits(registry, limits)
	servers := []func(context.Context) error{func(ctx context.Context) error {
		return serving.Server{Handler: limits.Handler(keys.handler()), TLS: certs.TLS(), Log: log, Limits: limits, Delay: f.shutdown.delay}.Serve(ctx, listener)
	}}
	if health != nil {
		log.Info("serving metrics and health", "address", health.Addr().String())
		servers = append(servers, func(ctx context.Context) error {
			return f.shutdown.plainServer(keys.plainHandler(registry), log).Serve(ctx, health)
		})
	}
	work := []func(context.Context) error{certs.Run, keys.run}
	if keeper != nil {
		work = append(work, keeper.Run)
	}
	if err = serving.Together(ctx, servers, work); err == nil {
		log.Info("stopped")
	}
	return err
}

// certificate reads the pair that is served, and keeps one where none is given.
func (f *issuerServeFlags) certificate(issuer string, log *slog.Logger) (*serving.Certificates, *serving.Keeper, error) {
	certs := &serving.Certificates{CertFile: f.tlsCert, KeyFile: f.tlsKey, Log: log}
	if f.tlsCert != "" {
		return certs, nil, certs.Load()
	}
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, nil, err
	}
	keeper := &serving.Keeper{Dir: filepath.Join(f.dir, "serving"), Names: []string{u.Hostname()}, Now: time.Now, Log: log}
	if err := keeper.Keep(); err != nil {
		return nil, nil, err
	}
	certs.CertFile, certs.KeyFile = keeper.CertFile(), keeper.KeyFile()
	if err := certs.Load(); err != nil {
		return nil, nil, err
	}
	log.Warn("no certificate was given (--tls-cert): relying parties must trust the authority in this file; IAM does by its thumbprint in the provider",
		"file", filepath.Join(keeper.Dir, "ca.crt"), "thumbprint", thumbprint(certs.Authority()))
	return certs, keeper, nil
}

// thumbprint is IAM's word and form for the SHA-1 of a certificate. It names the
// certificate; nothing rests on SHA-1 here.
func thumbprint(certPEM []byte) string {
	block, _ := pem.Decode(certPEM)
	if block == nil {
		return ""
	}
	sum := sha1.Sum(block.Bytes)
	return hex.EncodeToString(sum[:])
}

// issuerFollower serves the keys as they are now.
type issuerFollower struct {
	ring      *oidc.Keyring
	publisher *oidc.Publisher
	shutdown  *shutdown
	log       *slog.Logger
	current   atomic.Pointer[oidc.State]
	failure   atomic.Pointer[string] // of the last look; nil if all was well
}

func (k *issuerFollower) run(ctx context.Context) error {
	tick := time.NewTicker(keysEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			k.look()
		}
	}
}

// look takes a change of the folder into use. What cannot be used leaves the keys
// before published.
func (k *issuerFollower) look() {
	before := k.current.Load()
	state, err := k.ring.Load()
	if err == nil && state.Issuer != before.Issuer {
		err = fmt.Errorf("the folder is that of %s now", state.Issuer)
	}
	if err == nil {
		err = k.publisher.Set(state)
	}
	if err != nil {
		text := err.Error()
		if last := k.failure.Swap(&text); last == nil || *last != text {
			k.log.Error("the issuer's folder cannot be used; serving the keys before", "error", text)
		}
		return
	}
	k.failure.Store(nil)
	k.current.Store(&state)
	if len(state.Keys) != len(before.Keys) || state.Signing().ID() != before.Signing().ID() {
		k.log.Info("serving changed keys", "keys", len(state.Keys), "signing", state.Signing().ID())
	}
}

// handler knows four paths and looks no file up by a request's path.
func (k *issuerFollower) handler() http.Handler {
	documents := k.publisher.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz", "/readyz":
			k.health(w, r)
		default:
			documents.ServeHTTP(w, r)
		}
	})
}

// plainHandler is for those who watch it.
func (k *issuerFollower) plainHandler(registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", k.health)
	mux.HandleFunc("/readyz", k.health)
	mux.Handle("GET /metrics", metricsHandler(registry))
	return mux
}

// health is good as long as documents are served at all: those before a folder
// went bad verify what was signed before, and a restart would serve none.
func (k *issuerFollower) health(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.Path == "/readyz" && k.shutdown.refuse(w) {
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text := "ok"
	if r.URL.Path == "/readyz" && k.failure.Load() != nil {
		text = "the folder cannot be read; the last good keys are served"
	}
	io.WriteString(w, text)
}
