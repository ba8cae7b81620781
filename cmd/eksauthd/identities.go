package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/eksauth/eksauth/irsa"
)

const (
	maxIdentities   = 16 << 20 // bytes
	identitiesEvery = 10 * time.Second
)

// identities follows the file of service accounts that use EKS Pod Identity. It
// is read again and again rather than watched, as certificates are.
type identities struct {
	file    string
	log     *slog.Logger
	current atomic.Pointer[irsa.Identities]

	text    string // of the last good version
	failure string // of the last look; "" if all was well
}

// Run follows the file until ctx ends, and returns nil.
func (i *identities) Run(ctx context.Context) error {
	tick := time.NewTicker(identitiesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			i.follow()
		}
	}
}

func (i *identities) follow() {
	err := i.load()
	if err == nil {
		i.failure = ""
		return
	}
	if text := err.Error(); text != i.failure {
		i.failure = text
		i.log.Error("the changed file cannot be used; keeping the version before", "error", text)
	}
}

// load reads the file now. On an error the version before stays in use.
func (i *identities) load() error {
	f, err := os.Open(i.file)
	if err != nil {
		return fmt.Errorf("container credentials: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxIdentities+1))
	if err != nil {
		return fmt.Errorf("container credentials: %w", err)
	}
	if len(data) > maxIdentities {
		return fmt.Errorf("container credentials: %s is longer than %d bytes", i.file, maxIdentities)
	}
	if i.current.Load() != nil && string(data) == i.text {
		return nil
	}
	fresh, err := irsa.ParseIdentities(data)
	if err != nil {
		return fmt.Errorf("container credentials: %s: %w", i.file, err)
	}
	i.text = string(data)
	i.current.Store(fresh)
	return nil
}
