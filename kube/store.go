package kube

import (
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// kubeObject is a pointer to an API type.
type kubeObject interface {
	metav1.Object
	runtime.Object
}

// store is where a Reflector puts what it sees of one object.
type store[T kubeObject] struct {
	namespace, name string
	found           func(T) error // it is there, and says this
	missing         func() error  // it is not there

	mu   sync.Mutex // Resync is called beside the others
	last *T
}

// Replace takes the result of a list: the object, or nothing.
func (s *store[T]) Replace(list []any, _ string) error {
	for _, item := range list {
		if object, ok := item.(T); ok && s.isOurs(object) {
			return s.take(object)
		}
	}
	return s.lose()
}

// Add takes a new object.
func (s *store[T]) Add(item any) error { return s.Update(item) }

// Update takes a changed object.
func (s *store[T]) Update(item any) error {
	object, ok := item.(T)
	if !ok {
		return fmt.Errorf("watch %s/%s: got a %T", s.namespace, s.name, item)
	}
	if !s.isOurs(object) {
		return nil
	}
	return s.take(object)
}

// Delete takes the news that an object is gone.
func (s *store[T]) Delete(item any) error {
	if object, ok := item.(T); ok && !s.isOurs(object) {
		return nil
	}
	return s.lose()
}

// Resync hands over once more what is known.
func (s *store[T]) Resync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return nil
	}
	return s.found(*s.last)
}

// take and lose hold the lock to the end, or a Resync could bring back what has
// just been deleted.
func (s *store[T]) take(object T) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = &object
	return s.found(object)
}

func (s *store[T]) lose() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = nil
	return s.missing()
}

// isOurs: a server that does not know field selectors sends others, too.
func (s *store[T]) isOurs(object T) bool {
	return object.GetNamespace() == s.namespace && object.GetName() == s.name
}
