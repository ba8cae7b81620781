package kube

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

var webhookNames = []string{"pod-identity-webhook.eksauth.svc", "127.0.0.1"}

func renewed(t *testing.T, data map[string][]byte, now time.Time) renewal {
	t.Helper()
	r, err := renew(data, webhookNames, now, day)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// verify is what an API server does that trusts the authorities of trust.
func verify(t *testing.T, trust renewal, serves map[string][]byte, now time.Time) error {
	t.Helper()
	pair, err := tls.X509KeyPair(serves["tls.crt"], serves["tls.key"])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(trust.authorities.PEM(now))
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: webhookNames[0], CurrentTime: now})
	return err
}

func keys(r renewal) string { return strings.Join(slices.Sorted(maps.Keys(r.data)), " ") }

func TestAnEmptySecretIsFilled(t *testing.T) {
	t.Parallel()
	now := time.Now()
	r := renewed(t, nil, now)
	if !r.changed || len(r.faults) > 0 || keys(r) != "ca.crt ca.key tls.crt tls.key" {
		t.Errorf("%v %v %s", r.changed, r.faults, keys(r))
	}
	if err := verify(t, r, r.data, now); err != nil {
		t.Error(err)
	}
	if again := renewed(t, r.data, now.Add(300*day)); again.changed {
		t.Error("renewed two months before the end")
	}
	if again := renewed(t, r.data, now.Add(336*day)); !again.changed || bytes.Equal(again.data["tls.crt"], r.data["tls.crt"]) || !bytes.Equal(again.data["ca.crt"], r.data["ca.crt"]) {
		t.Errorf("a month before the end: %s", keys(again))
	}
	if again, err := renew(r.data, append(webhookNames, "another"), now, day); err != nil || !again.changed {
		t.Errorf("another name changes nothing, or %v", err)
	}
}

// Thirty years, hour by hour where authorities change. Some API server or replica
// is always an hour behind, and nobody meets a certificate that is not trusted.
func TestNobodyMeetsACertificateTooEarly(t *testing.T) {
	t.Parallel()
	start := time.Now()
	before := renewed(t, nil, start)
	leaves, most := map[string]bool{}, 0
	for at, step := start, time.Duration(0); at.Before(start.AddDate(30, 0, 0)); at = at.Add(step) {
		now := renewed(t, before.data, at)
		for name, pair := range map[string]struct{ trust, serves renewal }{"as they are": {now, now}, "an old API server": {before, now}, "an old replica": {now, before}} {
			if err := verify(t, pair.trust, pair.serves.data, at); err != nil {
				t.Fatalf("%s, %s: %v", at.Format(time.DateTime), name, err)
			}
		}
		leaves[string(now.data["tls.crt"])] = true
		most = max(most, len(now.authorities))
		if step = 10 * day; len(now.authorities) > 1 && now.authorities[1].NotAfter().Sub(at) > 10*365*day-2*day {
			step = time.Hour
		}
		before = now
	}
	if len(leaves) < 30 || most != 2 {
		t.Errorf("%d certificates, %d authorities at most", len(leaves), most)
	}
}

func TestWhatCannotBeReadIsMadeAnew(t *testing.T) {
	t.Parallel()
	now := time.Now()
	good, other := renewed(t, nil, now), renewed(t, nil, now)
	for name, spoil := range map[string]func(d map[string][]byte){
		"no key":                     func(d map[string][]byte) { delete(d, "ca.key") },
		"not PEM":                    func(d map[string][]byte) { d["ca.crt"] = []byte("x") },
		"another's key":              func(d map[string][]byte) { d["ca.key"] = other.data["ca.key"] },
		"not an authority":           func(d map[string][]byte) { d["ca.crt"], d["ca.key"] = d["tls.crt"], d["tls.key"] },
		"RSA, as cert-controller's":  func(d map[string][]byte) { d["ca.crt"], d["ca.key"] = rsaAuthority(t, now) },
		"certificate without key":    func(d map[string][]byte) { d["tls.key"] = nil },
		"certificate of another key": func(d map[string][]byte) { d["tls.key"] = other.data["tls.key"] },
	} {
		data := maps.Clone(good.data)
		data["mine"] = []byte("kept")
		spoil(data)
		r := renewed(t, data, now)
		if len(r.faults) == 0 || string(r.data["mine"]) != "kept" {
			t.Errorf("%s: %q, %s", name, r.faults, keys(r))
		}
		if err := verify(t, r, r.data, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, fault := range r.faults {
			if strings.Contains(fault, "BEGIN") {
				t.Errorf("%s: %s", name, fault)
			}
		}
		if again := renewed(t, r.data, now); again.changed {
			t.Errorf("%s: made anew again and again: %q", name, again.faults)
		}
	}
	// A pair of another authority is nobody's that is trusted.
	data := maps.Clone(good.data)
	data["tls.crt"], data["tls.key"] = other.data["tls.crt"], other.data["tls.key"]
	if r := renewed(t, data, now); !r.changed || verify(t, r, r.data, now) != nil {
		t.Error("a certificate of a stranger's authority is served")
	}
	// Nothing in it is bounded by what we would write.
	data = maps.Clone(good.data)
	data["ca-3.crt"], data["ca-3.key"], data["ca-9999999.crt"] = other.data["ca.crt"], other.data["ca.key"], []byte("x")
	if r := renewed(t, data, now); len(r.authorities) != 2 || r.data["ca-9999999.crt"] == nil {
		t.Errorf("%d authorities, %s", len(r.authorities), keys(r))
	}
}

func rsaAuthority(t *testing.T, now time.Time) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: webhookAuthority}, NotBefore: now, NotAfter: now.Add(10 * day),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}
