package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/require"
)

var (
	now = time.Date(2026, 11, 23, 7, 4, 50, 0, time.UTC)
	day = 24 * time.Hour
)

func newTestCA(t *testing.T) *CA {
	t.Helper()
	ca, err := NewCA("test authority", now)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func issue(t *testing.T, ca *CA, r Request) Pair {
	t.Helper()
	p, err := ca.Issue(r, now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// handshake connects a client to a server over TLS and returns what each said of
// the other's certificate, and who the server saw.
func handshake(server, client *tls.Config) (peer *x509.Certificate, err error) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	srv, cl := tls.Server(a, server), tls.Client(b, client)
	serverErr := make(chan error, 1)
	go func() { serverErr <- srv.Handshake() }()
	err = cl.Handshake()
	if err == nil {
		// In TLS 1.3 the client is done before the server has looked at its certificate.
		go cl.Read(make([]byte, 1))
	} else {
		b.Close()
	}
	if err := errors.Join(err, <-serverErr); err != nil {
		return nil, err
	}
	return srv.ConnectionState().PeerCertificates[0], nil
}

func configs(ca *CA, server, client Pair, name string, at time.Time) (*tls.Config, *tls.Config) {
	clock := func() time.Time { return at }
	return &tls.Config{Time: clock, Certificates: []tls.Certificate{server.TLS()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()},
		&tls.Config{Time: clock, Certificates: []tls.Certificate{client.TLS()}, RootCAs: ca.Pool(), ServerName: name}
}

func TestCertificatesServeAndIdentify(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t)
	server := issue(t, ca, Server("localhost", "kubernetes.default.svc", "127.0.0.1", "::1"))
	client := issue(t, ca, Client("ada.lovelace", "awesome-app-admin", "readers"))

	for _, name := range []string{"localhost", "kubernetes.default.svc", "127.0.0.1", "::1"} {
		peer, err := handshake(configs(ca, server, client, name, now))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if peer.Subject.CommonName != "ada.lovelace" || !sameSet(peer.Subject.Organization, []string{"awesome-app-admin", "readers"}) {
			t.Errorf("%s: the server saw %s", name, peer.Subject)
		}
	}
}

func TestCertificatesAreRefused(t *testing.T) {
	t.Parallel()
	ca, other := newTestCA(t), newTestCA(t)
	server, client := issue(t, ca, Server("localhost")), issue(t, ca, Client("ada"))
	for _, tc := range []struct {
		name           string
		server, client Pair
		dial           string
		at             time.Time
	}{
		{"under a name that was not asked for", server, client, "example.org", now},
		{"after a year", server, client, "localhost", now.Add(leafLifetime + time.Second)},
		{"before they were made", server, client, "localhost", now.Add(-backdate - time.Second)},
		{"server of another authority", issue(t, other, Server("localhost")), client, "localhost", now},
		{"client of another authority", server, issue(t, other, Client("ada")), "localhost", now},
		{"client certificate that serves", issue(t, ca, Client("localhost")), client, "localhost", now},
		{"serving certificate as a client", server, server, "localhost", now},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if peer, err := handshake(configs(ca, tc.server, tc.client, tc.dial, tc.at)); err == nil {
				t.Errorf("accepted %v", peer.Subject)
			}
		})
	}
}

func TestOpenSSLVerifiesThem(t *testing.T) {
	t.Parallel()
	openssl := require.Program(t, "openssl")
	dir := t.TempDir()
	ca, err := LoadOrCreateCA(dir, "test authority", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.LoadOrIssue(dir, "server", Server("localhost", "127.0.0.1"), time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := ca.LoadOrIssue(dir, "client", Client("ada"), time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateSigningKey(dir, "sa"); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"verify -x509_strict -CAfile ca.crt -purpose sslserver -verify_hostname localhost server.crt",
		"verify -x509_strict -CAfile ca.crt -purpose sslserver -verify_ip 127.0.0.1 server.crt",
		"verify -x509_strict -CAfile ca.crt -purpose sslclient client.crt",
		"pkey -check -noout -in ca.key",
		"pkey -check -noout -in sa.key",
		"pkey -pubcheck -noout -pubin -in sa.pub",
	} {
		cmd := exec.Command(openssl, strings.Fields(args)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("openssl %s: %v\n%s", args, err, out)
		}
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t)
	for name, r := range map[string]Request{
		"server without a name":     Server(),
		"server with an empty name": Server("localhost", ""),
		"client without a name":     Client(""),
		"name that is not ASCII":    Server("höst"),
		"nothing at all":            {},
	} {
		if _, err := ca.Issue(r, now); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewCA("", now); err == nil {
		t.Error("authority without a name: no error")
	}
}
