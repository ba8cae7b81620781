package authtest

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// WriteTAP writes results for harnesses that read the Test Anything Protocol,
// version 13.
//
// Source: https://testanything.org/tap-version-13-specification.html
func WriteTAP(w io.Writer, results []Result) error {
	fmt.Fprintf(w, "TAP version 13\n1..%d\n", len(results))
	for i, r := range results {
		ok := "ok"
		if !r.Passed {
			ok = "not ok"
		}
		// A # begins a directive.
		fmt.Fprintf(w, "%s %d - %s\n", ok, i+1, strings.ReplaceAll(r.Test+": "+r.Expect, "#", `\#`))
		if r.Passed {
			continue
		}
		fmt.Fprintf(w, "  ---\n  at: %q\n  reason: |\n", fmt.Sprintf("%s:%d", r.File, r.Line))
		for line := range strings.Lines(r.Reason) {
			fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\n"))
		}
		if _, err := fmt.Fprintln(w, "  ..."); err != nil {
			return err
		}
	}
	return nil
}

type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes results as the XML that CI systems read, a suite for each file.
func WriteJUnit(w io.Writer, results []Result) error {
	var all junitSuites
	for _, r := range results {
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != r.File {
			all.Suites = append(all.Suites, junitSuite{Name: r.File})
		}
		suite := &all.Suites[len(all.Suites)-1]
		c := junitCase{Class: r.Test, Name: r.Expect, File: r.File, Line: r.Line, Time: fmt.Sprintf("%.6f", r.Took.Seconds())}
		if !r.Passed {
			first, _, _ := strings.Cut(r.Reason, "\n")
			c.Failure = &junitFailure{first, r.Reason}
			suite.Failures++
		}
		suite.Tests++
		suite.Cases = append(suite.Cases, c)
	}
	for i := range all.Suites {
		total := 0.0
		for _, r := range results {
			if r.File == all.Suites[i].Name {
				total += r.Took.Seconds()
			}
		}
		all.Suites[i].Time = fmt.Sprintf("%.6f", total)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
