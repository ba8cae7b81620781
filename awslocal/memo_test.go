package awslocal

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// While worlds are applied one after another, no reader sees one that is older
// than the last that was answered.
func TestReadersSeeWhatWasAnswered(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	apply(t, s, numberedWorld(1))
	id := world(t, s).Accounts[0].Users[0].AccessKeys[0].ID
	var answered atomic.Int64
	answered.Store(1)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				least := answered.Load()
				key, err := s.AccessKey(t.Context(), id)
				if err != nil {
					t.Error(err)
					return
				}
				if got, _ := strconv.ParseInt(strings.Trim(key.Owner.Path, "/"), 10, 64); got < least {
					t.Errorf("read world %d after world %d was answered", got, least)
					return
				}
			}
		})
	}
	for n := 2; n <= 100; n++ {
		apply(t, s, numberedWorld(n))
		answered.Store(int64(n))
	}
	close(done)
	readers.Wait()
}
