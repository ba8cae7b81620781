package controlplane

import (
	"context"
	"fmt"
	"time"
)

const (
	pollInterval     = 25 * time.Millisecond
	progressInterval = 5 * time.Second
)

// await asks ready again and again until it returns nil, and says every few
// seconds why it does not. It gives up when ctx ends or a child process has.
func (c *ControlPlane) await(ctx context.Context, what string, ready func(context.Context) error) error {
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	progress := time.NewTicker(progressInterval)
	defer progress.Stop()
	var last error
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil { // or the reason is only that ctx ended
			last = err
		}
		select {
		case <-doneOf(c.etcd):
			return c.etcd.Err()
		case <-doneOf(c.apiServer):
			return c.apiServer.Err()
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; it said last: %v; the logs are in %s", what, context.Cause(ctx), last, c.files.logs())
		case <-progress.C:
			c.config.Log.Info("still waiting for "+what, "because", last)
		case <-poll.C:
		}
	}
}
