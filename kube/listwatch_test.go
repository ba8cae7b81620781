package kube

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// A cluster that does not know the kind is told of once, however long that lasts, and
// is no failure; what fails is told of again.
func TestAnUnknownKindIsReportedOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	failures := 0
	r := reporter{
		what: "things", absent: "kubectl apply -f things.yaml", log: slog.New(slog.NewTextHandler(&log, nil)),
		failed: func(error) { failures++ },
	}
	twice := func(err error) {
		r.note(t.Context(), err)
		r.logged = r.logged.Add(-2 * repeatAfter)
		r.note(t.Context(), err)
	}
	resource := identityMappings.GroupResource()
	twice(apierrors.NewNotFound(resource, ""))
	if n := strings.Count(log.String(), "hint=\"kubectl apply -f things.yaml\""); n != 1 || failures != 0 {
		t.Errorf("logged %d times, %d failures\n%s", n, failures, &log)
	}
	log.Reset()
	twice(apierrors.NewForbidden(resource, "", nil))
	if n := strings.Count(log.String(), "things: cannot be read"); n != 2 || failures != 2 {
		t.Errorf("logged %d times, %d failures\n%s", n, failures, &log)
	}
	if time.Since(r.logged) > repeatAfter {
		t.Error("the second was not noted")
	}
}
