package sigv4

import (
	"log/slog"
	"strings"
)

// Credentials are what a request is signed with. Printed or logged, they show
// the access key ID only.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string `json:"-"`
	SessionToken    string `json:"-"` // "" with the long-lived keys of a user
}

// String names the credentials without giving them away.
func (c Credentials) String() string {
	if c.SessionToken != "" {
		return c.AccessKeyID + " (temporary)"
	}
	return c.AccessKeyID
}

// GoString keeps secrets out of %#v.
func (c Credentials) GoString() string { return "sigv4.Credentials(" + c.String() + ")" }

// LogValue keeps secrets out of logs.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

func (c Credentials) check() error {
	if err := checkAccessKeyID(c.AccessKeyID); err != nil {
		return err
	}
	if c.SecretAccessKey == "" {
		return &FormatError{Field: "secret access key", Message: "is empty"}
	}
	if c.SessionToken == "" {
		return nil
	}
	return checkSessionToken("session token", c.SessionToken)
}

// checkAccessKeyID holds an access key ID to IAM's accessKeyIdType, but for its
// minimum of 16 characters.
func checkAccessKeyID(id string) error {
	if id == "" || len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return r > 127 || !isAlphanumeric(byte(r)) && r != '_' }) {
		return &FormatError{Field: "access key ID", Message: "is not 1 to 128 letters, digits and underscores"}
	}
	return nil
}

// maxSessionToken bounds a session token, in bytes. STS warns that they grow;
// real ones have stayed under 4 KiB.
const maxSessionToken = 16 << 10

func checkSessionToken(field, token string) error {
	if token == "" || len(token) > maxSessionToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return &FormatError{Field: field, Message: "is not a session token: 1 to 16384 printable characters without spaces"}
	}
	return nil
}
