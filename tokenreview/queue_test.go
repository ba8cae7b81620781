package tokenreview

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// Tokens that wait are bounded, and leave nothing behind.
func TestQueuesAreBounded(t *testing.T) {
	t.Parallel()
	turns := newTurns(Config{MaxCalls: 1, MaxStrangers: 1, MaxUnproven: 1, MaxPerKey: 1, MaxTokens: 1})
	var queues []*queue
	var keys []string
	enter := func(key string) error {
		q, err := turns.enter(key)
		if err == nil {
			queues, keys = append(queues, q), append(keys, key)
		}
		return err
	}
	for i := range maxQueue {
		if err := enter("a"); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if err := enter("a"); !errors.Is(err, errBusy) {
		t.Errorf("one more with the key: %v", err)
	}
	for i := range maxWaiting - maxQueue {
		if err := enter(fmt.Sprint("b", i)); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if err := enter("c"); !errors.Is(err, errBusy) {
		t.Errorf("one more with another key: %v", err)
	}
	for i := range queues {
		turns.leave(keys[i], queues[i])
	}
	giveBack, err := turns.take("host", "a", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := turns.take("host", "b", time.Millisecond); !errors.Is(err, errBusy) {
		t.Errorf("another while the only turn is taken: %v", err)
	}
	giveBack()
	if turns.waiting != 0 || len(turns.queues) != 0 || len(turns.strangers)+len(turns.unproven) != 0 {
		t.Errorf("left behind: %d waiting, %d queues", turns.waiting, len(turns.queues))
	}
}

// Whoever waits for a host that never answered keeps no stranger from one that has:
// every new session of a role is a stranger.
func TestHostsThatNeverAnsweredLeaveTheStrangersTurns(t *testing.T) {
	t.Parallel()
	turns := newTurns(Config{MaxCalls: 2, MaxStrangers: 1, MaxUnproven: 1, MaxPerKey: 1, MaxTokens: 1})
	turns.note("sts", "known", nil)
	nowhere, err := turns.take("nowhere", "a", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan error)
	go func() {
		giveBack, err := turns.take("nowhere", "b", time.Minute)
		if err == nil {
			giveBack()
		}
		waited <- err
	}()
	for waiting := 0; waiting < 2; time.Sleep(time.Millisecond) {
		turns.mu.Lock()
		waiting = turns.waiting
		turns.mu.Unlock()
	}
	time.Sleep(10 * time.Millisecond) // until it waits for its host
	for _, key := range []string{"new", "known"} {
		giveBack, err := turns.take("sts", key, 50*time.Millisecond)
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		giveBack()
	}
	nowhere()
	if err := <-waited; err != nil {
		t.Error(err)
	}
}
