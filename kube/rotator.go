package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/eksauth/eksauth/internal/atomicfile"
)

const (
	rotationTimeout = 10 * time.Second // of one write to the API server

	// rotationPause is between two rounds that wrote: whoever else writes the same
	// fields, by mistake, is not fought at full speed.
	rotationPause = time.Second

	// defaultNotice leaves every API server time to read a registration.
	defaultNotice = 24 * time.Hour
)

// Rotator makes a webhook's authority and serving certificate, keeps them in a
// Secret that all replicas share, renews them in time, and keeps the caBundle of
// the webhook's registrations in step. The Secret must exist, and may be empty.
//
// Nobody is the leader: replicas do the same work, and the API server takes the
// change of one. An authority is in the registrations for the time of Notice before
// it signs, and the one before it stays there until it ends, so no handshake meets
// a certificate that the API server does not trust yet, or no longer.
//
// The pair that is to be served is written to Dir as soon as the Secret has it:
// a mounted Secret would follow only after a minute or so.
//
// What it needs of a cluster is get, list, watch and update on the Secret, and get,
// list, watch and patch on the registrations, each by its name.
type Rotator struct {
	Namespace, Secret string
	Registration      string   // name of the MutatingWebhookConfiguration
	Validating        string   // name of the ValidatingWebhookConfiguration; "" for none
	Names             []string // DNS names of the server
	Dir               string   // where tls.crt and tls.key go
	// Changed, if not nil, is called when the files have changed.
	Changed func()
	Log     *slog.Logger
	Now     func() time.Time // default time.Now
	Notice  time.Duration    // default a day

	secrets *rest.RESTClient
	news    chan struct{}
	ends    atomic.Pointer[time.Time]
	failure string // of the last round; "" if all was well

	mu            sync.Mutex
	secret        *corev1.Secret // nil while it is not known
	registrations []*registration
	written       []byte // the certificate in Dir
}

// registration is a webhook configuration of either kind.
type registration struct {
	client         *rest.RESTClient
	resource, name string
	webhooks       []registered // nil while it is not known
}

type registered struct {
	name     string
	caBundle []byte
}

// CertFile is the path of the serving certificate.
func (r *Rotator) CertFile() string { return filepath.Join(r.Dir, corev1.TLSCertKey) }

// KeyFile is the path of its private key.
func (r *Rotator) KeyFile() string { return filepath.Join(r.Dir, corev1.TLSPrivateKeyKey) }

// AuthorityNotAfter is when the youngest authority ends; the zero time while none
// is known.
func (r *Rotator) AuthorityNotAfter() time.Time {
	if end := r.ends.Load(); end != nil {
		return *end
	}
	return time.Time{}
}

// Run rotates until ctx ends, and then returns nil.
func (r *Rotator) Run(ctx context.Context, config *rest.Config) error {
	var err error
	if r.secrets, err = newClient(config); err != nil {
		return fmt.Errorf("webhook certificates: %w", err)
	}
	client, err := newGroupClient(config, admissionregistrationv1.SchemeGroupVersion, admissionregistrationv1.AddToScheme)
	if err != nil {
		return fmt.Errorf("webhook certificates: %w", err)
	}
	r.news = make(chan struct{}, 1)
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.Notice == 0 {
		r.Notice = defaultNotice
	}
	var watches sync.WaitGroup
	defer watches.Wait()
	watches.Go(func() { r.watchSecret(ctx) })
	mutating := &registration{client: client, resource: "mutatingwebhookconfigurations", name: r.Registration}
	r.registrations = []*registration{mutating}
	if r.Validating != "" {
		validating := &registration{client: client, resource: "validatingwebhookconfigurations", name: r.Validating}
		r.registrations = append(r.registrations, validating)
		watches.Go(func() {
			watchRegistration(ctx, r, validating, "ValidatingWebhookConfiguration", &admissionregistrationv1.ValidatingWebhookConfiguration{}, validatingWebhooks)
		})
	}
	watches.Go(func() {
		watchRegistration(ctx, r, mutating, "MutatingWebhookConfiguration", &admissionregistrationv1.MutatingWebhookConfiguration{}, mutatingWebhooks)
	})
	r.rounds(ctx)
	return nil
}

func (r *Rotator) watchSecret(ctx context.Context) {
	secret := object[*corev1.Secret]{
		client: r.secrets, resource: "secrets", kind: "Secret", example: &corev1.Secret{}, log: r.Log,
		store: store[*corev1.Secret]{namespace: r.Namespace, name: r.Secret, found: func(s *corev1.Secret) error {
			r.learn(func() { r.secret = s })
			return nil
		}, missing: func() error {
			r.learn(func() { r.secret = nil })
			r.Log.Error("the Secret for the webhook's certificate does not exist", "namespace", r.Namespace, "name", r.Secret,
				"hint", "create it empty: kubectl create secret generic --namespace "+r.Namespace+" "+r.Secret)
			return nil
		}},
	}
	secret.run(ctx)
}

// watchRegistration keeps reg as the cluster has it; webhooks reads those in it.
func watchRegistration[T kubeObject](ctx context.Context, r *Rotator, reg *registration, kind string, example T, webhooks func(T) []registered) {
	o := object[T]{client: reg.client, resource: reg.resource, kind: kind, example: example, log: r.Log}
	o.store.name, o.store.missing = reg.name, func() error { return r.lost(reg) }
	o.store.found = func(c T) error {
		found := webhooks(c)
		r.learn(func() { reg.webhooks = found })
		return nil
	}
	o.run(ctx)
}

func mutatingWebhooks(c *admissionregistrationv1.MutatingWebhookConfiguration) (list []registered) {
	for _, w := range c.Webhooks {
		list = append(list, registered{w.Name, w.ClientConfig.CABundle})
	}
	return list
}

func validatingWebhooks(c *admissionregistrationv1.ValidatingWebhookConfiguration) (list []registered) {
	for _, w := range c.Webhooks {
		list = append(list, registered{w.Name, w.ClientConfig.CABundle})
	}
	return list
}

func (r *Rotator) lost(reg *registration) error {
	r.learn(func() { reg.webhooks = nil })
	r.Log.Warn("the webhook is not registered: nobody asks it", "resource", reg.resource, "name", reg.name)
	return nil
}

// learn takes what a watch saw and starts a round.
func (r *Rotator) learn(what func()) {
	r.mu.Lock()
	what()
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// rounds has one whenever something has changed, and now and then because time
// goes by: the watches hand everything over again every ten minutes.
func (r *Rotator) rounds(ctx context.Context) {
	wait := backoff()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.news:
		}
		wrote, err := r.round(ctx)
		pause := time.Duration(0)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if text := cause(err); text != r.failure {
				r.failure = text
				r.Log.Error("webhook certificates: "+text, "hint", "deploy/webhook.yaml has the rights that it needs")
			}
			pause = wait.Step()
			r.learn(func() {})
		default:
			r.failure, wait = "", backoff()
			if wrote {
				pause = rotationPause
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// round does what is due: the Secret first, then the registrations, then the files
// that are served, so that whoever asks trusts what it gets.
func (r *Rotator) round(ctx context.Context) (wrote bool, err error) {
	r.mu.Lock()
	secret := r.secret
	r.mu.Unlock()
	if secret == nil {
		return false, nil
	}
	next, err := renew(secret.Data, r.Names, r.Now(), r.Notice)
	if err != nil {
		return false, err
	}
	if next.changed {
		for _, fault := range next.faults {
			r.Log.Warn("webhook certificates: what the Secret has is made anew", "because", fault)
		}
		if secret, err = r.update(ctx, secret, next.data); err != nil {
			if apierrors.IsConflict(err) {
				return false, nil // another replica was first, and the watch brings what it did
			}
			return false, err
		}
	}
	end := next.authorities[len(next.authorities)-1].NotAfter()
	r.ends.Store(&end)
	patched, failed := r.keepRegistrations(ctx, next.authorities.PEM(r.Now()))
	if err := r.write(secret); err != nil {
		failed = append(failed, err)
	}
	return next.changed || patched, errors.Join(failed...)
}

func (r *Rotator) update(ctx context.Context, old *corev1.Secret, data map[string][]byte) (*corev1.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, rotationTimeout)
	defer cancel()
	changed := old.DeepCopy()
	changed.Data = data
	var result corev1.Secret
	err := r.secrets.Put().Namespace(r.Namespace).Resource("secrets").Name(r.Secret).
		Param("fieldManager", "eksauthd").
		Body(changed).Do(ctx).Into(&result)
	if err != nil {
		return nil, err
	}
	r.Log.Info("renewed the webhook's certificates", "secret", r.Namespace+"/"+r.Secret)
	return &result, nil
}

func (r *Rotator) keepRegistrations(ctx context.Context, trust []byte) (patched bool, failed []error) {
	r.mu.Lock()
	var due []*registration
	var patches [][]byte
	for _, reg := range r.registrations {
		if patch := reg.patch(trust); patch != nil {
			due, patches = append(due, reg), append(patches, patch)
		}
	}
	r.mu.Unlock()
	for i, reg := range due {
		if err := reg.apply(ctx, patches[i]); err != nil {
			failed = append(failed, err)
			continue
		}
		patched = true
		r.Log.Info("the registration trusts the webhook's authorities", "resource", reg.resource, "name", reg.name)
	}
	return patched, failed
}

// patch is what makes all of its webhooks trust the authorities: a JSON patch (RFC
// 6902) that fails if they are others by now. It is nil if they do.
func (reg *registration) patch(trust []byte) []byte {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	var operations []operation
	for i, w := range reg.webhooks {
		if bytes.Equal(w.caBundle, trust) {
			continue
		}
		at := fmt.Sprintf("/webhooks/%d/", i)
		operations = append(operations,
			operation{"test", at + "name", w.name},
			operation{"add", at + "clientConfig/caBundle", trust})
	}
	if operations == nil {
		return nil
	}
	patch, err := json.Marshal(operations)
	if err != nil { // no strings and bytes are without a JSON form
		panic(err)
	}
	return patch
}

func (reg *registration) apply(ctx context.Context, patch []byte) error {
	ctx, cancel := context.WithTimeout(ctx, rotationTimeout)
	defer cancel()
	return reg.client.Patch(types.JSONPatchType).Resource(reg.resource).Name(reg.name).
		Param("fieldManager", "eksauthd").
		Body(patch).Do(ctx).Error()
}

// write puts the pair where it is served from, the key first.
func (r *Rotator) write(secret *corev1.Secret) error {
	cert, key := secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]
	if bytes.Equal(cert, r.written) {
		return nil
	}
	if err := atomicfile.Write(r.KeyFile(), key, 0o600); err != nil {
		return err
	}
	if err := atomicfile.Write(r.CertFile(), cert, 0o644); err != nil {
		return err
	}
	r.written = cert
	if r.Changed != nil {
		r.Changed()
	}
	return nil
}
