package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"
)

// followEvery is how often a file is looked at. It is read rather than watched:
// mounted volumes and editors replace files in ways that watches lose.
const followEvery = time.Second

// followedFile tells of a file's content whenever it is another.
type followedFile struct {
	path    string
	most    int64 // bytes; the content of a longer one is told as far as one byte more
	found   func(data []byte)
	missing func()
	log     *slog.Logger

	known   bool // it has been looked at with success
	there   bool
	data    string
	failure string // of the last look; "" if all was well
}

// Run follows the file until ctx ends, and returns nil.
func (f *followedFile) Run(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		f.look()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look reads the file now. One that cannot be read is as it was.
func (f *followedFile) look() {
	data, err := f.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if !f.known || f.there {
			f.known, f.there, f.data = true, false, ""
			f.missing()
		}
	case err != nil:
		if err.Error() != f.failure {
			f.log.Error("a file cannot be read; keeping what it said", "error", err)
		}
		f.failure = err.Error()
		return
	case !f.known || !f.there || string(data) != f.data:
		f.known, f.there, f.data = true, true, string(data)
		f.found(data)
	}
	f.failure = ""
}

func (f *followedFile) read() ([]byte, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, f.most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.path, err)
	}
	return data, nil
}
