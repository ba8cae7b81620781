package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/cli"
)

func (p *program) newMapList() *cobra.Command {
	var source mapSource
	var out output
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List who becomes whom, and what is wrong with the mappings",
		Long: `List the mappings in the order in which they are searched: who, becomes whom,
in which groups, and where it says so. Below stand the entries that are not
used, and all warnings.`,
		Example: `  eksauth map list
  eksauth map list --context prod -o json
  kubectl -n kube-system get configmap aws-auth -o yaml | eksauth map list -f -`,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.mapList(cmd.Context(), &source, out.value) },
	}
	source.addFlags(cmd)
	source.addKind(cmd)
	addOutput(cmd, &out, "text", "json")
	return cmd
}

// listing is what map list prints as JSON.
type listing struct {
	Source  string        `json:"source"`
	Entries []listedEntry `json:"entries"`
	Faults  []listedFault `json:"faults"`
}

type listedEntry struct {
	Subject    string   `json:"subject"`
	Key        string   `json:"key"`
	Index      int      `json:"index"`
	Name       string   `json:"name,omitempty"` // of the object that is the entry
	Line       int      `json:"line"`
	UserID     string   `json:"userId,omitempty"`
	Username   string   `json:"username"` // a template; "" is the canonical ARN
	Groups     []string `json:"groups"`
	ShadowedBy string   `json:"shadowedBy,omitempty"`
	Warnings   []string `json:"warnings,omitempty"`
}

func (e listedEntry) place() string {
	if e.Name != "" {
		return e.Name
	}
	return fmt.Sprintf("%s[%d]%s", e.Key, e.Index, atLine(e.Line))
}

type listedFault struct {
	Key      string       `json:"key,omitempty"`
	Line     int          `json:"line,omitempty"`
	Severity string       `json:"severity"`
	Rule     awsauth.Rule `json:"rule"`
	Subject  string       `json:"subject,omitempty"`
	Message  string       `json:"message"`
	Hint     string       `json:"hint,omitempty"`
}

func (p *program) mapList(ctx context.Context, source *mapSource, format string) error {
	doc, err := p.readMappings(ctx, source)
	if err != nil {
		return err
	}
	l := newListing(source.name(), doc)
	if format == "json" {
		return writeJSON(p.Out, l)
	}
	return p.printListing(l)
}

func newListing(name string, doc awsauth.Document) listing {
	table := awsauth.NewTable(doc)
	shadowed := map[place]string{}
	for _, s := range table.Shadowed() {
		shadowed[placeOf(s.Entry)] = s.By.String()
	}
	faults := append(doc.Faults, table.Faults()...)
	l := listing{Source: name, Entries: []listedEntry{}, Faults: []listedFault{}}
	for _, e := range table.Entries() {
		listed := listedEntry{
			Subject: e.Subject(), Key: e.Key, Index: e.Index, Name: e.Name, Line: e.Line, UserID: e.UserID,
			Username: e.Username, Groups: append([]string{}, e.Groups...), ShadowedBy: shadowed[placeOf(e)],
		}
		for _, f := range faults {
			if f.Severity == awsauth.Warning && f.Key == cmp.Or(e.Name, e.Key) && f.Line == e.Line && f.Subject == e.Subject() {
				listed.Warnings = append(listed.Warnings, f.Message)
			}
		}
		l.Entries = append(l.Entries, listed)
	}
	for _, f := range faults {
		l.Faults = append(l.Faults, listedFault{f.Key, f.Line, f.Severity.String(), f.Rule, f.Subject, f.Message, f.Hint})
	}
	return l
}

// place is where an entry stands.
type place struct {
	key   string
	index int
}

func placeOf(e awsauth.Entry) place { return place{e.Key, e.Index} }

func (p *program) printListing(l listing) error {
	style := cli.StyleFor(p.Out, p.Getenv)
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHO\tBECOMES\tGROUPS\tFROM")
	for _, e := range l.Entries {
		note := ""
		if e.ShadowedBy != "" {
			note = ", never used"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", printable(e.Subject), printable(becomes(e.Username)),
			printable(groupList(e.Groups)), printable(e.place())+note)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(l.Faults) > 0 {
		fmt.Fprintln(p.Out)
	}
	for _, f := range l.Faults {
		fmt.Fprintf(p.Out, "%s %s\n", f.mark(style), printable(f.String()))
		f.printHint(p.Out, style)
	}
	return nil
}

func (f listedFault) mark(style cli.Style) string {
	if f.Severity == awsauth.Error.String() {
		return style.Bad("✗")
	}
	return style.Strong("!")
}

func (f listedFault) printHint(w io.Writer, style cli.Style) {
	if f.Hint != "" {
		fmt.Fprintf(w, "  %s\n", style.Dim(printable(f.Hint)))
	}
}

// String is one line without the hint: "mapRoles line 3: error: …".
func (f listedFault) String() string {
	where := f.Key
	if f.Line > 0 {
		where += fmt.Sprintf(" line %d", f.Line)
	}
	if where != "" {
		where += ": "
	}
	return where + f.Severity + ": " + f.Message
}

func becomes(username string) string {
	if strings.TrimSpace(username) == "" {
		return "(its ARN)"
	}
	return username
}

func groupList(groups []string) string {
	if len(groups) == 0 {
		return "-"
	}
	return strings.Join(groups, ",")
}

func atLine(line int) string {
	if line == 0 {
		return ""
	}
	return fmt.Sprintf(" line %d", line)
}
