package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/cli"
)

type explainFlags struct {
	source                           mapSource
	sessionName, userID, accessKeyID string
	output                           output
}

func (p *program) newMapExplain() *cobra.Command {
	f := &explainFlags{}
	cmd := &cobra.Command{
		Use:   "explain ARN",
		Short: "Say which entry matches a principal, and why each other does not",
		Long: `Say who a principal becomes, which entry matches it and why each other one
does not. The ARN is that of a user, a role, a role's session
(arn:aws:sts::…:assumed-role/NAME/SESSION), a federated user or root.

Of a role, --session-name makes a session: usernames may be made of it.
The exit code is 1 if the principal would be refused.`,
		Example: `  eksauth map explain arn:aws:iam::111122223333:user/ada.lovelace
  eksauth map explain -f aws-auth.yaml --session-name ada arn:aws:iam::111122223333:role/admin`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.mapExplain(cmd.Context(), args[0], f) },
	}
	f.source.addFlags(cmd)
	f.source.addKind(cmd)
	cmd.Flags().StringVar(&f.sessionName, "session-name", "", "`name` of the role's session")
	cmd.Flags().StringVar(&f.userID, "user-id", "", "unique `id` of the user or role (AIDA…, AROA…), for entries that pin it")
	cmd.Flags().StringVar(&f.accessKeyID, "access-key-id", "", "`id` of the key that signs, for {{AccessKeyID}}")
	addOutput(cmd, &f.output, "text", "json")
	return cmd
}

// explanation is what map explain prints as JSON.
type explanation struct {
	ARN      string   `json:"arn"`
	Allowed  bool     `json:"allowed"`
	Username string   `json:"username,omitempty"`
	Groups   []string `json:"groups,omitempty"`
	Reason   string   `json:"reason"`
	Hints    []string `json:"hints,omitempty"`
	Entries  []tried  `json:"entries"`
}

type tried struct {
	Entry   string `json:"entry"`
	Subject string `json:"subject"`
	Matches bool   `json:"matches"`
	Used    bool   `json:"used"`
	Why     string `json:"why"`
}

func (p *program) mapExplain(ctx context.Context, text string, f *explainFlags) error {
	id, err := f.identity(text)
	if err != nil {
		return err
	}
	doc, err := p.readMappings(ctx, &f.source)
	if err != nil {
		return err
	}
	x := explain(awsauth.NewTable(doc), id)
	if f.output.value == "json" {
		err = writeJSON(p.Out, x)
	} else {
		err = p.printExplanation(x)
	}
	if err == nil && !x.Allowed {
		return &cli.ExitError{Code: cli.ExitFailed} // it has been said why
	}
	return err
}

// identity is whom the command line names.
func (f *explainFlags) identity(text string) (arn.Identity, error) {
	principal, err := arn.ParsePrincipal(text)
	if err != nil {
		return arn.Identity{}, cli.Hint(cli.Usage("%w", err), "who are you? aws sts get-caller-identity")
	}
	if f.sessionName != "" {
		if principal.Kind != arn.Role {
			return arn.Identity{}, cli.Usage("--session-name is for the ARN of a role, and this is a %s", principal.Kind)
		}
		principal.Kind, principal.Path, principal.Session = arn.AssumedRole, "", f.sessionName
		if principal, err = arn.ParsePrincipal(principal.String()); err != nil {
			return arn.Identity{}, cli.Usage("--session-name: %w", err)
		}
	}
	return arn.Identity{Principal: principal, UserID: f.userID, AccessKeyID: f.accessKeyID}, nil
}

func explain(table *awsauth.Table, id arn.Identity) explanation {
	x := explanation{ARN: id.String(), Entries: []tried{}}
	m, err := table.Map(id)
	var unmapped *awsauth.NotMappedError
	var render *awsauth.RenderError
	switch {
	case errors.As(err, &unmapped):
		x.Reason, x.Hints = err.Error(), unmapped.Hints()
	case errors.As(err, &render) && id.Kind == arn.Role:
		x.Reason, x.Hints = err.Error(), []string{"say which session it is: --session-name NAME"}
	case err != nil:
		x.Reason = err.Error()
	default:
		x.Allowed, x.Username, x.Groups, x.Reason = true, m.Username, m.Groups, m.Reason()
	}
	for _, v := range table.Verdicts(id) {
		x.Entries = append(x.Entries, tried{v.Entry.String(), v.Entry.Subject(), v.Matches, v.Used, v.Why})
	}
	return x
}

func (p *program) printExplanation(x explanation) error {
	style := cli.StyleFor(p.Out, p.Getenv)
	if x.Allowed {
		fmt.Fprintf(p.Out, "%s %s\n  signs in as  %s\n  in groups    %s\n  because of   %s\n",
			style.Good("✓"), x.ARN, printable(x.Username), printable(groupList(x.Groups)), x.Reason)
	} else {
		fmt.Fprintf(p.Out, "%s refused: %s\n", style.Bad("✗"), printable(x.Reason))
		for _, h := range x.Hints {
			fmt.Fprintf(p.Out, "  %s\n", printable(h))
		}
	}
	if len(x.Entries) == 0 {
		return nil
	}
	fmt.Fprintln(p.Out)
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	for _, e := range x.Entries {
		mark := "-"
		if e.Used {
			mark = "→"
		}
		fmt.Fprintf(w, "%s %s\t%s\t%s\n", mark, e.Entry, printable(e.Subject), e.Why)
	}
	return w.Flush()
}
