package main

import (
	"errors"
	"io/fs"
	"os"
	"sync"
)

// maxLogFile bounds a log file; the one before it is kept as well.
const maxLogFile = 16 << 20

// logFile is a file to log to that begins anew when it is full.
type logFile struct {
	path string

	mu   sync.Mutex
	file *os.File
	size int64
}

// openLogFile begins a new file at path; the one of the run before becomes
// path.old.
func openLogFile(path string) (*logFile, error) {
	l := &logFile{path: path}
	return l, l.begin()
}

func (l *logFile) begin() error {
	if err := os.Rename(l.path, l.path+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	l.file, l.size = file, 0
	return nil
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(p)) > maxLogFile {
		l.file.Close()
		if err := l.begin(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}

func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
