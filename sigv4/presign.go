package sigv4

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// MaxExpires is the longest life that a presigned URL may name.
const MaxExpires = 7 * 24 * time.Hour

// Presign signs r in its URL and returns that URL; r stays as it is. Whoever
// sends it must send r's method, body and headers too: the signature covers them
// as it does with [Sign], and no header is moved into the query.
//
// The query begins with r's own parameters in their order, then come X-Amz-
// Algorithm, Credential, Date, Expires, SignedHeaders, Security-Token (where the
// credentials have one) and Signature: botocore's order. The URL's host is the
// one that was signed: r.Host where it is set, and without a default port.
//
// expires is in whole seconds, from 0 to [MaxExpires].
//
// A request that cannot be presigned gives a *FormatError.
func Presign(r *http.Request, payloadHash string, c Credentials, region, service string, at time.Time, expires time.Duration) (*url.URL, error) {
	if expires < 0 || expires > MaxExpires || expires%time.Second != 0 {
		return nil, &FormatError{Field: paramExpires, Message: "is not between 0 and 604800 whole seconds"}
	}
	s, err := newSigner(r, payloadHash, c, region, service, at)
	if err != nil {
		return nil, err
	}
	for _, name := range [...]string{headerAuthorization, headerDate, headerSecurityToken} {
		if len(r.Header.Values(name)) > 0 {
			return nil, &FormatError{Field: name, Message: "is a header of the request already: is it signed?"}
		}
	}
	if s.message.fields, err = signedFields(r.Header, s.host, r.ContentLength); err != nil {
		return nil, err
	}
	query := appendParams(nil, s.params)
	for _, p := range [...]param{
		{paramAlgorithm, algorithm},
		{paramCredential, c.AccessKeyID + "/" + s.scope.String()},
		{paramDate, s.stamp},
		{paramExpires, strconv.FormatInt(int64(expires/time.Second), 10)},
		{paramSignedHeaders, joinNames(s.message.fields, ";")},
		{paramSecurityToken, c.SessionToken},
	} {
		if p.value != "" {
			query = appendParam(query, p)
		}
	}
	s.message.query = string(query)
	signature, err := s.scope.sign(&s.message, s.stamp, c.SecretAccessKey)
	if err != nil {
		return nil, err
	}
	query = appendParam(query, param{paramSignature, hex.EncodeToString(signature[:])})

	u := *r.URL
	if u.Path == "" {
		u.Path = "/"
	}
	// A user or a fragment has no place in what is sent.
	u.Host, u.RawQuery, u.User, u.Fragment, u.RawFragment = s.host, string(query), nil, "", ""
	return &u, nil
}

// appendParam appends one more parameter, its value still to be encoded.
func appendParam(query []byte, p param) []byte {
	if len(query) > 0 {
		query = append(query, '&')
	}
	query = append(query, p.key...)
	query = append(query, '=')
	return appendEncoded(query, p.value, false)
}
