// Package rig has what the benches of servers share: a certificate, a process that
// serves, a handler that does nothing to compare with, and callers.
package rig

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/eksauth/eksauth/internal/child"
	"github.com/eksauth/eksauth/internal/pki"
)

const (
	startTimeout = time.Minute
	stopTimeout  = 10 * time.Second
)

// MakeCertificate writes a pair for 127.0.0.1 into dir, tls.crt and tls.key, and
// returns what its clients trust.
func MakeCertificate(dir string) (*x509.CertPool, error) {
	ca, err := pki.NewCA("bench", time.Now())
	if err != nil {
		return nil, err
	}
	_, err = ca.LoadOrIssue(dir, "tls", pki.Server("127.0.0.1", "localhost"), time.Now())
	return ca.Pool(), err
}

// CertificateFiles are the two of MakeCertificate.
func CertificateFiles(dir string) (cert, key string) {
	return filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
}

// ServeNothing drains requests and answers a constant, with the certificate in dir:
// no server on this machine with the same callers does better.
func ServeNothing(dir, answer string) error {
	pair, err := tls.LoadX509KeyPair(CertificateFiles(dir))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("serving https://%s/\nready\n", listener.Addr())
	text := []byte(answer)
	server := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			w.Write(text)
		}),
	}
	return server.ServeTLS(listener, "", "")
}

// Server is a process that serves, and ends with this one.
type Server struct {
	URL string

	process *child.Process
}

// Start runs a program and waits until it has printed "serving URL" and "ready".
// What it prints goes to a file in dir, as it would to a container's.
func Start(ctx context.Context, dir, path string, args ...string) (*Server, error) {
	log, err := os.CreateTemp(dir, "log-")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	process, err := child.Start(child.Command{
		Name: filepath.Base(path), Path: path, Args: args, Dir: dir, Log: log.Name(),
		Env: []string{"HOME=" + dir, "TMPDIR=" + dir},
	})
	if err != nil {
		return nil, err
	}
	s := &Server{process: process}
	if err := s.await(ctx, log.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", path, err), s.Stop())
	}
	return s, nil
}

// Ask has callers ask, and adds what the process computed meanwhile.
func (s *Server) Ask(ctx context.Context, l Load) (Result, error) {
	before, err := s.CPU()
	if err != nil {
		return Result{}, err
	}
	result, err := l.run(ctx, s.URL)
	if err != nil {
		return Result{}, err
	}
	after, err := s.CPU()
	result.CPU = (after - before) / time.Duration(len(result.Times))
	return result, err
}

func (s *Server) await(ctx context.Context, log string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if url, ok := strings.CutPrefix(line, "serving "); ok {
				s.URL = strings.Replace(strings.TrimSpace(url), "localhost", "127.0.0.1", 1)
			}
			if line == "ready\n" && s.URL != "" {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-s.process.Done():
			return s.process.Err()
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w", ctx.Err())
		}
	}
}

// Stop ends the process; when it returns, the process is gone.
func (s *Server) Stop() error { return s.process.Stop(context.Background(), stopTimeout) }

// Memory is what the process has of it now, in bytes (Linux).
func (s *Server) Memory() (int64, error) { return s.status("VmRSS:") }

// PeakMemory is the most that it ever had.
func (s *Server) PeakMemory() (int64, error) { return s.status("VmHWM:") }

// CPU is the time that the process has computed so far, in the kernel and outside
// (Linux).
func (s *Server) CPU() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.process.PID()))
	if err != nil {
		return 0, err
	}
	// The program's name, in parentheses, may have spaces. Times are in hundredths
	// of a second on all that Linux runs on.
	_, rest, _ := strings.Cut(string(stat), ") ")
	words := strings.Fields(rest)
	if len(words) < 13 {
		return 0, fmt.Errorf("no times in the stat of process %d", s.process.PID())
	}
	var sum time.Duration
	for _, word := range words[11:13] {
		ticks, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ticks) * 10 * time.Millisecond
	}
	return sum, nil
}

func (s *Server) status(field string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.PID()))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), field)
	words := strings.Fields(rest)
	if len(words) == 0 {
		return 0, fmt.Errorf("no %s in the status of process %d", field, s.process.PID())
	}
	kib, err := strconv.ParseInt(words[0], 10, 64)
	return kib << 10, err
}
