package iam_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/iam"
)

// hostile is a policy whose pattern takes time that is exponential in a careless
// matcher, and a subject for it that almost matches.
func hostile(t testing.TB) (*iam.Policy, iam.Request) {
	p := mustParse(t, iam.TrustPolicy, `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:*",
		"Condition": {"StringLike": {"k": "`+strings.Repeat("*a", 50)+`b"}}}}`)
	r := iam.Request{Action: "sts:AssumeRole"}
	r.Context.Set("k", strings.Repeat("a", 20000))
	return p, r
}

// many is the IRSA policy with n statements, the last of which matches.
func many(t testing.TB, n int) *iam.Policy {
	statement := irsaPolicy[strings.Index(irsaPolicy, "[")+1 : strings.LastIndex(irsaPolicy, "]")]
	others := strings.Repeat(strings.Replace(statement, irsaSub, "system:serviceaccount:other:other", 1)+",", n-1)
	return mustParse(t, iam.TrustPolicy, `{"Version": "2012-10-17", "Statement": [`+others+statement+`]}`)
}

// TestEvaluateAllocates holds the figure that the benchmark shows: the action in
// lower case is the one thing that a decision needs memory for.
func TestEvaluateAllocates(t *testing.T) {
	for _, n := range []int{1, 100} {
		p, r := many(t, n), irsaRequest()
		if got := testing.AllocsPerRun(100, func() {
			if !iam.Evaluate(p, r).Allowed() {
				t.Error("not allowed")
			}
		}); got > 1 {
			t.Errorf("%d statements: %v allocations", n, got)
		}
	}
}

// TestHostilePatternEnds would not, with a matcher that backtracks into every
// wildcard.
func TestHostilePatternEnds(t *testing.T) {
	t.Parallel()
	p, r := hostile(t)
	if d := iam.Evaluate(p, r); d.Allowed() {
		t.Error("allowed")
	}
	r.Context.Set("k", strings.Repeat("a", 20000)+"b")
	if d := iam.Evaluate(p, r); !d.Allowed() {
		t.Error("not allowed")
	}
}

func BenchmarkParseIRSA(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := iam.Parse([]byte(irsaPolicy), iam.TrustPolicy); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEvaluateIRSA(b *testing.B) {
	p, r := mustParse(b, iam.TrustPolicy, irsaPolicy), irsaRequest()
	b.ReportAllocs()
	for b.Loop() {
		if !iam.Evaluate(p, r).Allowed() {
			b.Fatal("not allowed")
		}
	}
}

func BenchmarkEvaluateIRSARefused(b *testing.B) {
	p, r := mustParse(b, iam.TrustPolicy, irsaPolicy), irsaRequest()
	r.Context.Set(irsaIssuer+":sub", "system:serviceaccount:default:other")
	b.ReportAllocs()
	for b.Loop() {
		if iam.Evaluate(p, r).Allowed() {
			b.Fatal("allowed")
		}
	}
}

// BenchmarkEvaluateStatements grows with the number of statements and no faster.
func BenchmarkEvaluateStatements(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, r := many(b, n), irsaRequest()
			b.ReportAllocs()
			for b.Loop() {
				if !iam.Evaluate(p, r).Allowed() {
					b.Fatal("not allowed")
				}
			}
		})
	}
}

func BenchmarkEvaluateHostilePattern(b *testing.B) {
	p, r := hostile(b)
	b.ReportAllocs()
	for b.Loop() {
		if iam.Evaluate(p, r).Allowed() {
			b.Fatal("allowed")
		}
	}
}

func BenchmarkExplain(b *testing.B) {
	p, r := mustParse(b, iam.TrustPolicy, irsaPolicy), irsaRequest()
	r.Context.Set(irsaIssuer+":sub", "system:serviceaccount:default:other")
	d := iam.Evaluate(p, r)
	b.ReportAllocs()
	for b.Loop() {
		if d.String() == "" {
			b.Fatal("no reasons")
		}
	}
}
