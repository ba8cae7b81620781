package oidc

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// fetchTimeout bounds both documents together. AWS's STS waits as long.
	fetchTimeout = 5 * time.Second

	maxDiscovery = 64 << 10
	maxJWKS      = 256 << 10
)

// fetchKeys asks an issuer for its keys, over https only (OpenID Connect
// Discovery 1.0 section 4).
func fetchKeys(ctx context.Context, client *http.Client, issuer string) (publishedKeys, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	data, err := get(ctx, client, strings.TrimSuffix(issuer, "/")+DiscoveryPath, maxDiscovery)
	if err != nil {
		return nil, err
	}
	var discovery struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(data, &discovery); err != nil {
		return nil, refuse(Document, "the issuer's discovery document is not JSON of the right form")
	}
	// Without this, one issuer's document could lend its keys to another
	// (section 4.3).
	if discovery.Issuer != issuer {
		return nil, refuse(Document, "the discovery document of %q names another issuer, %.100q; they must be equal to the last character", issuer, discovery.Issuer)
	}
	u, err := url.Parse(discovery.JWKS)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, refuse(Document, "the issuer's jwks_uri %.100q is not an https URL", discovery.JWKS)
	}
	data, err = get(ctx, client, discovery.JWKS, maxJWKS)
	if err != nil {
		return nil, err
	}
	return parseJWKS(data)
}

// get reads one document, and repeats nothing of it in errors.
func get(ctx context.Context, client *http.Client, target string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, refuse(Document, "%.200q cannot be asked for", target)
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, unanswered(target, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return nil, refuse(Unreachable, "%.200q answered HTTP %d", target, resp.StatusCode)
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return nil, refuse(Document, "%.200q answered with a redirect (HTTP %d), which is never followed", target, resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return nil, refuse(Document, "%.200q answered HTTP %d", target, resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, unanswered(target, err)
	}
	if int64(len(data)) > limit {
		return nil, refuse(Document, "%.200q is larger than %d bytes", target, limit)
	}
	return data, nil
}

func unanswered(target string, err error) error {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err // the URL is said already
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return refuse(Untrusted, "the TLS certificate of %.200q is not trusted: %w", target, err)
	}
	return refuse(Unreachable, "%.200q could not be asked: %w", target, err)
}

// newTransport bounds what an issuer can make us hold.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		MaxResponseHeaderBytes: 64 << 10,
		IdleConnTimeout:        30 * time.Second,
		ForceAttemptHTTP2:      true,
	}
}
