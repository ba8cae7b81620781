package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/spf13/pflag"

	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/serving"
)

// profiling serves Go's profiles on request, on an address of this machine alone:
// they tell what is in memory, and cost time.
type profiling struct{ address string }

func (p *profiling) addFlag(flags *pflag.FlagSet) {
	flags.StringVar(&p.address, "profiling-address", "", "loopback `address`, such as 127.0.0.1:6060, for Go's profiles under /debug/pprof/; \"\" for none")
}

// listen returns nil where no profiles are wanted.
func (p *profiling) listen() (net.Listener, error) {
	if p.address == "" {
		return nil, nil
	}
	host, _, err := net.SplitHostPort(p.address)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, cli.Hint(cli.Usage("--profiling-address %q is not a loopback address with a port", p.address), "such as 127.0.0.1:6060; kubectl port-forward reaches it")
	}
	l, err := net.Listen("tcp", p.address)
	if err != nil {
		return nil, cli.Hint(fmt.Errorf("--profiling-address: %w", err), "give another")
	}
	return l, nil
}

// maxProfile is the longest profile or trace that is taken.
const maxProfile = 10 * time.Minute

func serveProfiles(l net.Listener, log *slog.Logger) func(context.Context) error {
	log.Info("serving profiles", "url", "http://"+l.Addr().String()+"/debug/pprof/")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return func(ctx context.Context) error {
		return serving.Server{Handler: mux, Log: log, WriteTimeout: maxProfile, Grace: time.Second}.Serve(ctx, l)
	}
}
