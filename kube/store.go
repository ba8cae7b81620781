package kube

import (
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/eksauth/eksauth/awsauth"
)

// store is where a Reflector puts what it sees. There is one object to see, and
// all that is kept of it is what awsauth makes of it.
type store struct {
	live *awsauth.Live

	mu   sync.Mutex // Resync is called beside the others
	last *corev1.ConfigMap
}

// Replace takes the result of a list: the object, or nothing.
func (s *store) Replace(list []any, _ string) error {
	for _, object := range list {
		if cm, ok := object.(*corev1.ConfigMap); ok && isOurs(cm) {
			return s.take(cm)
		}
	}
	return s.lose()
}

// Add takes a new object.
func (s *store) Add(object any) error { return s.Update(object) }

// Update takes a changed object.
func (s *store) Update(object any) error {
	cm, ok := object.(*corev1.ConfigMap)
	if !ok {
		return fmt.Errorf("watch %s/%s: got a %T", Namespace, Name, object)
	}
	if !isOurs(cm) {
		return nil
	}
	return s.take(cm)
}

// Delete takes the news that an object is gone.
func (s *store) Delete(object any) error {
	if cm, ok := object.(*corev1.ConfigMap); ok && !isOurs(cm) {
		return nil
	}
	return s.lose()
}

// Resync hands over once more what is known.
func (s *store) Resync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return nil
	}
	return s.live.Update(awsauth.EKSConfigMap, awsauth.ParseConfigMap(s.last.Data))
}

// take and lose hold the lock to the end, or a Resync could bring back what has
// just been deleted.
func (s *store) take(cm *corev1.ConfigMap) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = cm
	return s.live.Update(awsauth.EKSConfigMap, awsauth.ParseConfigMap(cm.Data))
}

func (s *store) lose() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = nil
	return s.live.Missing(awsauth.EKSConfigMap)
}

// isOurs: a server that does not know field selectors sends others, too.
func isOurs(cm *corev1.ConfigMap) bool { return cm.Namespace == Namespace && cm.Name == Name }
