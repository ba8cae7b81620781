package kube

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

const (
	maxEvents    = 256 // that wait to be written
	eventTimeout = 5 * time.Second
	// eventEvery is how often one object gets an event for one reason at most.
	eventEvery = time.Minute
)

// Events writes Kubernetes Events of type Warning. They are for people who look:
// one that cannot be written, or that is one too many, is lost.
//
// What it needs of a cluster is to create events.
type Events struct {
	component string
	client    *rest.RESTClient
	queue     chan notice
	log       *slog.Logger
	now       func() time.Time
	written   map[topic]time.Time // of Run alone
}

// Object is what an event is about: one of the core API group.
type Object struct{ Kind, Namespace, Name string }

// topic is what there is one event of in a while.
type topic struct {
	about  Object
	reason string
}

type notice struct {
	topic
	message string
}

// maxEventMessage is what the API server takes, in bytes.
const maxEventMessage = 1024

// NewEvents prepares to write events in the name of a component.
func NewEvents(config *rest.Config, component string, log *slog.Logger) (*Events, error) {
	client, err := newClient(config)
	if err != nil {
		return nil, fmt.Errorf("write events: %w", err)
	}
	return &Events{component: component, client: client, queue: make(chan notice, maxEvents), log: log, now: time.Now, written: map[topic]time.Time{}}, nil
}

// Warn queues an event. It does not wait.
func (e *Events) Warn(about Object, reason, message string) {
	if len(message) > maxEventMessage {
		message = strings.ToValidUTF8(message[:maxEventMessage-len("…")], "") + "…"
	}
	select {
	case e.queue <- notice{topic{about, reason}, message}:
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
			if e.isDue(next.topic) {
				e.write(ctx, next)
			}
		}
	}
}

// isDue bounds what is written about one topic, and what is remembered about all.
func (e *Events) isDue(t topic) bool {
	now := e.now()
	if last, ok := e.written[t]; ok && now.Sub(last) < eventEvery {
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
	e.written[t] = now
	return true
}

func (e *Events) write(ctx context.Context, next notice) {
	ctx, cancel := context.WithTimeout(ctx, eventTimeout)
	defer cancel()
	now := metav1.NewTime(e.now())
	about := next.about
	err := e.client.Post().Namespace(about.Namespace).Resource("events").Body(&corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{GenerateName: about.Name + ".", Namespace: about.Namespace},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: about.Kind, Namespace: about.Namespace, Name: about.Name},
		Type:           corev1.EventTypeWarning, Reason: next.reason, Message: next.message,
		Source: corev1.EventSource{Component: e.component}, FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}).Do(ctx).Error()
	if err != nil {
		e.log.Warn("an event could not be written", "kind", about.Kind, "namespace", about.Namespace, "name", about.Name, "error", err)
	}
}
