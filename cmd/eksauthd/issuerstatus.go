package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/oidc"
)

// issuerKey is a key as -o json prints it.
type issuerKey struct {
	ID        string        `json:"kid"`
	Algorithm string        `json:"algorithm"`
	State     oidc.KeyState `json:"state"`
	Since     time.Time     `json:"since"`
}

func issuerKeys(s oidc.State) []issuerKey {
	var keys []issuerKey
	for _, k := range s.Keys {
		keys = append(keys, issuerKey{k.ID(), k.Algorithm(), k.State, k.Since})
	}
	return keys
}

// issuerNext is the next step as -o json prints it. Without a time it is taken
// whenever rotate runs.
type issuerNext struct {
	Step oidc.Step  `json:"step"`
	ID   string     `json:"kid,omitempty"`
	Due  *time.Time `json:"due,omitempty"`
}

func nextStep(d oidc.Due) issuerNext {
	n := issuerNext{Step: d.Step, ID: d.Key.ID()}
	if !d.At.IsZero() {
		n.Due = &d.At
	}
	return n
}

func (p *program) newIssuerStatus() *cobra.Command {
	f := &issuerFlags{}
	cmd := &cobra.Command{
		Use:   "status --dir DIR",
		Short: "Print the keys, what each does since when, and what comes next",
		Long: `Print the keys, what each does since when, and what comes next. It fails if the
files for kube-apiserver are not as they should be. No private key is printed.`,
		Example: "  eksauthd issuer status --dir ./issuer",
	}
	f.add(cmd)
	f.addOutput(cmd)
	cmd.RunE = func(*cobra.Command, []string) error { return p.issuerStatus(f) }
	return cmd
}

func (p *program) issuerStatus(f *issuerFlags) error {
	ring, state, err := f.load()
	if err != nil {
		return err
	}
	next := state.Next(0)
	if f.output.json() {
		err = printJSON(p.Out, struct {
			Issuer string      `json:"issuer"`
			Keys   []issuerKey `json:"keys"`
			Next   issuerNext  `json:"next"`
		}{state.Issuer, issuerKeys(state), nextStep(next)})
	} else {
		err = printStatus(p.Out, state, next)
	}
	if err != nil {
		return err
	}
	return f.hint(ring.Check(state))
}

func printStatus(out io.Writer, state oidc.State, next oidc.Due) error {
	fmt.Fprintf(out, "issuer  %s\n\n", state.Issuer)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tALGORITHM\tSTATE\tSINCE")
	for _, k := range state.Keys {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.ID(), k.Algorithm(), k.State, k.Since.Format(time.RFC3339))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nnext    %s\n", describeDue(next, time.Now()))
	return err
}

// describeDue says what comes next, and when.
func describeDue(d oidc.Due, now time.Time) string {
	what := map[oidc.Step]string{
		oidc.Announce: "announce another key",
		oidc.Sign:     "sign with " + d.Key.ID(),
		oidc.Retire:   "retire " + d.Key.ID(),
	}[d.Step]
	switch left := d.At.Sub(now).Round(time.Second); {
	case d.At.IsZero():
		return what + ", when rotate asks for it"
	case left > 0:
		return fmt.Sprintf("%s, due %s, in %s", what, d.At.Format(time.RFC3339), left)
	default:
		return fmt.Sprintf("%s, due since %s", what, d.At.Format(time.RFC3339))
	}
}
