package kube

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/logtest"
)

const adaARN = "arn:aws:iam::111122223333:user/ada.lovelace"

func adaIs(username string) map[string]string {
	return map[string]string{"mapUsers": "- userarn: " + adaARN + "\n  username: " + username + "\n"}
}

type rig struct {
	*apiServer
	live   *awsauth.Live
	log    *logtest.Buffer
	failed atomic.Int64
}

// watching is a ConfigMap at work on a cluster whose aws-auth is data.
func watching(t *testing.T, data map[string]string) *rig {
	r := &rig{apiServer: newAPIServer(t), live: awsauth.NewLive(awsauth.Source{Name: awsauth.EKSConfigMap}), log: &logtest.Buffer{}}
	if data != nil {
		r.set(data)
	}
	r.run(t)
	return r
}

func (r *rig) run(t *testing.T) {
	c, err := NewConfigMap(&rest.Config{Host: r.URL}, r.live, slog.New(slog.NewTextHandler(r.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	c.Failed = func(error) { r.failed.Add(1) }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run goes on after its context has ended")
		}
	})
}

// until waits for a state of things.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// ada is who she is in Kubernetes; "" if she is not mapped.
func (r *rig) ada(t *testing.T) string {
	t.Helper()
	p, err := arn.ParsePrincipal(adaARN)
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.live.Table().Map(arn.Identity{Principal: p})
	if err != nil {
		return ""
	}
	return m.Username
}

func (r *rig) untilAdaIs(t *testing.T, name string) {
	t.Helper()
	until(t, "ada is "+name, func() bool { return r.ada(t) == name })
}

func (r *rig) untilState(t *testing.T, what string, ok func(awsauth.SourceState) bool) {
	t.Helper()
	until(t, what, func() bool { return ok(r.live.State()[0]) })
}

func TestFollowsTheConfigMap(t *testing.T) {
	t.Parallel()
	r := watching(t, adaIs("ada"))
	r.untilAdaIs(t, "ada")
	if !r.live.Ready() || r.live.Table().Len() != 1 {
		t.Errorf("ready %t, %d entries, want one: the other ConfigMap is not ours", r.live.Ready(), r.live.Table().Len())
	}
	r.set(adaIs("countess"))
	r.untilAdaIs(t, "countess")

	r.set(nil)
	r.untilState(t, "missing", func(s awsauth.SourceState) bool { return s.Missing })
	if got := r.ada(t); got != "countess" {
		t.Errorf("after the deletion ada is %q: awsauth keeps the last good entries", got)
	}
	r.set(adaIs("ada"))
	r.untilAdaIs(t, "ada")
	if got := r.failed.Load(); got != 0 {
		t.Errorf("%d failures:\n%s", got, r.log)
	}
}

// Not there is an answer; not asked yet is none.
func TestReportsThatThereIsNone(t *testing.T) {
	t.Parallel()
	r := watching(t, nil)
	r.untilState(t, "missing", func(s awsauth.SourceState) bool { return s.Missing && s.Synced })
	if !r.live.Ready() {
		t.Error("not ready although there is nothing to wait for")
	}
	r.set(adaIs("ada"))
	r.untilAdaIs(t, "ada")
}

func TestABrokenEditKeepsTheLastGoodMappings(t *testing.T) {
	t.Parallel()
	r := watching(t, adaIs("ada"))
	r.untilAdaIs(t, "ada")
	r.set(map[string]string{"mapUsers": "- userarn: " + adaARN + "\n username: x\n"})
	r.untilState(t, "broken", func(s awsauth.SourceState) bool { return slices.Contains(s.Broken, awsauth.MapUsers) })
	s := r.live.State()[0]
	if r.ada(t) != "ada" || !slices.Contains(s.Stale, awsauth.MapUsers) {
		t.Errorf("ada is %q, state %+v", r.ada(t), s)
	}
	if i := slices.IndexFunc(s.Faults, func(f awsauth.Fault) bool { return f.Line == 2 || f.Line == 1 }); i < 0 {
		t.Errorf("no fault names a line: %v", s.Faults)
	}
	r.set(adaIs("countess"))
	r.untilAdaIs(t, "countess")
}

func TestGoesOnWhenTheWatchIsClosed(t *testing.T) {
	t.Parallel()
	r := watching(t, adaIs("ada"))
	r.untilAdaIs(t, "ada")
	for _, name := range []string{"b", "c"} {
		until(t, "a watch is open", func() bool { _, w := r.counts(); return w == 1 })
		r.closeWatches()
		r.set(adaIs(name))
		r.untilAdaIs(t, name)
	}
}

func TestListsAgainWhenItsVersionIsGone(t *testing.T) {
	t.Parallel()
	r := watching(t, adaIs("ada"))
	r.untilAdaIs(t, "ada")
	until(t, "a watch is open", func() bool { _, w := r.counts(); return w == 1 })
	before, _ := r.counts()
	r.set(adaIs("b"))
	r.untilAdaIs(t, "b")
	r.expire()
	r.closeWatches()
	until(t, "another list", func() bool { n, _ := r.counts(); return n > before })
	r.set(adaIs("c"))
	r.untilAdaIs(t, "c")
	// It was deleted while nobody watched: the list must show that.
	until(t, "a watch is open", func() bool { _, w := r.counts(); return w == 1 })
	r.fail(500)
	r.closeWatches()
	until(t, "a failure", func() bool { return r.failed.Load() > 0 })
	r.set(nil)
	r.expire()
	r.fail(0)
	r.untilState(t, "missing", func(s awsauth.SourceState) bool { return s.Missing })
}

func TestWaitsForAnAPIServerThatIsNotUp(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status int
		hint   string
	}{{503, "is the API server up"}, {403, "must allow get, list and watch"}, {401, "credentials in --kubeconfig"}} {
		t.Run(http.StatusText(tc.status), func(t *testing.T) {
			t.Parallel()
			r := &rig{apiServer: newAPIServer(t), live: awsauth.NewLive(awsauth.Source{Name: awsauth.EKSConfigMap}), log: &logtest.Buffer{}}
			r.set(adaIs("ada"))
			r.fail(tc.status)
			r.run(t)
			until(t, "three failures", func() bool { return r.failed.Load() >= 3 })
			if r.live.Ready() {
				t.Error("ready without having read anything")
			}
			if log := r.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=ERROR") || !strings.Contains(log, tc.hint) {
				t.Errorf("want one line with %q, got\n%s", tc.hint, log)
			}
			r.fail(0)
			r.untilAdaIs(t, "ada")
			until(t, "the log says so", func() bool { return strings.Contains(r.log.String(), "reading again") })
		})
	}
}

// A resync finds what an update that went astray should have said, and does
// not bring back what was deleted.
func TestResync(t *testing.T) {
	t.Parallel()
	r := &rig{live: awsauth.NewLive(awsauth.Source{Name: awsauth.EKSConfigMap})}
	c, err := NewConfigMap(&rest.Config{Host: "http://127.0.0.1"}, r.live, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	s := &c.watch.store
	if err := s.Resync(); err != nil || r.live.Ready() {
		t.Errorf("before the first list: %v, ready %t", err, r.live.Ready())
	}
	ours := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: Name}, Data: adaIs("ada")}
	if err := s.Add(ours); err != nil {
		t.Fatal(err)
	}
	if err := r.live.Update(awsauth.EKSConfigMap, awsauth.Document{Source: awsauth.EKSConfigMap}); err != nil {
		t.Fatal(err)
	}
	if err := s.Resync(); err != nil || r.ada(t) != "ada" {
		t.Errorf("after a resync: %v, ada is %q", err, r.ada(t))
	}
	if err := s.Delete(ours); err != nil {
		t.Fatal(err)
	}
	if err := s.Resync(); err != nil || !r.live.State()[0].Missing {
		t.Errorf("a resync after the deletion: %v, %+v", err, r.live.State()[0])
	}
	// Others are none of our business.
	other := ours.DeepCopy()
	other.Namespace = "default"
	if err := s.Update(other); err != nil || !r.live.State()[0].Missing {
		t.Errorf("aws-auth of another namespace: %v, %+v", err, r.live.State()[0])
	}
	if err := s.Update("x"); err == nil {
		t.Error("no error for an object that is no ConfigMap")
	}
}

func TestNewConfigMapRefuses(t *testing.T) {
	t.Parallel()
	live := awsauth.NewLive(awsauth.Source{Name: awsauth.MountedFile})
	if _, err := NewConfigMap(&rest.Config{Host: "https://127.0.0.1"}, live, slog.Default()); err == nil || !strings.Contains(err.Error(), "no source EKSConfigMap") {
		t.Errorf("without the source: %v", err)
	}
	live = awsauth.NewLive(awsauth.Source{Name: awsauth.EKSConfigMap})
	if _, err := NewConfigMap(&rest.Config{Host: "http://a b"}, live, slog.Default()); err == nil {
		t.Error("no error for a host that is none")
	}
}
