package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/oidc"
)

type issuerRotateFlags struct {
	issuerFlags
	every     time.Duration
	force     bool
	check     bool
	authority string
	periods   issuerPeriods
}

func (p *program) newIssuerRotate() *cobra.Command {
	f := &issuerRotateFlags{}
	cmd := &cobra.Command{
		Use:   "rotate --dir DIR",
		Short: "Take the next step of a rotation of the keys, if it is due",
		Long: `Take the next step of a rotation of the keys, if it is due:

  announce  make the next key and publish it; it does not sign yet
  sign      sign with it, once every relying party can know it; the old one stays
            published
  retire    publish the old one no more, once its last token has expired

It says what must be done after the step, and when the next one is due. It is made
to run from cron, hourly for example: when nothing is due it does nothing.`,
		Example: `  eksauthd issuer rotate --dir ./issuer                # begins a rotation, or goes on with one
  eksauthd issuer rotate --dir ./issuer --every 168h   # begins one only every week
  eksauthd issuer rotate --dir ./issuer --every 168h --check`,
	}
	f.add(cmd)
	f.addOutput(cmd)
	flags := cmd.Flags()
	flags.DurationVar(&f.every, "every", 0, "begin a rotation only if the key has signed for this `time`; EKS's signs for 168h (default: begin at once)")
	flags.BoolVar(&f.force, "force", false, "take the next step though it is not due; what that costs is printed")
	flags.BoolVar(&f.check, "check", false, "ask the issuer's URL for its keys first, and let none sign that it does not publish")
	flags.StringVar(&f.authority, "certificate-authority", "", "`file` with the authority of the URL's certificate, for --check (default: the system's)")
	f.periods.add(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.issuerRotate(cmd.Context(), f, cmd.Flags()) }
	return cmd
}

func (p *program) issuerRotate(ctx context.Context, f *issuerRotateFlags, flags *pflag.FlagSet) error {
	ring, err := f.keyring()
	if err != nil {
		return err
	}
	if f.every < 0 {
		return cli.Usage("--every is %s, which is less than nothing", f.every)
	}
	rotation := oidc.Rotation{Every: f.every, Force: f.force, Change: func(s *oidc.Settings) { f.periods.change(flags, s) }}
	if rotation.Published, err = f.published(); err != nil {
		return err
	}
	done, err := ring.Rotate(ctx, rotation)
	if err != nil {
		return f.hint(err)
	}
	next := done.State.Next(f.every)
	if f.output.json() {
		return printJSON(p.Out, f.report(done, next))
	}
	p.printRotated(f, done, next)
	return nil
}

// published asks the issuer's URL, if that is wanted.
func (f *issuerRotateFlags) published() (func(context.Context, string) ([]string, error), error) {
	if !f.check {
		if f.authority != "" {
			return nil, cli.Usage("--certificate-authority is for --check")
		}
		return nil, nil
	}
	client := &http.Client{}
	if f.authority != "" {
		authority, err := os.ReadFile(f.authority)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(authority) {
			return nil, fmt.Errorf("%s holds no certificate", f.authority)
		}
		client.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		}
	}
	return func(ctx context.Context, issuer string) ([]string, error) {
		return oidc.PublishedKeys(ctx, client, issuer)
	}, nil
}

// issuerRotated is what rotate prints with -o json. Step is "none" if none was due.
type issuerRotated struct {
	Step   oidc.Step   `json:"step"`
	ID     string      `json:"kid,omitempty"`
	Forced bool        `json:"forced"`
	Cost   string      `json:"cost,omitempty"`
	Now    []string    `json:"now"`
	Keys   []issuerKey `json:"keys"`
	Next   issuerNext  `json:"next"`
}

func (f *issuerRotateFlags) report(done oidc.Rotated, next oidc.Due) issuerRotated {
	r := issuerRotated{Step: done.Step, ID: done.Key.ID(), Forced: done.Forced, Now: f.now(done), Keys: issuerKeys(done.State), Next: nextStep(next)}
	if done.Step == "" {
		r.Step = "none"
	}
	if done.Forced {
		r.Cost = cost(done.Step, done.State)
	}
	return r
}

func (p *program) printRotated(f *issuerRotateFlags, done oidc.Rotated, next oidc.Due) {
	now := time.Now()
	if done.Step == "" {
		fmt.Fprintf(p.Out, "nothing is due\n  next   %s\n         --force takes that step now; the cost: %s\n", describeDue(next, now), cost(next.Step, done.State))
		return
	}
	what := map[oidc.Step]string{
		oidc.Announce: "announced the key %s %s; it does not sign yet\n",
		oidc.Sign:     "the key %s %s signs from now on\n",
		oidc.Retire:   "retired the key %s %s\n",
	}
	fmt.Fprintf(p.Out, what[done.Step], done.Key.Algorithm(), done.Key.ID())
	if done.Forced {
		fmt.Fprintf(p.Out, "  forced before it was due; the cost: %s\n", cost(done.Step, done.State))
	}
	for _, line := range f.now(done) {
		fmt.Fprintf(p.Out, "  now    %s\n", line)
	}
	fmt.Fprintf(p.Out, "  next   %s\n", describeDue(next, now))
}

// cost is what a step costs that is taken before it is due.
func cost(step oidc.Step, s oidc.State) string {
	switch step {
	case oidc.Sign:
		return "who fetched the keys before they had the new one refuses new tokens, until it fetches them again (up to an hour later), and so does every kube-apiserver that was not restarted since the key was announced"
	case oidc.Retire:
		return fmt.Sprintf("tokens of the old key are refused before they expire (they may be %s old): pods cannot call AWS or the API server until they have another token", s.TokenLifetime)
	}
	return "none; the rotation begins earlier"
}

// now is what must be done by people, or by whatever runs this command, after a
// step.
func (f *issuerRotateFlags) now(done oidc.Rotated) []string {
	publish := "publish the documents: " + f.command("write") + " --out FOLDER (issuer serve does it by itself)"
	switch done.Step {
	case oidc.Announce:
		return []string{publish, "restart every kube-apiserver, so that each knows the key before one signs with it"}
	case oidc.Sign:
		return []string{
			"restart every kube-apiserver within an hour; until then it signs with the old key, which it read when it started",
			"restart kube-controller-manager too, if its --service-account-private-key-file is this issuer's",
		}
	case oidc.Retire:
		return []string{publish, "restart every kube-apiserver; until then it accepts the old key"}
	}
	return []string{}
}
