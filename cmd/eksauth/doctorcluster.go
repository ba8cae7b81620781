package main

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/doctor"
)

func (p *program) newDoctorCluster() *cobra.Command {
	f := &doctorFlags{}
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "All service accounts with a role, and all mappings: what works and what does not",
		Long: `Examine the whole cluster: aws-auth, the webhook, the issuer, the OIDC provider, and
of each annotated service account whether its pods would get the role. -o junit is for
CI.

` + doctorReads,
		Example: `  eksauth doctor cluster
  eksauth doctor cluster -o junit > irsa.xml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), doctorTimeout)
			defer cancel()
			e := p.newDoctorOf(ctx, f).Everything(ctx)
			if err := p.printEverything(e, f.output.value); err != nil {
				return err
			}
			return exitOf(e.Failing(), e.Cluster)
		},
	}
	f.add(cmd, "junit")
	return cmd
}

func (p *program) printEverything(e doctor.Everything, format string) error {
	switch format {
	case "json":
		return writeJSON(p.Out, e)
	case "junit":
		return writeJUnit(p.Out, e)
	}
	p.printChecks(e.Cluster)
	fmt.Fprintln(p.Out)
	failing, unknown, example := 0, e.Cluster.Unknown(), ""
	if len(e.Accounts) > 0 {
		marks := p.marks()
		w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "\tSERVICE ACCOUNT\tROLE\t")
		for _, a := range e.Accounts {
			name := printable(a.Namespace + "/" + a.Name)
			switch a.Status {
			case doctor.Bad:
				failing++
				example = cmp.Or(example, name)
			case doctor.Unknown:
				unknown++
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", marks[a.Status], name, printable(a.RoleARN), printable(a.Said))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(p.Out)
	}
	if !e.Failing() {
		p.printNothingWrong(unknown, len(e.Cluster.Checks)+len(e.Accounts))
	}
	p.printCauses(e.Cluster)
	if failing > 0 {
		if len(e.Cluster.Causes()) > 0 {
			fmt.Fprintln(p.Out)
		}
		fmt.Fprintf(p.Out, "Of %d service accounts %d would not get their role. Why, and what to do, of each:\n", len(e.Accounts), failing)
		printFix(p.Out, []string{"eksauth doctor serviceaccount " + example})
	}
	return nil
}

// What is used of JUnit's XML: the form that CI systems read.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Skipped *junitMessage `xml:"skipped,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
	}
)

func writeJUnit(w io.Writer, e doctor.Everything) error {
	suite := junitSuite{Name: "eksauth doctor cluster"}
	add := func(class, name string, status doctor.Status, said string) {
		c := junitCase{Class: class, Name: name}
		suite.Tests++
		switch status {
		case doctor.Bad, doctor.Follows:
			c.Failure = &junitMessage{said}
			suite.Failures++
		case doctor.Unknown:
			c.Skipped = &junitMessage{said}
			suite.Skipped++
		}
		suite.Cases = append(suite.Cases, c)
	}
	for _, c := range e.Cluster.Checks {
		add("cluster", c.ID, c.Status, c.Said)
	}
	for _, a := range e.Accounts {
		add("serviceaccount", a.Namespace+"/"+a.Name, a.Status, a.Said)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(suite); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}
