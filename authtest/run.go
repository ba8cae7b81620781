package authtest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
)

// Result is what came of one expectation.
type Result struct {
	File   string        `json:"file"`
	Line   int           `json:"line"`
	Test   string        `json:"test"`   // name
	Expect string        `json:"expect"` // in words
	Passed bool          `json:"passed"`
	Reason string        `json:"reason"` // why it failed, or why it passed
	Took   time.Duration `json:"tookNs"`
}

// Run checks the expectations of those tests whose name matches; nil is all. The
// error is about the suite itself: a file that is not there, a policy that cannot be
// read.
func (s *Suite) Run(match *regexp.Regexp) (results []Result, warnings []string, err error) {
	g, err := newStage(s)
	if err != nil {
		return nil, nil, err
	}
	defer g.close()
	for i := range s.Tests {
		t := &s.Tests[i]
		if match != nil && !match.MatchString(t.title()) {
			continue
		}
		for _, e := range g.expectations(t) {
			begin := time.Now()
			failure, reason := e.check()
			if failure != "" {
				reason = failure
			}
			results = append(results, Result{
				File: s.File, Line: t.line, Test: t.title(), Expect: e.words, Passed: failure == "", Reason: reason, Took: time.Since(begin),
			})
		}
	}
	return results, g.warnings, nil
}

// expectation is one thing that a test expects. check says why it is not so; ""
// if it is, and then why.
type expectation struct {
	words string
	check func() (failure, reason string)
}

func (g *stage) expectations(t *Test) []expectation {
	var list []expectation
	who := t.ServiceAccount + t.Principal
	for _, want := range []bool{true, false} {
		roles, actions, may := t.MayAssume, t.May, "may"
		if !want {
			roles, actions, may = t.MayNotAssume, t.MayNot, "may not"
		}
		for _, name := range roles {
			list = append(list, expectation{who + " " + may + " assume " + name, func() (string, string) { return compare(want, g.assumes(t, name)) }})
		}
		for _, what := range actions {
			list = append(list, expectation{who + " " + may + " " + what, func() (string, string) {
				return compare(want, func() (verdict, error) { return g.may(t, what) })
			}})
		}
	}
	if t.SignsInAs != "" || t.NotMapped {
		list = append(list, g.signsIn(t))
	}
	if len(t.Only) > 0 {
		list = append(list, expectation{"only " + strings.Join(t.Only, ", ") + " may assume " + t.Role, func() (string, string) { return g.only(t) }})
	}
	if len(t.NobodyOutside) > 0 {
		list = append(list, expectation{"nobody outside " + strings.Join(t.NobodyOutside, ", ") + " may assume " + t.Role, func() (string, string) { return g.nobodyOutside(t) }})
	}
	return list
}

// assumes prepares the question for a role.
func (g *stage) assumes(t *Test, name string) func() (verdict, error) {
	return func() (verdict, error) {
		role, err := g.role(name)
		if err != nil {
			return verdict{}, err
		}
		if _, err := g.trustPolicy(role); err != nil { // or a misspelt name would pass as "may not"
			return verdict{}, err
		}
		if t.ServiceAccount != "" {
			return g.assumeAsPod(t, role)
		}
		return g.assumeAsPrincipal(t, role)
	}
}

// compare asks. What cannot be asked has failed, whatever was expected.
func compare(want bool, ask func() (verdict, error)) (failure, reason string) {
	v, err := ask()
	switch {
	case err != nil:
		return "cannot tell: " + err.Error(), ""
	case v.allowed != want && want:
		return "refused\n" + v.reason, ""
	case v.allowed != want:
		return "allowed\n" + v.reason, ""
	}
	return "", v.reason
}

func (g *stage) signsIn(t *Test) expectation {
	e := expectation{words: t.Principal + " is not mapped"}
	if t.SignsInAs != "" {
		e.words = t.Principal + " signs in as " + t.SignsInAs
		if len(t.Groups) > 0 {
			e.words += " in " + strings.Join(t.Groups, ", ")
		}
	}
	e.check = func() (string, string) {
		cluster, err := g.cluster(t.Cluster)
		if err != nil {
			return "cannot tell: " + err.Error(), ""
		}
		p, err := g.principal(t.Principal)
		if err != nil {
			return "cannot tell: " + err.Error(), ""
		}
		if p.Kind == arn.Role { // nobody but a session of it comes
			p = arn.Principal{Kind: arn.AssumedRole, Partition: p.Partition, AccountID: p.AccountID, Name: p.Name, Session: orElse(t.SessionName, "test")}
		}
		m, err := g.tables[cluster.Name].Map(arn.Identity{Principal: p, UserID: "AIDAUNKNOWN"})
		var unmapped *awsauth.NotMappedError
		switch {
		case errors.As(err, &unmapped) && t.NotMapped:
			return "", err.Error()
		case errors.As(err, &unmapped):
			return strings.Join(append([]string{err.Error()}, unmapped.Hints()...), "\n"), ""
		case err != nil:
			return "cannot tell: " + err.Error(), ""
		}
		return mapped(t, m)
	}
	return e
}

// mapped compares a mapping with what the test expects.
func mapped(t *Test, m awsauth.Mapping) (failure, reason string) {
	reason = fmt.Sprintf("signs in as %s in groups %s\n%s", m.Username, orElse(strings.Join(m.Groups, ", "), "none"), m.Reason())
	got, want := slices.Sorted(slices.Values(m.Groups)), slices.Sorted(slices.Values(t.Groups))
	if t.NotMapped || m.Username != t.SignsInAs || len(want) > 0 && !slices.Equal(got, want) {
		return reason, ""
	}
	return "", reason
}
