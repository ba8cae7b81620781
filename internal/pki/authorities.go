package pki

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Authorities are those of one server, the oldest first. There are two for a
// while before the older one stops signing, so that whoever trusts it can be told
// of the next in time: no certificate is served that somebody does not trust yet.
type Authorities []*CA

// AuthorityName is what the files of the nth authority are called, without .crt
// and .key: ca, ca-2, ca-3 and so on.
func AuthorityName(n int) string {
	if n == 1 {
		return "ca"
	}
	return "ca-" + strconv.Itoa(n)
}

var authorityFile = regexp.MustCompile(`^ca(?:-([2-9]|[1-9][0-9]{1,3}))?\.crt$`)

// AuthorityNumber reads the name of a certificate's file, such as ca-2.crt; 0 is
// the name of something else.
func AuthorityNumber(file string) int {
	m := authorityFile.FindStringSubmatch(file)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(cmp.Or(m[1], "1"))
	if err != nil {
		return 0
	}
	return n
}

// LoadOrCreateAuthorities returns those that are kept in dir, and makes another
// called commonName, and dir, when one is due. Errors are LoadOrCreateCA's.
func LoadOrCreateAuthorities(dir, commonName string, now time.Time, notice time.Duration) (Authorities, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("certificate authorities: %w", err)
	}
	var numbers []int
	for _, e := range entries {
		if n := AuthorityNumber(e.Name()); n > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	var as Authorities
	for _, n := range numbers {
		ca, err := loadCA(dir, AuthorityName(n))
		if err != nil {
			return nil, fmt.Errorf("certificate authority: %w", err)
		}
		if ca != nil {
			as = append(as, ca)
		}
	}
	if !as.Due(now, notice) {
		return as, nil
	}
	next := 1
	if len(numbers) > 0 {
		next = numbers[len(numbers)-1] + 1
	}
	ca, err := createCA(dir, AuthorityName(next), commonName, now)
	if err != nil {
		return nil, err
	}
	return append(as, ca), nil
}

// Signing is the one to sign with: the oldest that outlives what it signs, or the
// youngest. It is nil if there is none.
func (as Authorities) Signing(now time.Time) *CA {
	for _, ca := range as {
		if now.Before(ca.signsUntil()) {
			return ca
		}
	}
	if len(as) == 0 {
		return nil
	}
	return as[len(as)-1]
}

// Due reports whether another should be made, to be known for the time of notice
// before it has to sign.
func (as Authorities) Due(now time.Time, notice time.Duration) bool {
	return len(as) == 0 || !now.Before(as[len(as)-1].signsUntil().Add(-notice))
}

// PEM is what clients must trust: all that have not ended.
func (as Authorities) PEM(now time.Time) []byte {
	var all bytes.Buffer
	for _, ca := range as {
		if now.Before(ca.cert.NotAfter) {
			all.Write(ca.certPEM)
		}
	}
	return all.Bytes()
}

// Signed reports whether one of those that have not ended signed cert.
func (as Authorities) Signed(cert *x509.Certificate, now time.Time) bool {
	return slices.ContainsFunc(as, func(ca *CA) bool {
		return now.Before(ca.cert.NotAfter) && cert.CheckSignatureFrom(ca.cert) == nil
	})
}

// signsUntil leaves the last certificate that it signs its whole life.
func (ca *CA) signsUntil() time.Time { return ca.cert.NotAfter.Add(-leafLifetime - renewBefore) }

// Fits reports whether cert is good for all the names, and will be for some time.
// Names are DNS names and IP addresses.
func Fits(cert *x509.Certificate, names []string, now time.Time) bool {
	for _, name := range names {
		if cert.VerifyHostname(hostname(name)) != nil {
			return false
		}
	}
	return !now.Before(cert.NotBefore) && now.Before(cert.NotAfter.Add(-renewBefore))
}

// hostname writes an IP address as VerifyHostname wants it.
func hostname(name string) string {
	if net.ParseIP(name) != nil {
		return "[" + name + "]"
	}
	return name
}
