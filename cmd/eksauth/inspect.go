package main

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/oidc"
	"github.com/eksauth/eksauth/token"
)

func (p *program) newInspect() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "inspect TOKEN|-",
		Short: "Take an EKS token or a service-account JWT apart; verifies nothing",
		Long: `Take an EKS token or a service-account JWT apart and name what is wrong with
it. Nothing is verified, nobody is asked, and neither the signature nor a
session token is printed.`,
		Example: `  eksauth token --cluster-name dev | eksauth inspect -
  eksauth inspect - < /var/run/secrets/eks.amazonaws.com/serviceaccount/token`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return p.inspect(args[0], out.value) },
	}
	addOutput(cmd, &out, "text", "json")
	return cmd
}

// notVerified is said with every inspection: what follows is only a claim.
const notVerified = "Nothing here was verified: anybody can write this."

func (p *program) inspect(arg, format string) error {
	raw, err := p.tokenArgument(arg)
	if err != nil {
		return err
	}
	if oidc.LooksLikeJWT(raw) {
		return p.inspectJWT(raw, format)
	}
	return p.inspectToken(raw, format)
}

func (p *program) inspectToken(raw, format string) error {
	now := time.Now()
	endpoint, err := p.endpointFromEnv("")
	if err != nil {
		return err
	}
	in, ok := (&token.Verifier{Endpoint: endpoint, Now: func() time.Time { return now }}).Inspect(raw)
	if format == "json" {
		err := writeJSON(p.Out, struct {
			Kind       string `json:"kind"`
			Verified   bool   `json:"verified"`
			AgeSeconds int    `json:"ageSeconds"`
			token.Inspection
		}{"EKSToken", false, int(now.Sub(in.Date).Seconds()), in})
		if err == nil && !ok {
			return &cli.ExitError{Code: cli.ExitFailed} // the faults have said why
		}
		return err
	}
	if !ok {
		return cli.Hint(fmt.Errorf("not an EKS token: %s", strings.Join(in.Faults, "; ")), "an EKS token begins with %q", token.Prefix)
	}
	fmt.Fprintf(p.Out, "EKS token. %s\n\n", notVerified)
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("STS host", "%s (%s)", in.Host, in.Endpoint)
	row("partition", "%s", orNone(in.Partition))
	row("region", "%s", orNone(in.Region))
	row("access key id", "%s (%s)", orNone(in.AccessKeyID), keyKind(in))
	if in.Date.IsZero() {
		row("made", "unknown")
	} else {
		row("made", "%s, %s", in.Date.Format(time.RFC3339), relative(now, in.Date))
		row("expires", "%s, %s", in.Expiry.Format(time.RFC3339), relative(now, in.Expiry))
	}
	row("X-Amz-Expires", "%d s (STS ignores it)", in.XAmzExpires)
	row("signed headers", "%s", orNone(strings.ReplaceAll(in.SignedHeaders, ";", ", ")))
	row("cluster", "not written in the token; the signature covers it")
	if err := w.Flush(); err != nil {
		return err
	}
	p.printFaults(in.Faults)
	return nil
}

func (p *program) inspectJWT(raw, format string) error {
	now := time.Now()
	in, err := oidc.Inspect(raw, now)
	if err != nil {
		return err
	}
	if format == "json" {
		return writeJSON(p.Out, struct {
			Kind     string `json:"kind"`
			Verified bool   `json:"verified"`
			oidc.Inspection
		}{"ServiceAccountToken", false, in})
	}
	fmt.Fprintf(p.Out, "Service-account JWT. %s\n\n", notVerified)
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(w, "  %s\t%s\n", printable(name), printable(value)) }
	row("issuer", orNone(in.Issuer))
	row("subject", orNone(in.Subject))
	row("audience", orNone(strings.Join(in.Audience, ", ")))
	row("algorithm", in.Algorithm)
	row("key id", orNone(in.KeyID))
	for _, at := range []struct {
		name string
		time time.Time
	}{{"issued", in.IssuedAt}, {"not before", in.NotBefore}, {"expires", in.Expiry}} {
		if at.time.IsZero() {
			row(at.name, "none")
		} else {
			row(at.name, at.time.Format(time.RFC3339)+", "+relative(now, at.time))
		}
	}
	for _, claim := range otherClaims(in.Claims) {
		value, err := json.Marshal(in.Claims[claim])
		if err != nil {
			return err
		}
		row(claim, string(value))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	p.printFaults(in.Faults, in.Warnings...)
	return nil
}

func otherClaims(claims map[string]any) []string {
	var names []string
	for name := range claims {
		switch name {
		case "iss", "sub", "aud", "iat", "nbf", "exp":
		default:
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

func (p *program) printFaults(faults []string, warnings ...string) {
	style := cli.StyleFor(p.Out, p.Getenv)
	fmt.Fprintln(p.Out)
	if len(faults)+len(warnings) == 0 {
		fmt.Fprintln(p.Out, "Nothing wrong can be seen without asking STS.")
		return
	}
	for _, f := range faults {
		fmt.Fprintf(p.Out, "%s %s\n", style.Bad("✗"), printable(f))
	}
	for _, w := range warnings {
		fmt.Fprintf(p.Out, "%s %s\n", style.Strong("!"), printable(w))
	}
}

// printable quotes what a stranger wrote if it could move the cursor or begin a
// line of its own.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

func keyKind(in token.Inspection) string {
	if in.Temporary {
		return "of a session"
	}
	return "long-term"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// relative is "in 14m0s" or "3s ago".
func relative(now, at time.Time) string {
	if d := at.Sub(now).Round(time.Second); d >= 0 {
		return "in " + d.String()
	} else {
		return (-d).String() + " ago"
	}
}
