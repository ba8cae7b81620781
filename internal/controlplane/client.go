package controlplane

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	requestTimeout = 10 * time.Second
	maxAnswer      = 1 << 20
)

// client is the administrator at the API server. It is this small because the
// package must not link client-go.
type client struct {
	url  string
	http *http.Client
}

func newClient(url string, trust *x509.CertPool, admin tls.Certificate) *client {
	return &client{url: url, http: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trust, Certificates: []tls.Certificate{admin}, MinVersion: tls.VersionTLS12},
	}}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// statusError is a Kubernetes Status that is not a success (meta/v1).
type statusError struct {
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func (e *statusError) Error() string { return e.Message }

// ready returns nil when the API server says that it is.
func (c *client) ready(ctx context.Context) error {
	// Short, so that a request which meets a server that is only half up is asked again.
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return c.do(ctx, http.MethodGet, "/readyz", "", nil)
}

func (c *client) create(ctx context.Context, path string, object any) error {
	err := c.do(ctx, http.MethodPost, path, "application/json", object)
	var status *statusError
	if errors.As(err, &status) && status.Reason == "AlreadyExists" {
		return nil
	}
	return err
}

func (c *client) apply(ctx context.Context, path string, object any) error {
	return c.do(ctx, http.MethodPatch, path+"?fieldManager=eksauth&force=true", "application/apply-patch+yaml", object)
}

func (c *client) do(ctx context.Context, method, path, contentType string, object any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var body io.Reader
	if object != nil {
		data, err := json.Marshal(object)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(data)
	}
	resp, err := c.send(ctx, method, path, contentType, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	// Read to its end, or the connection cannot be used again.
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	return err
}

// send returns the answer if it is a success; its body must be closed.
func (c *client) send(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %s: %w", method, path, resp.Status, err)
	}
	status := &statusError{}
	if json.Unmarshal(answer, status) != nil || status.Message == "" {
		status = &statusError{Code: resp.StatusCode, Message: summary(string(answer), resp.Status)}
	}
	return nil, fmt.Errorf("%s %s: %w", method, path, status)
}

// summary says which checks of a health check's answer are not well.
func summary(answer, status string) string {
	var bad []string
	for line := range strings.Lines(answer) {
		if check, ok := strings.CutPrefix(line, "[-]"); ok {
			check, _, _ = strings.Cut(check, " ")
			bad = append(bad, check)
		}
	}
	if len(bad) == 0 {
		return status
	}
	return status + ", not yet well: " + strings.Join(bad, ", ")
}
