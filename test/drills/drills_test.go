package drills

import (
	"os"
	"testing"
	"time"

	"github.com/eksauth/eksauth/token"
)

func (r *rig) token(t *testing.T, i int) string {
	t.Helper()
	raw, _, err := token.New(r.users[i].credentials, token.Options{ClusterID: clusterID, Region: "us-east-1", Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// pause is how long a drill goes on before, between and after what is done.
func pause() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("EKSAUTH_DRILL_PAUSE")); err == nil {
		return d
	}
	return time.Second
}

// TestDrills has the drills one after the other, in the same cluster.
func TestDrills(t *testing.T) {
	r := newRig(t)
	t.Run("nothing happens", func(t *testing.T) {
		l := r.start(t, 8, 8)
		time.Sleep(3 * pause())
		took := l.end()
		l.report(t, "nothing happens", took)
		l.mustBeUnharmed(t)
	})
	t.Run("kill -9 of each replica", r.killReplicas)
}

// mustBeUnharmed is for what nobody may notice.
func (l *load) mustBeUnharmed(t *testing.T) {
	t.Helper()
	if n := l.signIns.failures(); n > 0 || len(l.signIns.times) == 0 {
		t.Errorf("%d of %d sign-ins failed", n, len(l.signIns.times))
	}
	l.mustLoseNothing(t)
}

func (l *load) mustLoseNothing(t *testing.T) {
	t.Helper()
	if l.admissions.lost > 0 || len(l.admissions.times) == 0 {
		t.Errorf("%d of %d pods were admitted without their role", l.admissions.lost, len(l.admissions.times))
	}
}

func (r *rig) killReplicas(t *testing.T) {
	l := r.start(t, 8, 8)
	for _, group := range []struct {
		replicas []*replica
		balancer *balancer
	}{{r.authenticators, r.signIn}, {r.mutants, r.admission}} {
		for i, p := range group.replicas {
			time.Sleep(pause())
			p.kill(t)
			time.Sleep(pause())
			p.start(t)
			addresses := []string{group.replicas[0].address, group.replicas[1].address}
			addresses[i] = p.address
			group.balancer.set(addresses...)
		}
	}
	time.Sleep(pause())
	took := l.end()
	l.report(t, "kill -9 of each of the four replicas in turn", took)
	l.mustBeUnharmed(t)
}
