package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/kube"
)

// newMappings makes the live mappings of the configured sources. The
// configuration file's are in use when it returns.
func newMappings(s *settings, log *slog.Logger, changed func(awsauth.SourceState)) (*awsauth.Live, error) {
	live := awsauth.NewLive(s.Sources()...)
	report := changeReport{log: log, live: live, scrub: newScrubber(s.Server.ScrubbedAccounts)}
	live.OnChange = func(state awsauth.SourceState) {
		report.write(state)
		changed(state)
	}
	if !slices.ContainsFunc(live.State(), func(s awsauth.SourceState) bool { return s.Name == awsauth.MountedFile }) {
		return live, nil
	}
	return live, live.Update(awsauth.MountedFile, s.Mappings)
}

// followConfigMap prepares to watch aws-auth, and to write events about what is
// wrong with it.
func (a *authenticator) followConfigMap() (follower, error) {
	s := a.flags.Server
	config, err := clusterConfig(s.Kubeconfig, s.Master, "aws-auth is to be read from the cluster")
	if err != nil {
		return nil, err
	}
	watch, err := kube.NewConfigMap(config, a.live, a.log)
	if err != nil {
		return nil, err
	}
	watch.Failed = func(error) { a.metrics.watchFails.Inc() }
	events, err := kube.NewEvents(config, "eksauthd-authenticator", a.log)
	if err != nil {
		return nil, err
	}
	a.events.Store(&mappingEvents{events: events, scrub: newScrubber(s.ScrubbedAccounts), grace: a.flags.grace})
	return func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return watch.Run(ctx) })
		group.Go(func() error { return events.Run(ctx) })
		return group.Wait()
	}, nil
}

// followCustomResources prepares to watch IAMIdentityMappings.
func (a *authenticator) followCustomResources() (follower, error) {
	s := a.flags.Server
	config, err := clusterConfig(s.Kubeconfig, s.Master, "custom resources are to be read from the cluster")
	if err != nil {
		return nil, err
	}
	watch, err := kube.NewIdentityMappings(config, a.live, a.log)
	if err != nil {
		return nil, err
	}
	watch.Failed = func(error) { a.metrics.crdWatchFails.Inc() }
	return watch.Run, nil
}

// changeReport says in the log what a changed source means.
type changeReport struct {
	log   *slog.Logger
	live  *awsauth.Live
	scrub scrubber
}

func (r changeReport) write(s awsauth.SourceState) {
	name := displayName(s.Name)
	for _, f := range s.Faults {
		level := slog.LevelWarn
		if f.Severity == awsauth.Error {
			level = slog.LevelError
		}
		r.log.Log(context.Background(), level, name+": "+r.scrub.text(where(f)+f.Message)+consequence(f, s), "source", s.Name, "hint", r.scrub.text(f.Hint))
	}
	for _, e := range s.Kept {
		r.log.Error(name+": keeping the last good entry for "+r.scrub.text(e.Subject()), "source", s.Name, "key", e.Key)
	}
	switch {
	case s.Missing && s.Entries > 0:
		r.log.Error(name+": it is gone; keeping the last good mappings"+r.until(s), "source", s.Name, "entries", s.Entries)
	case s.Silent && s.Entries > 0:
		r.log.Error(name+": it has nothing in it; keeping the last good mappings"+r.until(s), "source", s.Name, "entries", s.Entries,
			"hint", "write an empty list, [], where there shall be no mappings")
	case s.Silent:
		r.log.Warn(name+": it has nothing in it; nobody is mapped by it", "source", s.Name)
	case s.Missing:
		r.log.Warn(name+": it does not exist; nobody is mapped by it", "source", s.Name)
	default:
		r.log.Info(name+": mappings in use", "source", s.Name, "entries", s.Entries)
	}
}

func (r changeReport) until(s awsauth.SourceState) string { return until(s, r.live.Grace) }

// until says when the last mappings of a source that is gone end.
func until(s awsauth.SourceState, grace time.Duration) string {
	if grace <= 0 {
		return ""
	}
	return " until " + s.Since.Add(grace).UTC().Format(time.RFC3339)
}

func displayName(source string) string {
	switch source {
	case awsauth.EKSConfigMap:
		return kube.Name
	case awsauth.MountedFile:
		return "configuration file"
	case awsauth.DynamicFile:
		return "dynamic file"
	case awsauth.CRD:
		return "custom resources"
	}
	return source
}

// where is "mapRoles line 7: ".
func where(f awsauth.Fault) string {
	s := f.Key
	if f.Line > 0 {
		s = strings.TrimPrefix(fmt.Sprintf("%s line %d", s, f.Line), " ")
	}
	if s != "" {
		s += ": "
	}
	return s
}

// consequence says what becomes of the mappings.
func consequence(f awsauth.Fault, s awsauth.SourceState) string {
	switch {
	case f.Severity != awsauth.Error:
		return ""
	case slices.Contains(s.Broken, f.Key) && slices.Contains(s.Stale, f.Key):
		return "; keeping the last good mappings"
	case slices.Contains(s.Broken, f.Key):
		return "; no mappings of " + f.Key + " are in use"
	}
	return "; the entry is not used"
}
