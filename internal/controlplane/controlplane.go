package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/eksauth/eksauth/internal/child"
	"github.com/eksauth/eksauth/internal/pki"
)

// Config says how to run a control plane. Dir, Binaries and Log are needed, the
// rest may be left out.
type Config struct {
	// Dir is the data folder: certificates, keys, etcd's data, logs. It is made
	// if it does not exist. One control plane at a time can run on it.
	Dir string

	Binaries Binaries // Kubectl is not used

	// AuthenticatorKubeconfig is the file that tells kube-apiserver where the
	// TokenReview webhook is. It must exist when Start is called; the webhook
	// itself need not answer yet.
	AuthenticatorKubeconfig string

	// AuthenticatorCacheTTL is how long kube-apiserver remembers the webhook's
	// answers. Zero leaves its own default of two minutes.
	AuthenticatorCacheTTL time.Duration

	// APIAudiences are the audiences of tokens for the API server itself; the
	// issuer when there are none.
	APIAudiences []string

	// ServiceAccountIssuer is the "iss" of service-account tokens, an https URL.
	ServiceAccountIssuer string

	// ServiceAccountFlags take the place of ServiceAccountIssuer, APIAudiences and
	// the control plane's own key pair: kube-apiserver's flags for an issuer that
	// somebody else keeps, as eksauthd issuer flags prints them. Paths in them are
	// absolute.
	ServiceAccountFlags []string

	// NoSync has etcd not wait for the disk: a start on a busy disk takes a fifth
	// of the time, and a crash of the machine may cost the data. Nothing is lost
	// when only processes die. For tests, and for what is thrown away.
	NoSync bool

	Now func() time.Time // for certificates; time.Now if nil
	Log *slog.Logger
}

func (c Config) check() error {
	var faults []error
	if c.Dir == "" {
		faults = append(faults, errors.New("no data folder is given"))
	}
	if c.Binaries.Etcd == "" || c.Binaries.APIServer == "" {
		faults = append(faults, errors.New("the programs etcd and kube-apiserver are not given"))
	}
	if c.AuthenticatorCacheTTL < 0 {
		faults = append(faults, fmt.Errorf("the authenticator's cache time %v is negative", c.AuthenticatorCacheTTL))
	}
	if c.AuthenticatorKubeconfig != "" {
		if _, err := os.Stat(c.AuthenticatorKubeconfig); err != nil {
			faults = append(faults, fmt.Errorf("kubeconfig of the authenticator: %w", err))
		}
	}
	return errors.Join(faults...)
}

// absolute makes the paths independent of the working folder, which is another
// one for the child processes.
func (c *Config) absolute() error {
	for _, path := range []*string{&c.Dir, &c.Binaries.Etcd, &c.Binaries.APIServer, &c.AuthenticatorKubeconfig} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = abs
	}
	return nil
}

// ControlPlane is etcd and kube-apiserver. Start and Stop are each called once
// and not at the same time; after Start has returned nil, the other methods may
// be called from any goroutine.
type ControlPlane struct {
	config Config
	files  layout

	choosePort func() (int, error) // a test makes it choose badly

	started   bool
	lock      *os.File
	ca        *pki.CA
	port      int
	api       *client
	etcd      *child.Process
	apiServer *child.Process

	keeper     sync.WaitGroup
	stopKeeper context.CancelFunc
	done       chan struct{}
}

// SigningKey is the key pair that the control plane in dir signs service
// accounts' tokens with. It is made if it is not there yet, so that an issuer can
// publish it before the control plane starts.
func SigningKey(dir string) (pki.SigningKey, error) {
	return pki.LoadOrCreateSigningKey(layout{dir}.pki(), signingKeyName)
}

// New returns a control plane that is not started yet.
func New(c Config) *ControlPlane {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &ControlPlane{config: c, done: make(chan struct{})}
}

// URL is where the API server listens, such as "https://127.0.0.1:34567". It
// stays the same from run to run on one data folder while the port is free.
func (c *ControlPlane) URL() string { return "https://" + address(c.port) }

// CACert returns the certificate, PEM, that the API server's clients trust, and
// that the API server trusts for client certificates.
func (c *ControlPlane) CACert() []byte { return c.ca.PEM() }

// AdminKubeconfig is the path of a kubeconfig file for a member of
// system:masters, who may do everything. Start writes it, mode 0600.
func (c *ControlPlane) AdminKubeconfig() string { return c.files.adminKubeconfig() }

// IssueClient makes a client certificate and key, both PEM, with which the API
// server knows the user and the groups.
func (c *ControlPlane) IssueClient(user string, groups ...string) (cert, key []byte, err error) {
	pair, err := c.ca.Issue(pki.Client(user, groups...), c.config.Now())
	return pair.CertPEM, pair.KeyPEM, err
}

// Done is closed when etcd or kube-apiserver has ended, for whatever reason,
// after a Start that returned nil. Stop must be called still.
func (c *ControlPlane) Done() <-chan struct{} { return c.done }

// Err says which child process ended without being asked to, with the end of its
// log; nil while all is well and after an orderly Stop.
func (c *ControlPlane) Err() error {
	return errors.Join(errOf(c.etcd), errOf(c.apiServer))
}

func errOf(p *child.Process) error {
	if p == nil {
		return nil
	}
	return p.Err()
}

func doneOf(p *child.Process) <-chan struct{} {
	if p == nil {
		return nil
	}
	return p.Done()
}
