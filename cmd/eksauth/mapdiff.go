package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/cli"
)

// inContext begins an argument that is a cluster and not a file.
const inContext = "context/"

func (p *program) newMapDiff() *cobra.Command {
	var source mapSource
	var out output
	cmd := &cobra.Command{
		Use:   "diff FROM [TO]",
		Short: "Say who would become somebody else, between two aws-auths",
		Long: `Say for whom two aws-auths differ: who is named by one of them only, or becomes
another. Quotes, comments, the order of groups and entries that are never used do
not count; the order of entries does where it changes which are used. Each is a FILE with the manifest, - for standard input, or
context/NAME for a cluster; without TO it is the cluster of the current context.

The exit code is 0 if nothing differs and 1 if something does.`,
		Example: `  eksauth map diff aws-auth.yaml
  eksauth map diff aws-auth.yaml changed.yaml
  eksauth map diff context/staging context/prod -o json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, to := sourceOf(args[0], source), source
			if len(args) == 2 {
				to = sourceOf(args[1], source)
			}
			return p.mapDiff(cmd.Context(), &from, &to, out.value)
		},
	}
	cmd.Flags().StringVar(&source.cluster.Kubeconfig, "kubeconfig", "", "kubeconfig `file` for kubectl")
	addOutput(cmd, &out, "text", "json")
	return cmd
}

func sourceOf(arg string, s mapSource) mapSource {
	if name, ok := strings.CutPrefix(arg, inContext); ok {
		s.cluster.Context = name
		return s
	}
	s.file = arg
	return s
}

// difference is what map diff prints as JSON.
type difference struct {
	From    string   `json:"from"`
	To      string   `json:"to"`
	Changes []change `json:"changes"`
}

// change is of one subject. A side without it is null.
type change struct {
	Subject string  `json:"subject"`
	UserID  string  `json:"userId,omitempty"` // that the entry pins
	From    *effect `json:"from"`
	To      *effect `json:"to"`
}

// effect is who somebody becomes.
type effect struct {
	Username string   `json:"username"` // a template; "" is the canonical ARN
	Groups   []string `json:"groups"`
}

func (e *effect) String() string {
	if len(e.Groups) == 0 {
		return becomes(e.Username) + ", in no group"
	}
	return becomes(e.Username) + ", in " + strings.Join(e.Groups, " ")
}

func (p *program) mapDiff(ctx context.Context, from, to *mapSource, format string) error {
	if from.file == "-" && to.file == "-" {
		return cli.Usage("only one of the two can be standard input")
	}
	before, err := p.readMappings(ctx, from)
	if err != nil {
		return from.about(err)
	}
	after, err := p.readMappings(ctx, to)
	if err != nil {
		return to.about(err)
	}
	d := difference{from.name(), to.name(), compare(effects(before), effects(after))}
	if format == "json" {
		err = writeJSON(p.Out, d)
	} else {
		p.printDifference(d)
	}
	if err == nil && len(d.Changes) > 0 {
		return &cli.ExitError{Code: cli.ExitFailed}
	}
	return err
}

// about says which of two clusters an error is of; that of a file names it already.
func (s *mapSource) about(err error) error {
	if s.file != "" {
		return err
	}
	return fmt.Errorf("%s: %w", s.name(), err)
}

// matched is what an entry asks for.
type matched struct{ key, subject, userID string }

// effects are those of the entries that can be used.
func effects(doc awsauth.Document) map[matched]*effect {
	table := awsauth.NewTable(doc)
	unused := map[place]bool{}
	for _, s := range table.Shadowed() {
		unused[placeOf(s.Entry)] = true
	}
	all := map[matched]*effect{}
	for _, e := range table.Entries() {
		if m := (matched{e.Key, e.Subject(), e.UserID}); !unused[placeOf(e)] && all[m] == nil {
			groups := slices.Clone(e.Groups)
			slices.Sort(groups)
			all[m] = &effect{e.Username, append([]string{}, slices.Compact(groups)...)}
		}
	}
	return all
}

func compare(before, after map[matched]*effect) []change {
	changes := []change{}
	for m, from := range before {
		to := after[m]
		if to == nil || from.Username != to.Username || !slices.Equal(from.Groups, to.Groups) {
			changes = append(changes, change{m.subject, m.userID, from, to})
		}
	}
	for m := range maps.Keys(after) {
		if before[m] == nil {
			changes = append(changes, change{m.subject, m.userID, nil, after[m]})
		}
	}
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Or(strings.Compare(a.Subject, b.Subject), strings.Compare(a.UserID, b.UserID))
	})
	return changes
}

func (p *program) printDifference(d difference) {
	style := cli.StyleFor(p.Out, p.Getenv)
	for _, c := range d.Changes {
		who := c.Subject
		if c.UserID != "" {
			who += " (" + c.UserID + ")"
		}
		switch {
		case c.From == nil:
			fmt.Fprintf(p.Out, "%s %s: %s\n", style.Good("+"), printable(who), printable(c.To.String()))
		case c.To == nil:
			fmt.Fprintf(p.Out, "%s %s: %s\n", style.Bad("-"), printable(who), printable(c.From.String()))
		default:
			fmt.Fprintf(p.Out, "%s %s: %s -> %s\n", style.Strong("~"), printable(who), printable(c.From.String()), printable(c.To.String()))
		}
	}
	if len(d.Changes) == 0 {
		fmt.Fprintf(p.Out, "%s no difference between %s and %s\n", style.Good("✓"), printable(d.From), printable(d.To))
	}
}
