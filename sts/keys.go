package sts

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
)

// sessionKeyPrefix is how the ids of temporary access keys begin; those of
// long-term keys begin with AKIA.
//
// Source: "Understanding unique ID prefixes" in the IAM user guide.
const sessionKeyPrefix = "ASIA"

// newAccessKeyID is ASIA and 16 random characters of A-Z and 2-7.
func newAccessKeyID() string {
	var b [10]byte
	rand.Read(b[:]) // does not fail
	return sessionKeyPrefix + base32.StdEncoding.EncodeToString(b[:])
}

// newSecret is 240 random bits in 40 characters of base64.
func newSecret() string {
	var b [30]byte
	rand.Read(b[:]) // does not fail
	return base64.StdEncoding.EncodeToString(b[:])
}
