package sigv4

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Query parameters of a presigned request. Their case matters.
const (
	paramAlgorithm     = "X-Amz-Algorithm"
	paramCredential    = "X-Amz-Credential"
	paramDate          = "X-Amz-Date"
	paramExpires       = "X-Amz-Expires"
	paramSignedHeaders = "X-Amz-SignedHeaders"
	paramSecurityToken = "X-Amz-Security-Token"
	paramSignature     = "X-Amz-Signature"
)

// isReserved reports whether a query key is one of the above, and whether that
// is so only but for its case.
func isReserved(key string) (reserved, otherCase bool) {
	if len(key) < 6 || !strings.EqualFold(key[:6], "X-Amz-") {
		return false, false
	}
	for _, name := range [...]string{paramAlgorithm, paramCredential, paramDate, paramExpires, paramSignedHeaders, paramSecurityToken, paramSignature} {
		if strings.EqualFold(key, name) {
			return true, key != name
		}
	}
	return false, false
}

// parseAuthQuery finds the reserved parameters in a query; others may stand
// there as they like.
func parseAuthQuery(raw string) (map[string]string, error) {
	if len(raw) > maxQuery {
		return nil, &FormatError{Field: "query", Message: "is too long"}
	}
	q := map[string]string{}
	for pair := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		if err != nil {
			return nil, &FormatError{Field: "query", Message: "has a broken percent-encoding"}
		}
		reserved, otherCase := isReserved(key)
		if !reserved {
			continue
		}
		if otherCase {
			return nil, &FormatError{Field: "query", Message: "has a parameter of the signature in another case"}
		}
		if _, twice := q[key]; twice {
			return nil, &FormatError{Field: key, Message: "stands in the query twice"}
		}
		if q[key], err = url.QueryUnescape(value); err != nil {
			return nil, &FormatError{Field: key, Message: "has a broken percent-encoding"}
		}
	}
	return q, nil
}

func parsePresigned(h http.Header, q map[string]string) (Signature, error) {
	for _, name := range [...]string{headerDate, headerSecurityToken} {
		if len(h[name]) > 0 {
			return Signature{}, &FormatError{Field: name, Message: "is a header beside a signature in the query"}
		}
	}
	for _, name := range [...]string{paramAlgorithm, paramCredential, paramDate, paramSignedHeaders, paramSignature} {
		if _, ok := q[name]; !ok {
			return Signature{}, &FormatError{Field: name, Message: "is missing from the query"}
		}
	}
	if q[paramAlgorithm] != algorithm {
		return Signature{}, &FormatError{Field: paramAlgorithm, Message: "is not " + algorithm}
	}
	raw := rawSignature{q[paramCredential], q[paramDate], q[paramSignedHeaders], q[paramSignature]}
	s, err := raw.parse(paramCredential, paramSignedHeaders, paramSignature)
	if err != nil {
		return Signature{}, err
	}
	s.Presigned = true
	// aws-sdk-go-v2 leaves X-Amz-Expires out unless it is told otherwise.
	if v, ok := q[paramExpires]; ok {
		if s.Expires, err = parseExpires(v); err != nil {
			return Signature{}, err
		}
	}
	if v, ok := q[paramSecurityToken]; ok {
		if err := checkSessionToken(paramSecurityToken, v); err != nil {
			return Signature{}, err
		}
		s.SessionToken = v
	}
	return s, nil
}

func parseExpires(v string) (time.Duration, error) {
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil || n > uint64(MaxExpires/time.Second) {
		return 0, &FormatError{Field: paramExpires, Message: "is not a number of seconds from 0 to 604800"}
	}
	return time.Duration(n) * time.Second, nil
}
