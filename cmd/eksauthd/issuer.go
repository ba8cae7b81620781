package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/shell"
	"github.com/eksauth/eksauth/oidc"
)

func (p *program) newIssuer() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "issuer",
		Short: "Be the OIDC issuer of a cluster: its keys, their rotation, its documents",
		Long: `Be the OIDC issuer of a cluster, so that AWS and others can verify the tokens of
its service accounts.

A folder holds the issuer: its URL, its keys and how far their rotation is.
kube-apiserver signs with a key in it; its flags stay the same over rotations.`,
		Example: `  eksauthd issuer init --dir ./issuer --issuer https://oidc.example.com/dev
  eksauthd issuer write --dir ./issuer --out ./public    # or: eksauthd issuer serve --dir ./issuer
  eksauthd issuer rotate --dir ./issuer --every 168h     # from cron
  eksauthd issuer status --dir ./issuer`,
	}
	cmd.AddCommand(p.newIssuerInit(), p.newIssuerFlags(), p.newIssuerRotate(), p.newIssuerStatus(), p.newIssuerWrite(), p.newIssuerServe())
	return cmd
}

// issuerFlags are those of every command of the group.
type issuerFlags struct {
	dir    string
	output issuerOutput
}

func (f *issuerFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.dir, "dir", "", "`folder` of the issuer")
}

func (f *issuerFlags) addOutput(cmd *cobra.Command) {
	f.output = "text"
	cmd.Flags().VarP(&f.output, "output", "o", "output: text or json")
}

func (f *issuerFlags) keyring() (*oidc.Keyring, error) {
	if f.dir == "" {
		return nil, cli.Hint(cli.Usage("--dir is missing"), "give the folder of the issuer, such as --dir ./issuer")
	}
	return &oidc.Keyring{Dir: f.dir, Now: time.Now}, nil
}

// load reads the issuer in the folder.
func (f *issuerFlags) load() (*oidc.Keyring, oidc.State, error) {
	ring, err := f.keyring()
	if err != nil {
		return nil, oidc.State{}, err
	}
	state, err := ring.Load()
	return ring, state, f.hint(err)
}

// command is a line that a person may type, for this folder.
func (f *issuerFlags) command(rest string) string {
	return fmt.Sprintf("eksauthd issuer %s --dir %s", rest, shell.Word(f.dir))
}

// hint says what to do about an error of a keyring.
func (f *issuerFlags) hint(err error) error {
	var setting *oidc.SettingsError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &setting):
		return cli.Usage("%w", err)
	case errors.Is(err, oidc.ErrNoKeyring):
		return cli.Hint(err, "make it: %s --issuer https://HOST/PATH", f.command("init"))
	case errors.Is(err, oidc.ErrKeyringBusy):
		return cli.Hint(err, "try again when it is done")
	case errors.Is(err, oidc.ErrOtherIssuer):
		return cli.Hint(err, "every token and every IAM provider names an issuer by its URL, so it cannot change; make another folder, and give its init --previous-issuer so that tokens of this one stay good at the API server")
	case errors.Is(err, oidc.ErrOtherKey):
		return cli.Hint(err, "a key that is there is never replaced; let it be rotated, or give another folder")
	case errors.Is(err, oidc.ErrCutShort):
		return cli.Hint(err, "finish it: %s", f.command("rotate"))
	case errors.Is(err, oidc.ErrKeyringDamaged), errors.Is(err, fs.ErrNotExist):
		return cli.Hint(err, "put the file back from a copy of the folder; nothing has been changed")
	case errors.Is(err, oidc.ErrNotPublished):
		return cli.Hint(err, "publish the documents, then run it again; a token of that key would be refused now")
	}
	return err
}

// issuerOutput is the value of -o.
type issuerOutput string

func (o *issuerOutput) String() string { return string(*o) }
func (o *issuerOutput) Type() string   { return "format" }
func (o *issuerOutput) Set(s string) error {
	if s != "text" && s != "json" {
		return cli.Usage("it is text or json")
	}
	*o = issuerOutput(s)
	return nil
}

func (o issuerOutput) json() bool { return o == "json" }

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
