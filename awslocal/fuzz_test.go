package awslocal

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/eksauth/eksauth/iam"
)

func FuzzParseWorld(f *testing.F) {
	f.Add(DefaultWorldYAML())
	f.Add([]byte(full))
	f.Add([]byte(base))
	f.Add([]byte(strings.Replace(base, "        trustPolicy:", "        trustPolicy: |\n          {\"Version\": \"2012-10-17\", \"Statement\": []}\n        x:", 1)))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("accounts:\n- <<: {id: 1}\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		w, err := ParseWorld("w", doc)
		if err != nil {
			var fault *WorldError
			if !errors.As(err, &fault) || len(fault.Faults) == 0 {
				t.Fatalf("the error is %#v", err)
			}
			return
		}
		text, err := w.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseWorld("again", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(w.Accounts, again.Accounts, cmpopts.EquateEmpty(), cmpopts.IgnoreTypes(PolicyDocument(""))); diff != "" {
			t.Errorf("%s\n%s", diff, text)
		}
		for i, a := range w.Accounts {
			for j, r := range a.Roles {
				if got := again.Accounts[i].Roles[j].TrustPolicy; !samePolicy(t, r.TrustPolicy, got) {
					t.Errorf("trust policy %s became %s", r.TrustPolicy, got)
				}
			}
		}
	})
}

// samePolicy compares what policies name; the texts may differ in spaces and in
// the escapes of strings.
func samePolicy(t *testing.T, a, b PolicyDocument) bool {
	if a == "" || b == "" {
		return a == b
	}
	p, err := iam.Parse([]byte(a), iam.TrustPolicy)
	if err != nil {
		t.Fatal(err)
	}
	q, err := iam.Parse([]byte(b), iam.TrustPolicy)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Statements) != len(q.Statements) || p.Version != q.Version {
		return false
	}
	for i := range p.Statements {
		x, y := p.Statements[i], q.Statements[i]
		if x.Sid != y.Sid || x.Effect != y.Effect || !cmp.Equal(x.Actions.Values, y.Actions.Values) || len(x.Conditions) != len(y.Conditions) {
			return false
		}
	}
	return true
}
