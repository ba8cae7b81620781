package main

import (
	"bytes"
	"cmp"
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

// expiry is when what is served ends, and when those who are to trust it must be told
// of another authority.
type expiry struct{ certificate, authority func() time.Time }

func (c certificate) expiry() expiry {
	return expiry{c.NotAfter, func() time.Time {
		if c.keeper != nil {
			if end := c.keeper.AuthorityNotAfter(); !end.IsZero() {
				return end
			}
		}
		return c.AuthorityNotAfter()
	}}
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

// open reads the pair, and makes it first where it is ours and none is there. One
// that should be made anew and cannot be, on a full disk for example, is used while
// it lasts.
func (c certificate) open() error {
	var kept error
	if c.keeper != nil {
		kept = c.keeper.Keep()
	}
	if err := c.Load(); err != nil {
		return cmp.Or(kept, err)
	}
	if kept != nil {
		if time.Now().After(c.NotAfter()) {
			return kept
		}
		c.Log.Error("the serving certificate could not be renewed; serving the one that is there", "error", kept, "not_after", c.NotAfter())
	}
	if !c.HasAuthority() {
		c.Log.Warn("the certificate's file does not end with its authority's certificate, so kube-apiserver trusts this one certificate and must be restarted when it is replaced", "file", c.CertFile)
	}
	return nil
}
