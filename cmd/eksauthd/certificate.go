package main

import (
	"log/slog"
	"time"

	"github.com/eksauth/eksauth/internal/serving"
)

// certificate is the pair that is served, and its keeper where it is ours.
type certificate struct {
	*serving.Certificates
	keeper *serving.Keeper // nil if the pair was given
}

func newCertificate(s *settings, log *slog.Logger) certificate {
	c := certificate{Certificates: &serving.Certificates{CertFile: s.tlsCert, KeyFile: s.tlsKey, Log: log}}
	if s.tlsCert == "" {
		c.keeper = &serving.Keeper{Dir: s.Server.StateDir, Names: s.names(), Now: time.Now, Log: log}
		c.CertFile, c.KeyFile = c.keeper.CertFile(), c.keeper.KeyFile()
	}
	return c
}

// open reads the pair, and makes it first where it is ours and none is there.
func (c certificate) open() error {
	if c.keeper != nil {
		if err := c.keeper.Keep(); err != nil {
			return err
		}
	}
	if err := c.Load(); err != nil {
		return err
	}
	if !c.HasAuthority() {
		c.Log.Warn("the certificate's file does not end with its authority's certificate, so kube-apiserver trusts this one certificate and must be restarted when it is replaced", "file", c.CertFile)
	}
	return nil
}
