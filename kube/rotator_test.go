package kube

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	pkgerrors "github.com/pkg/errors"

	"github.com/eksauth/eksauth/internal/logtest"
)

// cert-controller's errors carry a stack trace, and most of them mend themselves.
func TestTheRotatorsLogIsShort(t *testing.T) {
	t.Parallel()
	log := &logtest.Buffer{}
	r := &Rotator{Log: slog.New(slog.NewTextHandler(log, nil))}
	l := r.logger().WithName("cert-rotation").WithValues("name", "x")
	l.Info("no cert refresh needed")
	l.Error(pkgerrors.New("not well-formed"), "cannot update")
	l.Error(errors.New("conflict"), "cannot refresh")
	text := log.String()
	if strings.Count(text, "\n") != 2 || strings.Contains(text, ".go:") || strings.Contains(text, "level=ERROR") {
		t.Errorf("%s", text)
	}
	for _, want := range []string{`"webhook certificates: cannot update"`, `"not well-formed"`, "err=conflict", "name=x"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
}
