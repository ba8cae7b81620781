package kube

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

const (
	maxEvents    = 256 // that wait to be written
	eventTimeout = 5 * time.Second
	// eventEvery is how often one service account gets an event at most.
	eventEvery = time.Minute
)

// Events writes Kubernetes Events about service accounts. They are for people
// who look: one that cannot be written, or that is one too many, is lost.
//
// What it needs of a cluster is to create events.
type Events struct {
	component string
	client    *rest.RESTClient
	queue     chan notice
	log       *slog.Logger
	now       func() time.Time
	written   map[accountName]time.Time // of Run alone
}

type notice struct {
	account         accountName
	reason, message string
}

// NewEvents prepares to write events in the name of a component.
func NewEvents(config *rest.Config, component string, log *slog.Logger) (*Events, error) {
	client, err := newClient(config)
	if err != nil {
		return nil, fmt.Errorf("write events: %w", err)
	}
	return &Events{component: component, client: client, queue: make(chan notice, maxEvents), log: log, now: time.Now, written: map[accountName]time.Time{}}, nil
}

// Warn queues an event about a service account. It does not wait.
func (e *Events) Warn(namespace, serviceAccount, reason, message string) {
	select {
	case e.queue <- notice{accountName{namespace, serviceAccount}, reason, message}:
	default:
	}
}

// Run writes events until ctx ends, and returns nil.
func (e *Events) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case next := <-e.queue:
			if e.isDue(next.account) {
				e.write(ctx, next)
			}
		}
	}
}

// isDue bounds what is written about one service account, and what is
// remembered about all.
func (e *Events) isDue(account accountName) bool {
	now := e.now()
	if last, ok := e.written[account]; ok && now.Sub(last) < eventEvery {
		return false
	}
	for other, last := range e.written {
		if now.Sub(last) >= eventEvery {
			delete(e.written, other)
		}
	}
	if len(e.written) >= maxEvents {
		return false
	}
	e.written[account] = now
	return true
}

func (e *Events) write(ctx context.Context, next notice) {
	ctx, cancel := context.WithTimeout(ctx, eventTimeout)
	defer cancel()
	now := metav1.NewTime(e.now())
	err := e.client.Post().Namespace(next.account.namespace).Resource("events").Body(&corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{GenerateName: next.account.name + ".", Namespace: next.account.namespace},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "ServiceAccount", Namespace: next.account.namespace, Name: next.account.name},
		Type:           corev1.EventTypeWarning, Reason: next.reason, Message: next.message,
		Source: corev1.EventSource{Component: e.component}, FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}).Do(ctx).Error()
	if err != nil {
		e.log.Warn("an event could not be written", "namespace", next.account.namespace, "service_account", next.account.name, "error", err)
	}
}
