package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/oidc"
)

type issuerInitFlags struct {
	issuerFlags
	issuer         string
	signingKey     string
	pathInServer   string
	previous, auds []string
	algorithm      string
	periods        issuerPeriods
}

// issuerPeriods are the times of a rotation, which the folder remembers.
type issuerPeriods struct{ announceFor, tokenLifetime time.Duration }

func (t *issuerPeriods) add(flags *pflag.FlagSet) {
	flags.DurationVar(&t.announceFor, "announce-for", 0, "`time` that a key is published before it signs: relying parties keep the documents for an hour, the rest is yours to publish them and to restart kube-apiserver (default 2h, or what was given before)")
	flags.DurationVar(&t.tokenLifetime, "token-lifetime", 0, "longest `time` that a token is valid; its key is published for that and an hour more (default 24h, or what was given before)")
}

func (t *issuerPeriods) change(flags *pflag.FlagSet, s *oidc.Settings) {
	if flags.Changed("announce-for") {
		s.AnnounceFor = t.announceFor
	}
	if flags.Changed("token-lifetime") {
		s.TokenLifetime = t.tokenLifetime
	}
}

func (p *program) newIssuerInit() *cobra.Command {
	f := &issuerInitFlags{}
	cmd := &cobra.Command{
		Use:   "init --dir DIR --issuer URL",
		Short: "Make an issuer, or change its settings, and print kube-apiserver's flags",
		Long: `Make an issuer in a folder: a signing key, or a copy of one that kube-apiserver
has, and what the issuer is called. Keys that are there are never replaced; the
same command again changes nothing. Settings that are given again take the place
of those before.

It prints the flags that kube-apiserver needs.`,
		Example: `  eksauthd issuer init --dir ./issuer --issuer https://oidc.example.com/dev
  eksauthd issuer init --dir ./issuer --issuer https://oidc.example.com/dev \
    --signing-key /etc/kubernetes/pki/sa.key --previous-issuer https://kubernetes.default.svc.cluster.local`,
	}
	f.add(cmd)
	f.addOutput(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.issuer, "issuer", "", "`URL` that tokens name: https, with a host and perhaps a path")
	flags.StringVar(&f.signingKey, "signing-key", "", "`file` with a private key to begin with, such as kubeadm's sa.key: what it signed stays valid")
	flags.StringVar(&f.algorithm, "algorithm", "RS256", "`algorithm` of the keys that are made: RS256 or ES256")
	flags.StringArrayVar(&f.previous, "previous-issuer", nil, "`name` of the cluster's issuer so far, whose tokens the API server shall accept still; may be given again, \"\" for none")
	flags.StringArrayVar(&f.auds, "api-audience", nil, "further `audience` of the API server itself: what its --api-audiences had; may be given again, \"\" for none")
	f.periods.add(flags)
	addPathInServer(flags, &f.pathInServer)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.issuerInit(cmd.Context(), f, cmd.Flags()) }
	return cmd
}

func addPathInServer(flags *pflag.FlagSet, to *string) {
	flags.StringVar(to, "path-in-apiserver", "", "where kube-apiserver finds the `folder`, if that is another path for it")
}

func checkPathInServer(folder string) error {
	if folder != "" && !path.IsAbs(folder) {
		return cli.Hint(cli.Usage("--path-in-apiserver %q is not an absolute path", folder), "kube-apiserver's working folder is another one")
	}
	return nil
}

func (f *issuerInitFlags) change(flags *pflag.FlagSet) func(*oidc.Settings) {
	return func(s *oidc.Settings) {
		if flags.Changed("algorithm") {
			s.Algorithm = f.algorithm
		}
		if flags.Changed("previous-issuer") {
			s.PreviousIssuers = given(f.previous)
		}
		if flags.Changed("api-audience") {
			s.APIAudiences = given(f.auds)
		}
		f.periods.change(flags, s)
	}
}

// given leaves out "", which is how a list is emptied.
func given(values []string) []string {
	var kept []string
	for _, v := range values {
		if v != "" {
			kept = append(kept, v)
		}
	}
	return kept
}

func (p *program) issuerInit(ctx context.Context, f *issuerInitFlags, flags *pflag.FlagSet) error {
	ring, err := f.keyring()
	if err != nil {
		return err
	}
	if f.issuer == "" {
		return cli.Hint(cli.Usage("--issuer is missing"), "give the URL that tokens will name, such as https://oidc.example.com/dev")
	}
	if err := checkPathInServer(f.pathInServer); err != nil {
		return err
	}
	adopt, err := readSigningKey(f.signingKey)
	if err != nil {
		return err
	}
	state, created, err := ring.Create(ctx, f.issuer, adopt, f.change(flags))
	if err == nil {
		err = ring.Check(state)
	}
	if err != nil {
		return f.hint(err)
	}
	server, err := apiServerFlags(ring.Dir, f.pathInServer, state)
	if err != nil {
		return err
	}
	if f.output.json() {
		return printJSON(p.Out, struct {
			Result oidc.Created    `json:"result"`
			Issuer string          `json:"issuer"`
			Keys   []issuerKey     `json:"keys"`
			Flags  []apiServerFlag `json:"flags"`
		}{created, state.Issuer, issuerKeys(state), server})
	}
	p.printInit(f, state, created, server)
	return nil
}

func (p *program) printInit(f *issuerInitFlags, state oidc.State, created oidc.Created, server []apiServerFlag) {
	what := map[oidc.Created]string{oidc.Made: "made", oidc.Changed: "changed the settings of", oidc.Unchanged: "nothing to do: there is already"}
	fmt.Fprintf(p.Out, "%s the issuer %s in %s\n  signing key  %s %s\n\n", what[created], state.Issuer, f.dir, state.Signing().Algorithm(), state.Signing().ID())
	fmt.Fprintf(p.Out, "kube-apiserver needs these flags, now and after every rotation:\n\n")
	printFlags(p.Out, server)
	fmt.Fprintf(p.Out, "\nthen publish the documents: %s --out FOLDER\nor serve them:              %s\n", f.command("write"), f.command("serve"))
}

// readSigningKey returns nil without a file.
func readSigningKey(file string) (*oidc.Key, error) {
	if file == "" {
		return nil, nil
	}
	in, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxSigningKey))
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	key, err := oidc.LoadKey(data)
	if err != nil {
		return nil, cli.Hint(fmt.Errorf("%s: %w", file, err), "give kube-apiserver's --service-account-signing-key-file; kubeadm's is /etc/kubernetes/pki/sa.key")
	}
	return &key, nil
}

// maxSigningKey is more than any key has, in bytes.
const maxSigningKey = 64 << 10

// apiServerFlag is one of kube-apiserver's; as JSON it is what kubeadm has in
// extraArgs.
type apiServerFlag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// apiServerFlags are kube-apiserver's for the issuer. kube-apiserver's own working
// folder is another one, so the paths are absolute.
func apiServerFlags(dir, inServer string, s oidc.State) ([]apiServerFlag, error) {
	if inServer == "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		inServer = filepath.ToSlash(abs)
	}
	publisher, err := oidc.NewPublisher(s)
	if err != nil {
		return nil, err
	}
	ring := oidc.Keyring{Dir: inServer}
	var flags []apiServerFlag
	for _, issuer := range s.APIServerIssuers() {
		flags = append(flags, apiServerFlag{"service-account-issuer", issuer})
	}
	return append(flags,
		apiServerFlag{"service-account-signing-key-file", filepath.ToSlash(ring.SigningKeyFile())},
		apiServerFlag{"service-account-key-file", filepath.ToSlash(ring.PublicKeysFile())},
		apiServerFlag{"service-account-jwks-uri", publisher.JWKSURL()},
		apiServerFlag{"api-audiences", strings.Join(s.APIServerAudiences(), ",")},
		// Or a token could outlive its key.
		apiServerFlag{"service-account-max-token-expiration", s.TokenLifetime.String()},
	), nil
}

func printFlags(w io.Writer, flags []apiServerFlag) {
	for _, f := range flags {
		fmt.Fprintf(w, "--%s=%s\n", f.Name, f.Value)
	}
}

func (p *program) newIssuerFlags() *cobra.Command {
	f := &issuerFlags{}
	var inServer string
	cmd := &cobra.Command{
		Use:   "flags --dir DIR",
		Short: "Print the flags that kube-apiserver needs",
		Long: `Print the flags that kube-apiserver needs, one a line. They stay the same over
rotations. -o json prints them as kubeadm's extraArgs has them.

--api-audiences has the issuers, which is kube-apiserver's default as well, and
what init was given with --api-audience. The audience of tokens for AWS does not
belong there: such a token would be good for the API server too.`,
		Example: `  eksauthd issuer flags --dir ./issuer
  eksauthd issuer flags --dir ./issuer --path-in-apiserver /etc/kubernetes/issuer -o json`,
	}
	f.add(cmd)
	f.addOutput(cmd)
	addPathInServer(cmd.Flags(), &inServer)
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := checkPathInServer(inServer); err != nil {
			return err
		}
		ring, state, err := f.load()
		if err != nil {
			return err
		}
		flags, err := apiServerFlags(ring.Dir, inServer, state)
		if err != nil {
			return err
		}
		if f.output.json() {
			return printJSON(p.Out, flags)
		}
		printFlags(p.Out, flags)
		return nil
	}
	return cmd
}
