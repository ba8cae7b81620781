package sigv4

import (
	"cmp"
	"crypto/hmac"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Verify reports whether the holder of the secret key signed r, the request that
// s was parsed from, with a body of the hash payloadHash. Take that from the
// body that arrived, never from the request's X-Amz-Content-Sha256.
//
// nil means yes. [ErrMismatch] means no. A *FormatError means that the signature
// does not cover enough to mean anything: not the host, or not an x-amz-* header
// that the request has, or a header that it does not have.
//
// The comparison takes the same time whatever the signature. How old it is, is
// CheckTime's business.
func (s Signature) Verify(r *http.Request, payloadHash, secret string) error {
	// The key of an empty secret is everybody's.
	if secret == "" {
		return errors.New("verify signature: no secret key")
	}
	m, err := newMessage(r, payloadHash)
	if err != nil {
		return err
	}
	m.query = r.URL.RawQuery
	if !slices.Contains(s.SignedHeaders, "host") {
		return &FormatError{Field: "host", Message: "is not signed"}
	}
	if name, ok := s.unsigned(r.Header); ok {
		return &FormatError{Field: name, Message: "is a header of the request, but not signed"}
	}
	var room [16]field
	m.fields = room[:0]
	for _, name := range s.SignedHeaders {
		values := received(r, name)
		if len(values) == 0 {
			return &FormatError{Field: clip(name), Message: "is signed, but not a header of the request"}
		}
		m.fields = append(m.fields, field{name, values})
	}
	stamp, err := formatTime(s.Time)
	if err != nil {
		return err
	}
	want, err := s.Scope.sign(&m, stamp, secret)
	if err != nil {
		return err
	}
	if !hmac.Equal(want[:], s.signature[:]) {
		return ErrMismatch
	}
	return nil
}

// unsigned finds an x-amz-* header that the signature does not cover, the first
// by name. Somebody else may have put it there.
func (s Signature) unsigned(h http.Header) (name string, found bool) {
	for key := range h {
		if len(key) < 6 || !strings.EqualFold(key[:6], "X-Amz-") {
			continue
		}
		// received looks under the canonical key only.
		_, signed := slices.BinarySearch(s.SignedHeaders, strings.ToLower(key))
		if signed && key == http.CanonicalHeaderKey(key) {
			continue
		}
		if !found || key < name {
			name, found = key, true
		}
	}
	return clip(name), found
}

// received is what a header was on the wire; nil if it was not there. net/http
// keeps some of them outside the map.
func received(r *http.Request, name string) []string {
	switch name {
	case "host":
		if host := cmp.Or(r.Host, r.URL.Host); host != "" {
			return []string{host}
		}
		return nil
	case "content-length":
		if r.ContentLength >= 0 {
			return []string{strconv.FormatInt(r.ContentLength, 10)}
		}
		return nil
	case "transfer-encoding":
		return r.TransferEncoding
	}
	return r.Header[http.CanonicalHeaderKey(name)]
}

// clip shortens a stranger's header name for an error.
func clip(name string) string {
	const most = 64
	if len(name) > most {
		return name[:most] + "…"
	}
	return name
}

const (
	// skew is how far the clocks of signer and verifier may be apart.
	skew = 5 * time.Minute
	// presignedLife is how long STS honours a presigned request, whatever
	// its X-Amz-Expires says.
	presignedLife = 15 * time.Minute
)

// CheckTime reports whether the signature is current at now, the way STS does: a
// signed request for five minutes on either side of its time; a presigned one
// for fifteen minutes after it, and five before for the sake of slow clocks,
// whatever X-Amz-Expires says. Both ends are included, in whole seconds.
//
// The error is a *TimeError.
func (s Signature) CheckTime(now time.Time) error {
	now = now.UTC().Truncate(time.Second)
	life := skew
	if s.Presigned {
		life = presignedLife
	}
	switch age := now.Sub(s.Time); {
	case age > life:
		return &TimeError{Signed: s.Time, Now: now, Limit: life}
	case age < -skew:
		return &TimeError{Signed: s.Time, Now: now, Limit: skew, NotYet: true}
	}
	return nil
}

// String names the signature without giving it away.
func (s Signature) String() string {
	kind := "signed"
	if s.Presigned {
		kind = "presigned"
	}
	return kind + " by " + s.AccessKeyID + "/" + s.Scope.String() + " at " + s.Time.UTC().Format(timeFormat)
}

// GoString keeps the signature out of %#v.
func (s Signature) GoString() string { return "sigv4.Signature(" + s.String() + ")" }

// LogValue keeps the signature out of logs.
func (s Signature) LogValue() slog.Value { return slog.StringValue(s.String()) }
