package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateLength = len("20060102")
)

// EmptyPayload is the hash of a body without content, as of every GET.
const EmptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// PayloadHash is the SHA-256 of a request's body in lower-case hex.
func PayloadHash(body []byte) string {
	if len(body) == 0 {
		return EmptyPayload
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Scope is what a signing key is good for: one day, in one region, with one
// service.
type Scope struct {
	Date    string // YYYYMMDD, in UTC
	Region  string
	Service string
}

// String is the scope as it stands in a credential.
func (s Scope) String() string {
	return s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator
}

// parseCredential takes apart KEY/DATE/REGION/SERVICE/aws4_request.
func parseCredential(where, credential string) (accessKeyID string, s Scope, err error) {
	parts := strings.SplitN(credential, "/", 6)
	if len(parts) != 5 {
		return "", Scope{}, &FormatError{Field: where, Message: "is not KEY/DATE/REGION/SERVICE/aws4_request"}
	}
	if parts[4] != terminator {
		return "", Scope{}, &FormatError{Field: where, Message: `does not end in "/aws4_request"`}
	}
	s = Scope{Date: parts[1], Region: parts[2], Service: parts[3]}
	if err := checkAccessKeyID(parts[0]); err != nil {
		return "", Scope{}, err
	}
	return parts[0], s, s.check()
}

// check holds the region and the service to the characters that AWS's have, so
// that neither can break out of the scope. The date is compared with the time of
// the signature by the caller.
func (s Scope) check() error {
	for _, part := range [...]struct{ name, value string }{{"region", s.Region}, {"service", s.Service}} {
		if part.value == "" || len(part.value) > 64 || strings.ContainsFunc(part.value, func(r rune) bool {
			return r > 127 || !isAlphanumeric(byte(r)) && r != '-' && r != '_' && r != '.'
		}) {
			return &FormatError{Field: part.name, Message: "in the credential scope is not 1 to 64 letters, digits, dots, dashes and underscores"}
		}
	}
	return nil
}

// parseTime reads X-Amz-Date, in the one spelling that it has.
func parseTime(s string) (time.Time, error) {
	var room [len(timeFormat)]byte
	t, err := time.Parse(timeFormat, s)
	// time.Parse takes more than Format writes: fractions of a second.
	if err != nil || string(t.AppendFormat(room[:0], timeFormat)) != s {
		return time.Time{}, &FormatError{Field: headerDate, Message: "is not like 20060102T150405Z"}
	}
	return t, nil
}

// formatTime writes X-Amz-Date.
func formatTime(t time.Time) (string, error) {
	s := t.UTC().Format(timeFormat)
	if len(s) != len(timeFormat) {
		return "", &FormatError{Field: "time", Message: fmt.Sprintf("is in the year %d, which X-Amz-Date cannot say", t.UTC().Year())}
	}
	return s, nil
}

// sign is the signature of m at the time stamp, which begins with s.Date.
func (s Scope) sign(m *message, stamp, secret string) ([sha256.Size]byte, error) {
	b := make([]byte, 0, 2048)
	b, err := m.appendCanonical(b, s.Service)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	hash := sha256.Sum256(b)
	b = s.appendStringToSign(b[:0], stamp, hash)
	return [sha256.Size]byte(mac(s.signingKey(secret), b)), nil
}

func (s Scope) appendStringToSign(b []byte, stamp string, canonical [sha256.Size]byte) []byte {
	b = append(b, algorithm+"\n"...)
	b = append(b, stamp...)
	b = append(b, '\n')
	for _, part := range [...]string{s.Date, s.Region, s.Service} {
		b = append(b, part...)
		b = append(b, '/')
	}
	b = append(b, terminator+"\n"...)
	return hex.AppendEncode(b, canonical[:])
}

func (s Scope) signingKey(secret string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range [...]string{s.Date, s.Region, s.Service, terminator} {
		key = mac(key, []byte(part))
	}
	return key
}

func mac(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return h.Sum(nil)
}
