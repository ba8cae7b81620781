package kube

import (
	"log/slog"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/eksauth/eksauth/internal/logtest"
)

func TestFallbacksSurviveATypo(t *testing.T) {
	t.Parallel()
	log := &logtest.Buffer{}
	f, err := NewFallbacks(&rest.Config{Host: "http://127.0.0.1"}, "eksauth", slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	see := func(config string) {
		t.Helper()
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "eksauth", Name: FallbacksName}, Data: map[string]string{"config": config}}
		if err := f.watch.store.Update(cm); err != nil {
			t.Fatal(err)
		}
	}
	if f.Synced() || f.Current() != nil {
		t.Error("it knows something before it has read anything")
	}
	// A replica that starts now must not take the place of one that has a good version.
	see(`{"apps/web": `)
	if f.Synced() || f.Current() != nil {
		t.Error("it is ready with a version that cannot be read, and no other")
	}
	see(`{"apps/web": {"RoleARN": "` + roleARN + `"}}`)
	good := f.Current()
	if !f.Synced() || good == nil {
		t.Fatalf("after a good version:\n%s", log)
	}
	see(`{"apps/web": `)
	if f.Current() != good || !strings.Contains(log.String(), "keeping the last good version") {
		t.Errorf("a typo took the good version away:\n%s", log)
	}
	// So does a typo in one entry, to that entry.
	see(`{"apps/web": {"RoleArnn": "` + roleARN + `"}, "apps/other": {"RoleARN": "` + roleARN + `"}}`)
	for _, name := range []string{"web", "other"} {
		if a, ok := f.Current().For("apps", name); !ok || a.RoleARN != roleARN {
			t.Errorf("a typo in one entry took %s away:\n%s", name, log)
		}
	}
	see(`{"apps/other": {"RoleARN": "` + roleARN + `"}}`)
	if f.Current().Len() != 1 {
		t.Error("an entry that was taken out is still there")
	}
	if err := f.watch.store.Delete(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "eksauth", Name: FallbacksName}}); err != nil || f.Current() != nil {
		t.Errorf("after its deletion: %v, %v", err, f.Current())
	}
}
