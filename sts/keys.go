package sts

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"strconv"
	"strings"
)

// sessionKeyPrefix is how the ids of temporary access keys begin; those of
// long-term keys begin with AKIA.
//
// Source: "Understanding unique ID prefixes" in the IAM user guide.
const sessionKeyPrefix = "ASIA"

// newAccessKeyID is ASIA and 16 characters of A-Z and 2-7: as in AWS the number of
// the account, from the second bit on in 40 bits, and the rest random.
func newAccessKeyID(accountID string) string {
	var b [10]byte
	rand.Read(b[:]) // does not fail
	account, err := strconv.ParseUint(accountID, 10, 40)
	if err == nil {
		account = account<<7 | uint64(b[5]&0x7f)
		for i := range 6 {
			b[i] = byte(account >> (8 * (5 - i)))
		}
	}
	return sessionKeyPrefix + base32.StdEncoding.EncodeToString(b[:])
}

// accountOf is the account in the id of a temporary key.
func accountOf(accessKeyID string) (accountID string, ok bool) {
	text, session := strings.CutPrefix(accessKeyID, sessionKeyPrefix)
	b, err := base32.StdEncoding.DecodeString(text)
	if !session || err != nil || len(b) != 10 {
		return "", false
	}
	var account uint64
	for i := range 6 {
		account = account<<8 | uint64(b[i])
	}
	accountID = strconv.FormatUint(account>>7&(1<<40-1), 10)
	return strings.Repeat("0", max(0, 12-len(accountID))) + accountID, len(accountID) <= 12
}

// newSecret is 240 random bits in 40 characters of base64.
func newSecret() string {
	var b [30]byte
	rand.Read(b[:]) // does not fail
	return base64.StdEncoding.EncodeToString(b[:])
}
