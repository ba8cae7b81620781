package sigv4

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Headers of a signed request, as net/http spells them.
const (
	headerAuthorization = "Authorization"
	headerDate          = "X-Amz-Date"
	headerSecurityToken = "X-Amz-Security-Token"
)

// Sign signs r in its headers: it sets X-Amz-Date, X-Amz-Security-Token where
// the credentials have one, and Authorization. The signature covers the host,
// the length of the body where there is one, and all headers but those that
// proxies and clients change on the way. payloadHash is [PayloadHash] of the
// body, which Sign does not read.
//
// What is sent must be what was signed, so Sign also takes the scheme's default
// port off the host, and percent-encodes the query the way AWS does (the order
// stays). Nothing else may change r afterwards.
//
// A request that cannot be signed is left as it was and gives a *FormatError.
func Sign(r *http.Request, payloadHash string, c Credentials, region, service string, at time.Time) error {
	s, err := newSigner(r, payloadHash, c, region, service, at)
	if err != nil {
		return err
	}
	header := r.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set(headerDate, s.stamp)
	header.Del(headerSecurityToken)
	if c.SessionToken != "" {
		header.Set(headerSecurityToken, c.SessionToken)
	}
	s.message.query = string(appendParams(nil, s.params))
	if s.message.fields, err = signedFields(header, s.host, r.ContentLength); err != nil {
		return err
	}
	signature, err := s.scope.sign(&s.message, s.stamp, c.SecretAccessKey)
	if err != nil {
		return err
	}
	header.Set(headerAuthorization, algorithm+
		" Credential="+c.AccessKeyID+"/"+s.scope.String()+
		", SignedHeaders="+joinNames(s.message.fields, ";")+
		", Signature="+hex.EncodeToString(signature[:]))
	r.Header, r.Host, r.URL.RawQuery = header, s.host, s.message.query
	return nil
}

// signer is what signing in the headers and in the URL have in common.
type signer struct {
	scope   Scope
	stamp   string
	host    string
	params  []param // of the query, in the order that they had
	message message
}

func newSigner(r *http.Request, payloadHash string, c Credentials, region, service string, at time.Time) (*signer, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	stamp, err := formatTime(at)
	if err != nil {
		return nil, err
	}
	s := &signer{scope: Scope{Date: stamp[:dateLength], Region: region, Service: service}, stamp: stamp}
	if err := s.scope.check(); err != nil {
		return nil, err
	}
	if s.message, err = newMessage(r, payloadHash); err != nil {
		return nil, err
	}
	if s.host, err = hostToSend(r); err != nil {
		return nil, err
	}
	if s.params, err = splitQuery(nil, r.URL.RawQuery); err != nil {
		return nil, err
	}
	for _, p := range s.params {
		if reserved, _ := isReserved(p.key); reserved {
			return nil, &FormatError{Field: "query", Message: "has " + p.key + " already: is it signed?"}
		}
	}
	return s, nil
}

// newMessage is r without query and headers.
func newMessage(r *http.Request, payloadHash string) (message, error) {
	if r.URL == nil || r.URL.Opaque != "" {
		return message{}, &FormatError{Field: "URL", Message: "has no path that could be signed"}
	}
	if payloadHash == "" || strings.ContainsFunc(payloadHash, func(c rune) bool { return c > 127 || !isAlphanumeric(byte(c)) && c != '-' }) {
		return message{}, &FormatError{Field: "payload hash", Message: "is not a hash: use PayloadHash or EmptyPayload"}
	}
	return message{
		method:  cmp.Or(r.Method, http.MethodGet),
		path:    r.URL.EscapedPath(),
		payload: payloadHash,
	}, nil
}

// hostToSend is the Host header that a client should send, without the port if
// it is the scheme's own: some clients leave that out, net/http does not.
func hostToSend(r *http.Request) (string, error) {
	host := cmp.Or(r.Host, r.URL.Host)
	switch r.URL.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	if host == "" || strings.ContainsFunc(host, func(c rune) bool { return c <= ' ' || c > '~' || c == '/' }) {
		return "", &FormatError{Field: "host", Message: "is empty or has characters that no host name has"}
	}
	return host, nil
}

// signedFields are the headers to sign, sorted.
func signedFields(h http.Header, host string, length int64) ([]field, error) {
	fields := append(make([]field, 0, len(h)+2), field{"host", []string{host}})
	if length > 0 {
		fields = append(fields, field{"content-length", []string{strconv.FormatInt(length, 10)}})
	}
	// One header may stand under two spellings; their values go out, and
	// count, in the order of the spellings.
	for _, key := range slices.Sorted(maps.Keys(h)) {
		name := strings.ToLower(key)
		if isUnsignable(name) || len(h[key]) == 0 {
			continue
		}
		if !isFieldName(name) {
			return nil, &FormatError{Field: "header", Message: fmt.Sprintf("%q is not a name that HTTP knows", clip(name))}
		}
		if i := slices.IndexFunc(fields, func(f field) bool { return f.name == name }); i >= 0 {
			fields[i].values = slices.Concat(fields[i].values, h[key])
			continue
		}
		fields = append(fields, field{name, h[key]})
	}
	if len(fields) > maxSignedHeaders {
		return nil, &FormatError{Field: "header", Message: "has too many fields to sign"}
	}
	slices.SortFunc(fields, func(x, y field) int { return cmp.Compare(x.name, y.name) })
	return fields, nil
}

// isUnsignable reports whether a header, in lower case, stays out of the
// signature: those that hold it; those that net/http writes from elsewhere than
// the header map; those that belong to one hop or that proxies rewrite.
func isUnsignable(name string) bool {
	switch name {
	case "authorization",
		"host", "content-length", "user-agent", "transfer-encoding", "trailer",
		"connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "upgrade",
		"accept-encoding", "expect", "x-amzn-trace-id":
		return true
	}
	return false
}

func joinNames(fields []field, separator string) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return strings.Join(names, separator)
}
