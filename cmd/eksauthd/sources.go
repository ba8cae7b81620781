package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/eksauth/eksauth/awsauth"
)

// expireEvery is how often sources are looked at that are gone.
const expireEvery = time.Second

// follower keeps the mappings of one source as they are, until ctx ends.
type follower func(ctx context.Context) error

// sources are what the mappings come from: those of the configuration and, where
// the order may change while the program runs, those that are named later.
type sources struct {
	live *awsauth.Live
	log  *slog.Logger
	// make prepares to follow a source. It starts nothing.
	make func(ctx context.Context, mode string) (follower, error)

	configured []string
	followers  map[string]follower // prepared
	started    map[string]bool
	orderFile  *followedFile // nil if the order is fixed
}

// prepare readies the sources that are configured, and reads the file of the order
// once, so that its order is the first.
func (s *sources) prepare(ctx context.Context) error {
	s.followers, s.started = map[string]follower{}, map[string]bool{}
	if err := s.ready(ctx, s.configured); err != nil {
		return err
	}
	if s.orderFile == nil {
		return nil
	}
	data, err := s.orderFile.read()
	if err != nil {
		return nil // Run looks again, and says so
	}
	modes, err := awsauth.ParseBackendMode(data)
	if err != nil || s.ready(ctx, modes) != nil {
		return nil // likewise
	}
	return s.live.Begin(awsauth.SearchOrder(modes)...)
}

// ready prepares to follow those sources that are not prepared yet.
func (s *sources) ready(ctx context.Context, modes []string) error {
	for _, mode := range modes {
		if _, ready := s.followers[mode]; ready {
			continue
		}
		f, err := s.make(ctx, mode)
		if err != nil {
			return fmt.Errorf("%s: %w", mode, err)
		}
		s.followers[mode] = f
	}
	return nil
}

// Run follows the sources until ctx ends or one of them fails.
func (s *sources) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, mode := range s.configured {
		s.start(ctx, group, mode)
	}
	if s.orderFile != nil {
		group.Go(func() error {
			s.orderFile.found = func(data []byte) { s.reorder(ctx, group, data) }
			s.orderFile.missing = func() { s.use(ctx, group, s.configured) }
			return s.orderFile.Run(ctx)
		})
	}
	group.Go(func() error { return s.expire(ctx) })
	return group.Wait()
}

func (s *sources) expire(ctx context.Context) error {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.live.Expire()
		}
	}
}

// reorder takes a new version of the file of the order.
func (s *sources) reorder(ctx context.Context, group *errgroup.Group, data []byte) {
	modes, err := awsauth.ParseBackendMode(data)
	if err != nil {
		s.log.Error("the file of the backend mode cannot be used; keeping the sources and their order", "error", err)
		return
	}
	s.use(ctx, group, modes)
}

// use searches these sources from now on, once all of them have been read. A source
// that was followed once is followed to the end: going back to it takes no time.
func (s *sources) use(ctx context.Context, group *errgroup.Group, modes []string) {
	if err := s.ready(ctx, modes); err != nil {
		s.log.Error("a source cannot be used; keeping the sources and their order", "error", err)
		return
	}
	for _, mode := range modes {
		s.start(ctx, group, mode)
	}
	modes = awsauth.SearchOrder(modes)
	if err := s.live.Order(modes...); err != nil {
		s.log.Error("the order of the sources cannot be changed", "error", err)
		return
	}
	s.log.Info("sources of mappings, in force once all have been read", "sources", modes)
}

func (s *sources) start(ctx context.Context, group *errgroup.Group, mode string) {
	f := s.followers[mode]
	if s.started[mode] || f == nil {
		return
	}
	s.started[mode] = true
	group.Go(func() error { return f(ctx) })
}

// newFollower prepares to follow a source; nil where there is nothing to follow.
func (a *authenticator) newFollower(ctx context.Context, mode string) (follower, error) {
	switch mode {
	case awsauth.EKSConfigMap:
		return a.followConfigMap()
	case awsauth.CRD:
		return a.followCustomResources()
	case awsauth.DynamicFile:
		return newDynamicFile(a.flags.Server, a.live, a.log).Run, nil
	case awsauth.EKSAccessEntries:
		entries, err := newAccessEntries(ctx, a.flags, a.live, a.log)
		if err != nil {
			return nil, err
		}
		return entries.Run, nil
	}
	return nil, nil
}

func newDynamicFile(s awsauth.Server, live *awsauth.Live, log *slog.Logger) *followedFile {
	update := func(err error) {
		if err != nil {
			log.Error("the dynamic file", "error", err)
		}
	}
	return &followedFile{
		path: s.DynamicFilePath, most: maxConfig, log: log,
		found: func(data []byte) {
			update(live.Update(awsauth.DynamicFile, awsauth.ParseDynamicFile(data, s.DynamicFileUserIDStrict)))
		},
		missing: func() { update(live.Missing(awsauth.DynamicFile)) },
	}
}

// newSources are those of the settings.
func (a *authenticator) newSources() *sources {
	s := &sources{live: a.live, log: a.log, make: a.newFollower, configured: slices.Clone(a.flags.Server.BackendMode)}
	if path := a.flags.Server.DynamicBackendModePath; path != "" {
		s.orderFile = &followedFile{path: path, most: maxBackendMode, log: a.log}
	}
	return s
}

// maxBackendMode bounds the file of the backend mode, in bytes.
const maxBackendMode = 64 << 10
