package awslocal

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"strings"

	"github.com/eksauth/eksauth/awsquery"
)

// Prefixes of what is generated.
//
// Source: "Understanding unique ID prefixes" in the IAM user guide.
const (
	userIDPrefix    = "AIDA"
	roleIDPrefix    = "AROA"
	groupIDPrefix   = "AGPA"
	policyIDPrefix  = "ANPA"
	accessKeyPrefix = "AKIA"
)

// newUniqueID is a prefix and 17 random characters of A-Z and 2-7.
func newUniqueID(prefix string) string { return prefix + randomText(17) }

// newAccessKeyID is AKIA and 16 of the same.
func newAccessKeyID() string { return accessKeyPrefix + randomText(16) }

// randomText has five random bits in each character; n is at most 24.
func randomText(n int) string {
	var b [15]byte
	rand.Read(b[:]) // does not fail
	return base32.StdEncoding.EncodeToString(b[:])[:n]
}

// newSecret is 240 random bits in 40 characters of base64.
func newSecret() Secret {
	var b [30]byte
	rand.Read(b[:]) // does not fail
	return Secret(base64.StdEncoding.EncodeToString(b[:]))
}

// NewUUID is a random UUID (RFC 9562, version 4).
func NewUUID() string { return awsquery.NewRequestID() }

// NewAssociationID is a- and 17 random letters and digits.
func NewAssociationID() string { return "a-" + strings.ToLower(randomText(17)) }
