//go:build unix

package oidc

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/filelock"
)

func TestOneAtATime(t *testing.T) {
	t.Parallel()
	r := made(t)
	held, err := filelock.Try(filepath.Join(r.Dir, lockName))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Rotate(ctx, Rotation{}); !errors.Is(err, ErrKeyringBusy) {
		t.Errorf("rotate: %v", err)
	}
	if _, _, err := r.Create(ctx, ringURL, nil, nil); !errors.Is(err, ErrKeyringBusy) {
		t.Errorf("create: %v", err)
	}
	if _, err := r.Load(); err != nil {
		t.Errorf("a reader waits for nobody: %v", err)
	}

	// It waits for who is just at it.
	var wait sync.WaitGroup
	wait.Go(func() {
		if _, err := r.Rotate(t.Context(), Rotation{}); err != nil {
			t.Error(err)
		}
	})
	held.Close()
	wait.Wait()
}

func TestAtTheSameTime(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	var wait sync.WaitGroup
	results := make(chan Created, 4)
	steps := make(chan Step, 4)
	for range 4 {
		wait.Go(func() {
			_, created, err := r.Create(t.Context(), ringURL, nil, func(s *Settings) { s.Algorithm = "ES256" })
			if err != nil {
				t.Error(err)
			}
			results <- created
			done, err := r.Rotate(t.Context(), Rotation{})
			if err != nil {
				t.Error(err)
			}
			steps <- done.Step
		})
	}
	wait.Wait()
	close(results)
	close(steps)
	made, announced := 0, 0
	for created := range results {
		if created == Made {
			made++
		}
	}
	for step := range steps {
		if step == Announce {
			announced++
		}
	}
	if made != 1 || announced != 1 || len(r.load(t).Keys) != 2 {
		t.Errorf("made %d times, announced %d times, %d keys", made, announced, len(r.load(t).Keys))
	}
}
