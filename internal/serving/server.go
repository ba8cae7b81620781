package serving

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// The bounds of every server. A request is small, and its answer may take as
// long as somebody else's whom the handler asks.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute // kube-apiserver keeps its connections for 90 s
	maxHeaderBytes    = 16 << 10

	defaultGrace = 20 * time.Second
)

// Server serves a handler until it is told to stop.
type Server struct {
	Handler http.Handler
	TLS     *tls.Config // nil: plain HTTP
	Log     *slog.Logger
	// WriteTimeout is how long an answer may take (default 30 s).
	WriteTimeout time.Duration
	// Limits, if not nil, bound its connections. Those of its requests are for
	// the Handler to bound.
	Limits *Limits
	// Delay is how long it goes on as before when the end was asked for, so that
	// whoever balances the load can notice that it is no longer ready (default 0).
	Delay time.Duration
	// Grace is how long requests may go on after that (default 20 s).
	Grace time.Duration
}

// Serve serves on l, which it closes. When ctx ends, and after Delay, it takes no
// more requests, finishes those it has, and returns nil; or, if some did not finish
// within Grace, cuts them off and returns an error.
func (s Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s.Handler,
		TLSConfig:         s.TLS,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      cmp.Or(s.WriteTimeout, writeTimeout),
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          newErrorLog(s.Log),
	}
	l = resetting{l}
	if s.Limits != nil {
		l = s.Limits.Listener(l)
	}
	ended := make(chan error, 1)
	go func() {
		if s.TLS != nil {
			ended <- server.ServeTLS(l, "", "") // HTTP/2 as well; the certificates are in TLSConfig
		} else {
			ended <- server.Serve(l)
		}
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-time.After(s.Delay):
	}
	grace := s.Grace
	if grace <= 0 {
		grace = defaultGrace
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := server.Shutdown(limited)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("serve on %s: requests were cut off because they did not finish within %s", l.Addr(), grace)
		server.Close()
	}
	<-ended
	return err
}
