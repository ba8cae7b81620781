package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxLength bounds a token. aws-iam-authenticator has the same bound.
	maxLength = 4096

	maxExpires = 900 // seconds; what clients write lies within

	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"

	wantSignedHeaders = "host;" + ClusterIDHeader
)

// Request is the GetCallerIdentity request that a token carries, in checked
// parts. That it is well-formed says nothing about who made it.
type Request struct {
	Scheme       string // "https", or "http" for a local STS
	Host         string // as signed, with the port if there is one
	AccessKeyID  string
	Region       string // of the credential scope
	Date         time.Time
	Expires      time.Duration // X-Amz-Expires: STS ignores it
	signed       string        // X-Amz-SignedHeaders
	sessionToken string
	signature    string
}

// Expiry is when STS stops honouring the request.
func (r *Request) Expiry() time.Time { return r.Date.Add(Lifetime) }

// Temporary reports whether the credentials that signed were a session's.
func (r *Request) Temporary() bool { return r.sessionToken != "" }

// Parse takes a token apart. It accepts what clients in the field write and
// nothing else: the nine known query parameters in their exact case, each
// once; GetCallerIdentity; the two signed headers. Errors are *Error with
// reason Malformed. Neither the clock nor the host's name is looked at: that
// is a Verifier's decision.
func Parse(raw string) (*Request, error) {
	req, faults := parse(raw)
	if len(faults) > 0 {
		return nil, &Error{Reason: Malformed, Message: "not an EKS token: " + faults[0].Error(), Hint: faults[0].hint}
	}
	return req, nil
}

// fault is one thing wrong with a token.
type fault struct{ text, hint string }

func (f fault) Error() string { return f.text }

// parse goes on after a fault where it can, so that Inspect can name them all.
// The request is never nil, and complete only without faults.
func parse(raw string) (*Request, []fault) {
	req := &Request{}
	u, err := decode(raw)
	if err != nil {
		var f fault
		errors.As(err, &f)
		return req, []fault{f}
	}
	var faults []fault
	add := func(format string, args ...any) {
		faults = append(faults, fault{text: fmt.Sprintf(format, args...)})
	}
	req.Scheme, req.Host = u.Scheme, u.Host
	if u.Scheme != "https" && u.Scheme != "http" {
		add("the URL's scheme is neither https nor http")
	}
	if u.Host == "" {
		add("the URL has no host")
	}
	if u.Path != "/" || u.RawPath != "" {
		add("the URL's path is not /")
	}
	if u.User != nil || u.Fragment != "" || u.RawFragment != "" || u.Opaque != "" {
		add("the URL has user information or a fragment")
	}
	params, paramFaults := parseQuery(u.RawQuery)
	faults = append(faults, paramFaults...)
	faults = append(faults, req.take(params)...)
	return req, faults
}

// decode undoes the outer layers: prefix, base64, URL. Its errors are faults.
func decode(raw string) (*url.URL, error) {
	if len(raw) > maxLength {
		return nil, fault{text: fmt.Sprintf("it is %d bytes long; at most %d are allowed", len(raw), maxLength)}
	}
	encoded, ok := strings.CutPrefix(raw, Prefix)
	if !ok {
		f := fault{text: fmt.Sprintf("it does not begin with %q", Prefix)}
		if strings.Count(raw, ".") == 2 && strings.HasPrefix(raw, "ey") {
			f.hint = "this looks like a JWT, such as a service account's token"
		}
		return nil, f
	}
	// Strict: else two texts decode to one token, which helps nobody honest.
	text, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") {
		f := fault{text: "what follows the prefix is not base64url without padding"}
		if strings.ContainsAny(encoded, " \t\r\n=") {
			f.hint = "it has white space or padding: was it cut or wrapped when it was copied?"
		}
		return nil, f
	}
	u, err := url.Parse(string(text))
	if err != nil {
		// url.Parse repeats its input, which here holds a session token.
		return nil, fault{text: "its content is not a URL"}
	}
	return u, nil
}

// known are the query parameters of a token, in their exact case.
var known = []string{
	"Action", "Version",
	"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
	"X-Amz-SignedHeaders", "X-Amz-Security-Token", "X-Amz-Signature",
}

// parseQuery does not use url.ParseQuery, which folds '+' to a space, joins
// duplicates, and drops what it cannot read. A ';' must be escaped: to some it
// separates parameters.
func parseQuery(raw string) (map[string]string, []fault) {
	params := make(map[string]string, len(known))
	var faults []fault
	add := func(format string, args ...any) {
		faults = append(faults, fault{text: fmt.Sprintf(format, args...)})
	}
	for pair := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if !slices.Contains(known, key) {
			if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, key) }); i >= 0 {
				add("the query parameter %q must be written %q", key, known[i])
			} else {
				add("it has a query parameter that no EKS token has: %.40q", key)
			}
			continue
		}
		if _, twice := params[key]; twice {
			add("the query parameter %s stands twice", key)
			continue
		}
		text, err := url.PathUnescape(value)
		if err != nil || strings.ContainsAny(value, "+;") || strings.ContainsFunc(text, notPrintableASCII) {
			add("the value of the query parameter %s is not properly encoded", key)
			continue
		}
		params[key] = text
	}
	return params, faults
}

func notPrintableASCII(r rune) bool { return r <= ' ' || r >= 0x7f }

// take checks the parameters and keeps their values.
func (r *Request) take(params map[string]string) []fault {
	var faults []fault
	add := func(format string, args ...any) {
		faults = append(faults, fault{text: fmt.Sprintf(format, args...)})
	}
	exactly := func(key, want string) {
		if got := params[key]; got != want {
			add("%s is %.40q, not %q", key, got, want)
		}
	}
	exactly("Action", action)
	exactly("Version", apiVersion)
	exactly("X-Amz-Algorithm", algorithm)
	if r.signed = params["X-Amz-SignedHeaders"]; r.signed != wantSignedHeaders {
		f := fault{text: fmt.Sprintf("X-Amz-SignedHeaders is %.80q, not %q", r.signed, wantSignedHeaders)}
		if !slices.Contains(strings.Split(r.signed, ";"), ClusterIDHeader) {
			f.hint = "the signature does not cover the cluster's name, so this could be replayed to any cluster"
		} else {
			f.hint = "an authenticator sends no headers but these two, so STS would refuse it; the client signed more than it should"
		}
		faults = append(faults, f)
	}
	var err error
	// time.Parse also takes fractions of a second, which no client writes.
	if r.Date, err = time.Parse(timeFormat, params["X-Amz-Date"]); err != nil || r.Date.Format(timeFormat) != params["X-Amz-Date"] {
		r.Date = time.Time{}
		add("X-Amz-Date is %.20q, not a time such as 20260102T150405Z", params["X-Amz-Date"])
	}
	// In one spelling, because STS is asked again with the number.
	seconds, err := strconv.ParseUint(params["X-Amz-Expires"], 10, 16)
	// What is asked holds the number as we write it, so it must stand there so.
	if err != nil || seconds > maxExpires || strconv.FormatUint(seconds, 10) != params["X-Amz-Expires"] {
		add("X-Amz-Expires is %.20q, not a number of seconds from 0 to %d", params["X-Amz-Expires"], maxExpires)
	}
	r.Expires = time.Duration(seconds) * time.Second
	if f := r.takeCredential(params["X-Amz-Credential"], params["X-Amz-Date"]); f != "" {
		add("%s", f)
	}
	r.signature = params["X-Amz-Signature"]
	if len(r.signature) != 64 || strings.Trim(r.signature, "0123456789abcdef") != "" {
		add("X-Amz-Signature is not 64 hexadecimal digits")
	}
	var hasToken bool
	if r.sessionToken, hasToken = params["X-Amz-Security-Token"]; hasToken && r.sessionToken == "" {
		add("X-Amz-Security-Token is empty")
	}
	return faults
}

// takeCredential reads ACCESSKEYID/DATE/REGION/sts/aws4_request.
func (r *Request) takeCredential(credential, date string) (fault string) {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 {
		return "X-Amz-Credential is not KEY/DATE/REGION/sts/aws4_request"
	}
	r.AccessKeyID, r.Region = parts[0], parts[2]
	switch {
	case len(r.AccessKeyID) < 16 || len(r.AccessKeyID) > 128 || strings.ContainsFunc(r.AccessKeyID, notKeyCharacter):
		return "X-Amz-Credential does not begin with an access key id"
	case !strings.HasPrefix(date, parts[1]+"T"):
		return "the date in X-Amz-Credential is not that of X-Amz-Date"
	case r.Region == "":
		return "X-Amz-Credential names no region"
	case parts[3] != service:
		return fmt.Sprintf("X-Amz-Credential is for the service %.20q, not sts", parts[3])
	case parts[4] != "aws4_request":
		return "X-Amz-Credential does not end with aws4_request"
	}
	return ""
}

// notKeyCharacter: STS documents access key ids as [\w]{16,128}.
func notKeyCharacter(c rune) bool {
	return !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == '_')
}
