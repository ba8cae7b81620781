package serving

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Together runs servers and the work that they answer from. When ctx ends, or any
// of them fails, the servers end first and the work goes on until they have: what
// is being answered to the end is answered from what is known, not from what was
// known when the end began. It returns the first error.
func Together(ctx context.Context, servers, work []func(context.Context) error) error {
	group, ending := errgroup.WithContext(ctx)
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var serving sync.WaitGroup
	for _, serve := range servers {
		serving.Add(1)
		group.Go(func() error {
			defer serving.Done()
			return serve(ending)
		})
	}
	for _, do := range work {
		group.Go(func() error { return do(working) })
	}
	group.Go(func() error {
		<-ending.Done()
		serving.Wait()
		stop()
		return nil
	})
	return group.Wait()
}
