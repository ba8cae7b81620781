package awslocal

import (
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// exported is the world of a store, which must be one.
func exported(t *testing.T, s *Store) (*World, string) {
	t.Helper()
	w, err := s.World()
	if err != nil {
		t.Fatal(err)
	}
	text, err := w.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseWorld("exported", text); err != nil {
		t.Fatalf("what is exported is no world: %v\n%s", err, text)
	}
	return w, string(text)
}

func trustOf(t *testing.T, s *Store, role string) string {
	t.Helper()
	var doc PolicyDocument
	err := s.db.View(func(tx *bbolt.Tx) error {
		r, _, err := roleTable.get(tx, nameKey(account, role))
		if err != nil {
			return err
		}
		doc, err = r.trustDocument(tx, "aws")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// A cluster goes: whom roles trust of it stays written, and the world is one.
func TestDeletedClusterLeavesAWorld(t *testing.T) {
	t.Parallel()
	s := openPods(t)
	before := trustOf(t, s, "both")
	if err := s.DeleteCluster(account, "eu-west-1", "eu"); err != nil {
		t.Fatal(err)
	}
	w, _ := exported(t, s)
	for _, r := range w.Accounts[0].Roles {
		if r.Name != "both" {
			continue
		}
		if len(r.ServiceAccounts) != 2 || !strings.Contains(string(r.TrustPolicy), "system:serviceaccount:other:default") || !strings.Contains(string(r.TrustPolicy), `"Id":"kept"`) {
			t.Errorf("%+v", r)
		}
	}
	after := trustOf(t, s, "both")
	if strings.Count(before, "system:serviceaccount:") != strings.Count(after, "system:serviceaccount:") {
		t.Errorf("%s\nbecame\n%s", before, after)
	}
}

// One that never had an issuer leaves a role that trusts nobody, which IAM has no way
// to say but by a Deny.
func TestDeletedClusterWithoutAnIssuer(t *testing.T) {
	t.Parallel()
	s := openPods(t)
	if err := s.DeleteCluster(account, "us-east-1", "dev"); err != nil {
		t.Fatal(err)
	}
	exported(t, s)
	if doc := trustOf(t, s, "app"); doc != string(trustsNobody(account)) {
		t.Errorf("app: %s", doc)
	}
}

// A second cluster of the name takes nobody's trust, and makes no world ambiguous.
func TestSecondClusterOfAName(t *testing.T) {
	t.Parallel()
	s := openPods(t)
	before := trustOf(t, s, "app")
	if _, ok, err := s.CreateCluster(ClusterRecord{Account: account, Region: "eu-central-1", Name: "dev"}); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if after := trustOf(t, s, "app"); after != before {
		t.Errorf("%s\nbecame\n%s", before, after)
	}
	if _, text := exported(t, s); !strings.Contains(text, "arn:aws:eks:us-east-1:111122223333:cluster/dev") {
		t.Errorf("%s", text)
	}
}
