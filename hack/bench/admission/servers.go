package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/eksauth/eksauth/internal/pki"
)

// makeCertificate writes a pair for 127.0.0.1 into dir.
func makeCertificate(dir string) (*x509.CertPool, error) {
	ca, err := pki.NewCA("bench", time.Now())
	if err != nil {
		return nil, err
	}
	_, err = ca.LoadOrIssue(dir, "tls", pki.Server("127.0.0.1", "localhost"), time.Now())
	return ca.Pool(), err
}

// serveNothing drains requests and answers a constant.
func serveNothing(dir string) error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("serving https://%s/mutate\nready\n", listener.Addr())
	answer := []byte(`{"response":{"allowed":true}}`)
	server := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			w.Write(answer)
		}),
	}
	return server.ServeTLS(listener, "", "")
}

// server is a process that serves.
type server struct {
	cmd *exec.Cmd
	url string
}

// startServer waits until the process says ready. Its log goes to a file, as it
// would to a container's.
func startServer(dir, path string, args ...string) (*server, error) {
	s := &server{cmd: exec.Command(path, args...)}
	stderr, err := os.CreateTemp(dir, "log-")
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	s.cmd.Stderr = stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), "serving "); ok {
			s.url = strings.Replace(url, "localhost", "127.0.0.1", 1)
		}
		if lines.Text() == "ready" {
			return s, nil
		}
	}
	ended := s.cmd.Wait()
	log, err := os.ReadFile(stderr.Name())
	return nil, errors.Join(fmt.Errorf("%s ended before it was ready: %w\n%s", path, ended, log), err)
}

func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it was killed
}

// memory is what the process has of it now, in bytes (Linux).
func (s *server) memory() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("no VmRSS in the status of process %d", s.cmd.Process.Pid)
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10, err
}

// newAPIServer has so many service accounts, every fourth with a role.
func newAPIServer(accounts int) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("watch") == "" {
			http.NotFound(w, r)
			return
		}
		out := json.NewEncoder(w)
		for i := range accounts {
			annotations := map[string]string{}
			if i%4 == 0 {
				annotations["eks.amazonaws.com/role-arn"] = fmt.Sprintf("arn:aws:iam::111122223333:role/application-%d", i)
			}
			name := fmt.Sprintf("application-%d", i)
			if i == 0 {
				name = "app"
			}
			out.Encode(event("ADDED", "apps", name, annotations))
		}
		out.Encode(event("BOOKMARK", "", "", map[string]string{"k8s.io/initial-events-end": "true"}))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
}

func event(kind, namespace, name string, annotations map[string]string) map[string]any {
	return map[string]any{"type": kind, "object": map[string]any{
		"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
		"metadata": map[string]any{"namespace": namespace, "name": name, "annotations": annotations, "resourceVersion": "7", "uid": "6f3b1f0e-9d57-4c1b-8a5c-1d2f3c4b5a69"},
	}}
}
