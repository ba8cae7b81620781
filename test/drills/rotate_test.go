package drills

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/pki"
)

// The Secret gets an authority that stops signing in a moment and a certificate that
// is due then: what nine years do. The next authority signs, and no pod notices.
func (r *rig) rotate(t *testing.T) {
	soon := time.Now().Add(5*time.Second + 2*pause())
	const day = 24 * time.Hour
	ca, err := pki.NewCA("eksauthd webhook", soon.Add(-(10*365-395)*day)) // ten years, and 395 days before their end
	if err != nil {
		t.Fatal(err)
	}
	served := r.serves(t, r.mutants[0])
	leaf, err := ca.Issue(pki.Server(served.DNSNames...), soon.Add(-(365-30)*day)) // a year, and a month before its end
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	data := map[string][]byte{"ca.crt": ca.PEM(), "ca.key": key, "ca-2.crt": nil, "ca-2.key": nil, "tls.crt": leaf.CertPEM, "tls.key": leaf.KeyPEM}
	patch, err := json.Marshal(map[string]any{"data": data}) // null takes a key away
	if err != nil {
		t.Fatal(err)
	}
	r.kubectl(t, "", "patch", "secret", "-n", "eksauth", "pod-identity-webhook", "--type=merge", "-p", string(patch))
	old := leaf.TLS().Leaf
	eventually(t, "both serve the old certificate, and both authorities are trusted", func() bool {
		return r.serves(t, r.mutants[0]).Equal(old) && r.serves(t, r.mutants[1]).Equal(old) && r.authorities(t) == 2
	})
	time.Sleep(pause()) // until kube-apiserver has seen the registration

	l := r.start(t, 4, 8)
	time.Sleep(time.Until(soon))
	for i := range 3 { // news of any kind is an occasion to look at the clock
		r.kubectl(t, "", "annotate", "--overwrite", "secret", "-n", "eksauth", "pod-identity-webhook", fmt.Sprintf("drill=%d", i))
	}
	eventually(t, "both serve a certificate of the next authority", func() bool {
		for _, p := range r.mutants {
			if s := r.serves(t, p); s.Equal(old) || signedBy(s, ca) {
				return false
			}
		}
		return true
	})
	time.Sleep(pause())
	l.report(t, "the webhook's authority and certificate replaced")
	l.mustAdmitAll(t)
}

// serves is the certificate that a replica serves now.
func (r *rig) serves(t *testing.T, p *replica) *x509.Certificate {
	t.Helper()
	conn, err := tls.Dial("tcp", p.address, &tls.Config{InsecureSkipVerify: true}) // only to look at
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// authorities is how many the registration trusts.
func (r *rig) authorities(t *testing.T) int {
	t.Helper()
	bundle, err := base64.StdEncoding.DecodeString(r.kubectl(t, "", "get", "mutatingwebhookconfiguration", "pod-identity-webhook", "-o", "jsonpath={.webhooks[0].clientConfig.caBundle}"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(bundle), "BEGIN CERTIFICATE")
}

func signedBy(cert *x509.Certificate, ca *pki.CA) bool {
	_, err := cert.Verify(x509.VerifyOptions{Roots: ca.Pool()})
	return err == nil
}
