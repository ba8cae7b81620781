package kube

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/eksauth/eksauth/awsauth"
)

const account = "arn:aws:iam::111122223333:"

// What aws-iam-authenticator v0.7.10 wrote for each of these, or would: its servers
// find an object by this and nothing else.
func TestCanonicalARNIsWhatThePeerWrites(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		account + "user/Ada.Lovelace":                    account + "user/ada.lovelace",
		account + "role/team/Dev":                        account + "role/team/dev",
		"ARN:AWS:IAM::111122223333:user/bob":             account + "user/bob",
		account + "role/Dev-*":                           account + "role/dev-*",
		account + "root":                                 account + "root",
		"arn:aws:sts::111122223333:assumed-role/Dev/Ada": account + "role/dev",
		"arn:aws:sts::111122223333:federated-user/Ada":   "arn:aws:sts::111122223333:federated-user/ada",
		"arn:aws:s3:::bucket":                            "",
		"nonsense":                                       "",
	} {
		if got := canonicalARN(spec); got != want {
			t.Errorf("%s: %q, want %q", spec, got, want)
		}
	}
}

// statusCluster has objects, and statuses that are written to them.
type statusCluster struct {
	client *fake.FakeDynamicClient
	log    bytes.Buffer
	clock  time.Time
}

func newStatusCluster(list ...awsauth.IdentityMapping) *statusCluster {
	var objects []runtime.Object
	for _, m := range list {
		objects = append(objects, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": identityMappings.GroupVersion().String(), "kind": "IAMIdentityMapping",
			"metadata": map[string]any{"name": m.Name, "uid": "uid-" + m.Name},
			"spec":     map[string]any{"arn": m.ARN, "username": m.Username},
		}})
	}
	return &statusCluster{clock: time.Unix(1e9, 0), client: fake.NewSimpleDynamicClient(runtime.NewScheme(), objects...)}
}

func (c *statusCluster) writer() *statusWriter {
	return &statusWriter{
		client: c.client.Resource(identityMappings), log: slog.New(slog.NewTextHandler(&c.log, nil)),
		now: func() time.Time { return c.clock }, said: map[types.UID]saying{},
	}
}

func (c *statusCluster) object(t *testing.T, name string) identityObject {
	t.Helper()
	u, err := c.client.Resource(identityMappings).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o, err := readIdentityObject(u)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (c *statusCluster) patches() (n int) {
	for _, a := range c.client.Actions() {
		if a.GetVerb() == "patch" {
			n++
		}
	}
	return n
}

func liveOf(t *testing.T, versions ...awsauth.IdentityMapping) *awsauth.Live {
	t.Helper()
	live := awsauth.NewLive(awsauth.Source{Name: awsauth.CRD})
	for _, m := range versions {
		if err := live.Update(awsauth.CRD, awsauth.ParseIdentityMappings([]awsauth.IdentityMapping{m})); err != nil {
			t.Fatal(err)
		}
	}
	return live
}

// Two replicas, of which one began when the object was faulty already, have different
// things to say about it. Each says it once.
func TestReplicasDoNotFightOverAStatus(t *testing.T) {
	t.Parallel()
	good := awsauth.IdentityMapping{Name: "ada", ARN: account + "user/ada", Username: "ada"}
	bad := awsauth.IdentityMapping{Name: "ada", ARN: account + "user/ada", Username: "{{Nobody}}"}
	c := newStatusCluster(bad)
	older, newer := c.writer(), c.writer()
	wasThere, began := liveOf(t, good, bad), liveOf(t, bad)
	turns := func() {
		for range 10 {
			older.write(t.Context(), []identityObject{c.object(t, "ada")}, wasThere)
			newer.write(t.Context(), []identityObject{c.object(t, "ada")}, began)
		}
	}
	turns()
	if n := c.patches(); n != 2 {
		t.Errorf("%d writes, want one of each replica", n)
	}
	if s := c.object(t, "ada").status; s.inUse != "False" || s.reason != reasonFaulty || s.canonicalARN != account+"user/ada" {
		t.Errorf("%+v", s)
	}
	c.clock = c.clock.Add(sayAgain)
	turns()
	if n := c.patches(); n != 4 {
		t.Errorf("%d writes, want one more of each replica after %v", n, sayAgain)
	}
	// What changes is said at once.
	older.write(t.Context(), []identityObject{c.object(t, "ada")}, liveOf(t, good))
	if s := c.object(t, "ada").status; s.inUse != "True" {
		t.Errorf("%+v", s)
	}
}

// An object that is created anew under its name has nothing from the one before.
func TestANewObjectGetsItsStatus(t *testing.T) {
	t.Parallel()
	ada := awsauth.IdentityMapping{Name: "ada", ARN: account + "user/ada", Username: "ada"}
	c := newStatusCluster(ada)
	w, live := c.writer(), liveOf(t, ada)
	first := c.object(t, "ada")
	w.write(t.Context(), []identityObject{first}, live)
	again := first
	again.uid = "another"
	w.write(t.Context(), []identityObject{again}, live)
	if n := c.patches(); n != 2 || len(w.said) != 1 {
		t.Errorf("%d writes, %d remembered", n, len(w.said))
	}
}

// A definition may refuse the status of an object that is older than its rules.
func TestARefusedStatusKeepsNoOtherBack(t *testing.T) {
	t.Parallel()
	ada := awsauth.IdentityMapping{Name: "ada", ARN: account + "user/ada", Username: "ada"}
	odd := awsauth.IdentityMapping{Name: "odd", ARN: account + "user/odd", Username: "odd"}
	c := newStatusCluster(ada, odd)
	c.client.PrependReactor("patch", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.(clienttesting.PatchAction).GetName() == "odd" {
			return true, nil, apierrors.NewInvalid(identityMappings.GroupVersion().WithKind("IAMIdentityMapping").GroupKind(), "odd", nil)
		}
		return false, nil, nil
	})
	live := awsauth.NewLive(awsauth.Source{Name: awsauth.CRD})
	if err := live.Update(awsauth.CRD, awsauth.ParseIdentityMappings([]awsauth.IdentityMapping{ada, odd})); err != nil {
		t.Fatal(err)
	}
	w := c.writer()
	for range 5 {
		w.write(t.Context(), []identityObject{c.object(t, "odd"), c.object(t, "ada")}, live)
	}
	if s := c.object(t, "ada").status; s.inUse != "True" {
		t.Errorf("%+v", s)
	}
	if n := c.patches(); n != 2 {
		t.Errorf("%d writes, want 2", n)
	}
	if n := strings.Count(c.log.String(), "the status of a custom resource cannot be written"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, &c.log)
	}
}
