package kube

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/eksauth/eksauth/internal/atomicfile"
)

// Rotator makes a webhook's authority and serving certificate, keeps them in a
// Secret that all replicas share, renews them in time, and keeps the caBundle of
// the webhook's registration in step. The work is cert-controller's; the Secret
// must exist, and may be empty.
//
// The pair that is to be served is written to Dir as soon as the Secret has it:
// a mounted Secret would follow only after a minute or so.
//
// What it needs of a cluster is get, list, watch and update on Secrets in its
// namespace, and the same on the kinds of registrations that it keeps.
type Rotator struct {
	Namespace, Secret string
	Registration      string   // name of the MutatingWebhookConfiguration
	Validating        string   // name of the ValidatingWebhookConfiguration; "" for none
	Names             []string // DNS names of the server
	Dir               string   // where tls.crt and tls.key go
	// Changed, if not nil, is called when the files have changed.
	Changed func()
	Log     *slog.Logger
}

// CertFile is the path of the serving certificate.
func (r *Rotator) CertFile() string { return filepath.Join(r.Dir, corev1.TLSCertKey) }

// KeyFile is the path of its private key.
func (r *Rotator) KeyFile() string { return filepath.Join(r.Dir, corev1.TLSPrivateKeyKey) }

// Run rotates until ctx ends, and then returns nil.
func (r *Rotator) Run(ctx context.Context, config *rest.Config) error {
	client, err := newClient(config)
	if err != nil {
		return fmt.Errorf("webhook certificates: %w", err)
	}
	// controller-runtime has one logger for all of the process, and complains if
	// it has none.
	ctrllog.SetLogger(r.logger())
	m, err := r.manager(config)
	if err != nil {
		return fmt.Errorf("webhook certificates: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	secret := object[*corev1.Secret]{
		client: client, resource: "secrets", kind: "Secret", example: &corev1.Secret{}, log: r.Log,
		store: store[*corev1.Secret]{namespace: r.Namespace, name: r.Secret, found: r.write, missing: r.complain},
	}
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		secret.run(ctx)
	}()
	err = m.Start(ctx)
	stop()
	<-followed
	if err != nil {
		return fmt.Errorf("webhook certificates: %w", err)
	}
	return nil
}

func (r *Rotator) manager(config *rest.Config) (manager.Manager, error) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := admissionregistrationv1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	// What the rotator touches is known: no need to discover the whole API.
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{corev1.SchemeGroupVersion, admissionregistrationv1.SchemeGroupVersion})
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Secret"), meta.RESTScopeNamespace)
	mapper.Add(admissionregistrationv1.SchemeGroupVersion.WithKind("MutatingWebhookConfiguration"), meta.RESTScopeRoot)
	webhooks := []rotator.WebhookInfo{{Name: r.Registration, Type: rotator.Mutating}}
	if r.Validating != "" {
		mapper.Add(admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingWebhookConfiguration"), meta.RESTScopeRoot)
		webhooks = append(webhooks, rotator.WebhookInfo{Name: r.Validating, Type: rotator.Validating})
	}
	m, err := manager.New(config, manager.Options{
		Scheme:                  scheme,
		MapperProvider:          func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return mapper, nil },
		Metrics:                 server.Options{BindAddress: "0"},
		Logger:                  r.logger(),
		GracefulShutdownTimeout: new(time.Second),
		// Names of controllers are unique for metrics, which nobody reads here.
		Controller: ctrlconfig.Controller{SkipNameValidation: new(true)},
	})
	if err != nil {
		return nil, err
	}
	return m, rotator.AddRotator(m, &rotator.CertRotator{
		SecretKey:      types.NamespacedName{Namespace: r.Namespace, Name: r.Secret},
		CertDir:        r.Dir,
		CAName:         "eksauthd webhook",
		CAOrganization: "eksauth",
		DNSName:        r.Names[0],
		ExtraDNSNames:  r.Names[1:],
		ControllerName: "cert-rotator for " + r.Dir, // unique in a process
		IsReady:        make(chan struct{}),         // whoever serves knows by the files
		Webhooks:       webhooks,
		FieldOwner:     "eksauthd",
	})
}

// logger is for controller-runtime and cert-controller.
func (r *Rotator) logger() logr.Logger { return logr.FromSlogHandler(quieter{r.Log.Handler()}) }

// quieter is a handler for those who tell at length what goes right, with a stack
// trace for what goes wrong, and call an error what they will try again at once:
// two replicas that fill the Secret together, for example. What stays wrong shows
// in readiness and in the metric of the certificate's end.
type quieter struct{ slog.Handler }

func (h quieter) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

func (h quieter) Handle(ctx context.Context, r slog.Record) error {
	short := slog.NewRecord(r.Time, slog.LevelWarn, "webhook certificates: "+r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			a.Value = slog.StringValue(err.Error())
		}
		short.AddAttrs(a)
		return true
	})
	return h.Handler.Handle(ctx, short)
}

func (h quieter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quieter{h.Handler.WithAttrs(attrs)}
}
func (h quieter) WithGroup(name string) slog.Handler { return quieter{h.Handler.WithGroup(name)} }

// write puts the pair where it is served from, the key first. A Secret that has
// none yet is about to get it.
func (r *Rotator) write(secret *corev1.Secret) error {
	cert, key := secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]
	if len(cert) == 0 || len(key) == 0 {
		return nil
	}
	if err := atomicfile.Write(r.KeyFile(), key, 0o600); err != nil {
		return r.failed(err)
	}
	if err := atomicfile.Write(r.CertFile(), cert, 0o644); err != nil {
		return r.failed(err)
	}
	if r.Changed != nil {
		r.Changed()
	}
	return nil
}

func (r *Rotator) failed(err error) error {
	r.Log.Error("the webhook's certificate could not be written", "error", err)
	return err
}

func (r *Rotator) complain() error {
	r.Log.Error("the Secret for the webhook's certificate does not exist", "namespace", r.Namespace, "name", r.Secret,
		"hint", "create it empty: kubectl create secret generic --namespace "+r.Namespace+" "+r.Secret)
	return nil
}
