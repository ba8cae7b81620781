package kube

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// An older definition validates nothing: what is not as it should be is empty, and
// one such object does not stop the others.
func TestOddObjectsAreEmpty(t *testing.T) {
	for _, text := range []string{
		`{"apiVersion":"v1","kind":"X","metadata":{"name":1,"creationTimestamp":{}},"spec":{"arn":["a"],"username":null,"groups":"g"},"status":{"canonicalARN":{},"conditions":[1,null,{"type":2}]}}`,
		`{"apiVersion":"v1","kind":"X","spec":[],"status":[]}`,
		`{"apiVersion":"v1","kind":"X","metadata":[],"spec":{"groups":[1,"a"]},"status":{"conditions":{"type":"InUse"}}}`,
		`{"apiVersion":"v1","kind":"X","spec":{"arn":{"arn":"a"},"username":7,"groups":[["a"]]},"status":{"conditions":[{"type":"InUse","status":true,"lastTransitionTime":0}]}}`,
	} {
		var u unstructured.Unstructured
		if err := u.UnmarshalJSON([]byte(text)); err != nil {
			t.Fatal(err)
		}
		o, err := readIdentityObject(&u)
		if err != nil || o.ARN != "" || o.Username != "" || len(o.Groups) != 0 || o.since != "" || o.status.reason != "" {
			t.Errorf("%s: %+v, %v", text, o, err)
		}
	}
	if _, err := readIdentityObject("text"); err == nil {
		t.Error("what is no object is read")
	}
}
