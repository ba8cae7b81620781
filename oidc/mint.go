package oidc

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// maxLifetime is what kube-apiserver allows a TokenRequest to ask for.
const maxLifetime = (1 << 32) * time.Second

// Object is a Kubernetes object that a token names.
type Object struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// ServiceAccount is whom a token is for.
type ServiceAccount struct {
	Namespace string
	Object
}

// TokenRequest is what to mint. Where there is no cluster to ask for a UID it may
// be left empty: a stable one is then derived from the issuer and the names.
type TokenRequest struct {
	ServiceAccount ServiceAccount
	// Audiences that shall accept the token. With none it has no aud, like the
	// old tokens that Kubernetes kept in secrets.
	Audiences []string
	// Lifetime in whole seconds, at least one. kube-apiserver would refuse less
	// than ten minutes.
	Lifetime time.Duration
	// Pod that the token is bound to, and the Node that it runs on; nil for none.
	Pod, Node *Object
}

// payload is what kube-apiserver's TokenRequest API puts into a token, in its
// order.
type payload struct {
	Audiences  []string   `json:"aud,omitempty"`
	Expiry     int64      `json:"exp"`
	IssuedAt   int64      `json:"iat"`
	Issuer     string     `json:"iss"`
	ID         string     `json:"jti"`
	Kubernetes kubernetes `json:"kubernetes.io"`
	NotBefore  int64      `json:"nbf"`
	Subject    string     `json:"sub"`
}

type kubernetes struct {
	Namespace      string  `json:"namespace"`
	Node           *Object `json:"node,omitempty"`
	Pod            *Object `json:"pod,omitempty"`
	ServiceAccount Object  `json:"serviceaccount"`
}

// Mint signs a token with the same header and claims as kube-apiserver's
// TokenRequest API. It does not ask a cluster whether the objects exist.
func (i *Issuer) Mint(r TokenRequest) (string, error) {
	if err := r.check(); err != nil {
		return "", fmt.Errorf("cannot mint: %w", err)
	}
	return i.sign(i.payload(r, newUUID()))
}

func (i *Issuer) payload(r TokenRequest, id string) payload {
	namespace, name := r.ServiceAccount.Namespace, r.ServiceAccount.Name
	now := clock(i.Now).Unix()
	return payload{
		Audiences: r.Audiences,
		Expiry:    now + int64(r.Lifetime/time.Second),
		IssuedAt:  now,
		Issuer:    i.url,
		ID:        id,
		Kubernetes: kubernetes{
			Namespace:      namespace,
			Node:           i.identified(r.Node, "node"),
			Pod:            i.identified(r.Pod, "pod", namespace),
			ServiceAccount: *i.identified(&r.ServiceAccount.Object, "serviceaccount", namespace),
		},
		NotBefore: now,
		Subject:   "system:serviceaccount:" + namespace + ":" + name,
	}
}

func (i *Issuer) sign(p payload) (string, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	jws, err := i.Keys().signing.signer.Sign(data)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

func (r TokenRequest) check() error {
	if n := r.ServiceAccount.Namespace; !dnsName(n, 63) || strings.Contains(n, ".") {
		return fmt.Errorf("%.80q is not the name of a namespace", n)
	}
	if n := r.ServiceAccount.Name; !dnsName(n, 253) {
		return fmt.Errorf("%.80q is not the name of a service account", n)
	}
	for _, o := range []*Object{r.Pod, r.Node} {
		if o != nil && !dnsName(o.Name, 253) {
			return fmt.Errorf("%.80q is not the name of a pod or node", o.Name)
		}
	}
	if r.Lifetime < time.Second || r.Lifetime > maxLifetime {
		return fmt.Errorf("a lifetime of %s; it needs 1s to %s", r.Lifetime, maxLifetime)
	}
	return nil
}

// dnsName is Kubernetes' rule for names (RFC 1123). It keeps the colon out, with
// which a name could pretend to be another subject.
func dnsName(s string, limit int) bool {
	if len(s) > limit {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		outside := func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }
		if label == "" || strings.Trim(label, "-") != label || strings.ContainsFunc(label, outside) {
			return false
		}
	}
	return true
}

// identified gives an object without a UID one that is the same each time.
func (i *Issuer) identified(o *Object, kind ...string) *Object {
	if o == nil || o.UID != "" {
		return o
	}
	sum := sha256.Sum256([]byte(strings.Join(append(kind, o.Name, i.url), "\x00")))
	return &Object{Name: o.Name, UID: formatUUID([16]byte(sum[:16]), 8)}
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return formatUUID(b, 4)
}

// formatUUID sets version and variant (RFC 9562 section 4).
func formatUUID(b [16]byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func clock(now func() time.Time) time.Time {
	if now == nil {
		return time.Now()
	}
	return now()
}
