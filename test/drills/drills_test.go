package drills

import (
	"fmt"
	"net/http"
	"os"
	"strings"
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
	for _, drill := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"nothing happens", r.nothing},
		{"kill -9 of each replica", r.killReplicas},
		{"each replica is replaced", r.replaceReplicas},
		{"a source that flaps", r.flap},
		{"a watch that dies in silence", r.silence},
		{"the authority of the webhook is replaced", r.rotate},
		{"a certificate ends", r.expire},
		{"a full disk", r.fillDisk},
		{"a pod right after its service account", r.race},
		{"STS is away", r.awaySTS},
		{"etcd is lost and returns", r.loseEtcd},
		{"kill -9 of the API server", r.killAPIServer},
	} {
		t.Run(drill.name, drill.do)
	}
}

// mustBeUnharmed is for what nobody may notice.
func (l *load) mustBeUnharmed(t *testing.T) {
	t.Helper()
	if n := l.signIns.failures(); n > 0 || len(l.signIns.times) == 0 {
		t.Errorf("%d of %d sign-ins failed", n, len(l.signIns.times))
	}
	l.mustLoseNothing(t)
}

// mustAdmitAll is for what no pod may notice either.
func (l *load) mustAdmitAll(t *testing.T) {
	t.Helper()
	l.mustBeUnharmed(t)
	if n := l.admissions.failures(); n > 0 {
		t.Errorf("%d of %d pods were refused", n, len(l.admissions.times))
	}
}

func (l *load) mustLoseNothing(t *testing.T) {
	t.Helper()
	if l.admissions.lost > 0 || len(l.admissions.times) == 0 {
		t.Errorf("%d of %d pods were admitted without their role", l.admissions.lost, len(l.admissions.times))
	}
}

func (r *rig) nothing(t *testing.T) {
	l := r.start(t, 8, 8)
	time.Sleep(3 * pause())
	l.report(t, "nothing happens")
	l.mustAdmitAll(t)
}

// forceClosed is what kube-apiserver's client says of requests that are under way, if
// another is written to their connection between its reset and the news of that: some
// microseconds. Then it does not ask again. No server can help that.
const forceClosed = "client connection force closed via ClientConn.Close"

// Pods that are under way are refused, and their controllers try again:
// kube-apiserver does not ask a webhook twice.
func (r *rig) killReplicas(t *testing.T) {
	before := len(r.refusals(t))
	l := r.start(t, 8, 8)
	r.eachReplica(func(i int, g *group) {
		g.replicas[i].kill(t)
		time.Sleep(pause())
		g.replicas[i].start(t)
		g.lead()
	})
	l.report(t, "kill -9 of each of the four replicas in turn, and a new one")
	itsOwn := 0
	for _, said := range r.refusals(t)[before:] {
		if strings.Contains(said, forceClosed) {
			itsOwn++
		}
	}
	if n := l.signIns.failures(); n > 0 && n == itsOwn {
		t.Logf("%d sign-ins failed in kube-apiserver's own client: %s", n, forceClosed)
		l.mustLoseNothing(t)
		return
	}
	l.mustBeUnharmed(t)
}

// A rolling update: the new one is there, the old one is told to end, and the load
// balancer learns of it a little later.
func (r *rig) replaceReplicas(t *testing.T) {
	l := r.start(t, 8, 8)
	r.eachReplica(func(i int, g *group) {
		old := g.replicas[i]
		next := *old
		next.log += ".next"
		next.start(t)
		g.replicas[i] = &next
		ended := make(chan struct{})
		go func() { old.stop(t); close(ended) }()
		time.Sleep(shutdownDelay / 2)
		g.lead()
		<-ended
	})
	l.report(t, "SIGTERM to each of the four replicas in turn, after a new one was ready")
	l.mustAdmitAll(t)
}

// aws-auth is broken, emptied, deleted and mended, again and again.
func (r *rig) flap(t *testing.T) {
	l := r.start(t, 8, 8)
	good, states := mapUsers(r.users), 0
	for end := time.Now().Add(4 * pause()); time.Now().Before(end); {
		r.setMapUsers(t, "- userarn: [\n")
		r.setMapUsers(t, good)
		r.kubectl(t, "", "delete", "configmap", "-n", "kube-system", "aws-auth")
		r.setMapUsers(t, good)
		states += 4
	}
	l.report(t, fmt.Sprintf("aws-auth broken, mended, deleted, mended: %d edits", states))
	l.mustAdmitAll(t)
	r.followsEdits(t)
}

// lateUser is one whom the load does not use.
const lateUser = people - 1

// A firewall forgets the connections to the API server. Edits count all the same,
// soon: client-go's HTTP/2 pings find out, here after two seconds, else after 45.
func (r *rig) silence(t *testing.T) {
	l := r.start(t, 4, 4)
	r.toAPI.forget()
	began := time.Now()
	r.rename(t, lateUser, "late")
	r.signsInAs(t, lateUser, "late")
	took := time.Since(began)
	r.rename(t, lateUser, r.users[lateUser].name)
	r.signsInAs(t, lateUser, r.users[lateUser].name)
	l.report(t, "the watches died in silence; the next edit counted after "+took.Round(100*time.Millisecond).String())
	l.mustLoseNothing(t)
}

// STS hangs up: who was verified before goes on being let in.
func (r *rig) awaySTS(t *testing.T) {
	client := r.person()
	defer client.CloseIdleConnections()
	raw := r.token(t, 0)
	if failure := r.whoAmI(client, raw, "user-0"); failure != "" {
		t.Fatal(failure)
	}
	r.stsAway.Store(true)
	var known tally
	for end := time.Now().Add(3 * pause()); time.Now().Before(end); {
		began := time.Now()
		failure := r.whoAmI(client, raw, "user-0")
		known.note(time.Since(began), failure)
	}
	if failure := r.whoAmI(client, r.token(t, 1), "user-1"); failure == "" {
		t.Error("somebody who was not verified is let in")
	}
	r.stsAway.Store(false)
	began := time.Now()
	r.signsInAs(t, 1, "user-1")
	t.Logf("STS hangs up\n  who was verified before: %s\n  somebody new, when it was back: after %s", &known, time.Since(began).Round(100*time.Millisecond))
	if n := known.failures(); n > 0 {
		t.Errorf("%d sign-ins of somebody who was verified before failed", n)
	}
}

// Without etcd nothing can be created, but everybody is known.
func (r *rig) loseEtcd(t *testing.T) {
	etcd := findProcess(t, r.binaries.Etcd, r.dir)
	l := r.start(t, 8, 4)
	time.Sleep(pause())
	etcd.kill(t)
	time.Sleep(2 * pause())
	r.startAgain(t, etcd)
	time.Sleep(2 * pause())
	l.report(t, "kill -9 of etcd, two pauses later another")
	l.mustBeUnharmed(t)
	r.followsEdits(t)
}

func (r *rig) killAPIServer(t *testing.T) {
	api := findProcess(t, r.binaries.APIServer, r.dir)
	api.kill(t)
	time.Sleep(pause())
	r.startAgain(t, api)
	client := r.person()
	eventually(t, "the API server is back", func() bool {
		return r.whoAmI(client, r.token(t, 2), "user-2") == ""
	})
	l := r.start(t, 8, 8)
	time.Sleep(3 * pause())
	l.report(t, "after kill -9 of the API server, and its start")
	l.mustBeUnharmed(t)
	r.followsEdits(t)
}

// followsEdits: the replicas see what changes.
func (r *rig) followsEdits(t *testing.T) {
	t.Helper()
	eventually(t, "the API server is ready", func() bool {
		resp, err := r.admin.Get(r.plane.URL() + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	r.rename(t, 3, "changed")
	r.signsInAs(t, 3, "changed")
	r.rename(t, 3, "user-3")
	r.signsInAs(t, 3, "user-3")
}

// rename edits one user's username in aws-auth.
func (r *rig) rename(t *testing.T, i int, name string) {
	t.Helper()
	before := fmt.Sprintf("username: user-%d,", i)
	r.setMapUsers(t, strings.Replace(mapUsers(r.users), before, "username: "+name+",", 1))
}
