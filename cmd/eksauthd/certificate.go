package main

import (
	"bytes"
	"log/slog"
	"slices"
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

// Authority is what kube-apiserver must trust: the authority that is served, and
// those that are to follow it.
func (c certificate) Authority() []byte {
	served := c.Certificates.Authority()
	if c.keeper == nil {
		return served
	}
	all := c.keeper.Authorities()
	if bytes.Contains(all, served) {
		return all
	}
	return slices.Concat(served, all)
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
