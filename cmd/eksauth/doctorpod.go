package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/doctor"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/kubectl"
)

// doctorTimeout bounds one examination.
const doctorTimeout = time.Minute

type doctorFlags struct {
	cluster   kubectl.Client
	prefix    string
	noAWS     bool
	authority string // of the issuer's certificate
	output    output
}

func (f *doctorFlags) add(cmd *cobra.Command, formats ...string) {
	cmd.Flags().StringVar(&f.cluster.Kubeconfig, "kubeconfig", "", "kubeconfig `file` for kubectl")
	cmd.Flags().StringVar(&f.cluster.Context, "context", "", "`context` of the kubeconfig")
	cmd.Flags().StringVar(&f.prefix, "annotation-prefix", doctor.DefaultPrefix, "`prefix` of the webhook's annotations")
	cmd.Flags().StringVar(&f.authority, "issuer-certificate-authority", "", "`file` with the authority of the issuer's certificate (default: $"+awslocal.IssuerCAVariable+", or the system's)")
	cmd.Flags().BoolVar(&f.noAWS, "no-aws", false, "look at the cluster only")
	addOutput(cmd, &f.output, append([]string{"text", "json"}, formats...)...)
}

const doctorReads = `It reads through your own kubectl and with your AWS credentials, and changes nothing:
docs/guides/doctor.md lists what it asks for. What it may not read, it says. The exit
code is 1 if something is wrong, and 3 if nothing could be checked.`

func (p *program) newDoctorPod() *cobra.Command {
	f := &doctorFlags{}
	cmd := &cobra.Command{
		Use:   "pod NAMESPACE/NAME",
		Short: "Why a pod does not get its IAM role",
		Long: `Walk the whole chain from a pod to its IAM role: service account, annotation,
webhook, the pod's variables and volume, the token's claims, the issuer's documents,
the OIDC provider, the role, its trust policy, and STS's own answer. The cause comes
below, and the fix, ready to paste.

` + doctorReads,
		Example: `  eksauth doctor pod apps/web-5d4f7`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.examine(cmd.Context(), f, args[0], (*doctor.Doctor).Pod)
		},
	}
	f.add(cmd)
	return cmd
}

func (p *program) newDoctorServiceAccount() *cobra.Command {
	f := &doctorFlags{}
	cmd := &cobra.Command{
		Use:     "serviceaccount NAMESPACE/NAME",
		Aliases: []string{"sa"},
		Short:   "Whether pods of a service account would get its IAM role",
		Long: `Walk the chain from a service account to its IAM role, before any pod exists.

` + doctorReads,
		Example: `  eksauth doctor serviceaccount apps/web`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.examine(cmd.Context(), f, args[0], (*doctor.Doctor).ServiceAccount)
		},
	}
	f.add(cmd)
	return cmd
}

func (p *program) examine(ctx context.Context, f *doctorFlags, subject string, examine func(*doctor.Doctor, context.Context, string, string) doctor.Report) error {
	namespace, name, ok := strings.Cut(subject, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return cli.Usage("%q is not NAMESPACE/NAME", subject)
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	return p.conclude(examine(p.newDoctorOf(ctx, f), ctx, namespace, name), f.output.value)
}

// newDoctorOf is a doctor for the cluster and the account that the flags lead to.
func (p *program) newDoctorOf(ctx context.Context, f *doctorFlags) *doctor.Doctor {
	d := &doctor.Doctor{
		Cluster: doctorCluster{f.cluster}, Issuer: doctorIssuer{firstOf(f.authority, p.Getenv(awslocal.IssuerCAVariable))}, Now: time.Now, AnnotationPrefix: f.prefix,
		NoAWS: "--no-aws is given",
	}
	if !f.noAWS {
		client, why := p.doctorAWS(ctx)
		if d.NoAWS = why; client != nil {
			d.IAM, d.STS = client, client
		}
	}
	return d
}

func (p *program) printReport(r doctor.Report, format string) error {
	if format == "json" {
		return writeJSON(p.Out, r)
	}
	p.printChecks(r)
	fmt.Fprintln(p.Out)
	if len(r.Causes()) == 0 {
		p.printNothingWrong(r.Unknown(), len(r.Checks))
	}
	p.printCauses(r)
	return nil
}

func (p *program) printChecks(r doctor.Report) {
	marks := p.marks()
	for _, c := range r.Checks {
		fmt.Fprintf(p.Out, "%s %s\n", marks[c.Status], printable(c.Said))
	}
}

// printNothingWrong says what that is worth.
func (p *program) printNothingWrong(unknown, of int) {
	switch {
	case unknown == 0:
		fmt.Fprintln(p.Out, "Nothing is wrong.")
	case unknown == of:
		fmt.Fprintln(p.Out, "Nothing could be checked.")
	default:
		fmt.Fprintf(p.Out, "Nothing is wrong, as far as it could be checked: %d of %d questions could not.\n", unknown, of)
	}
}

func (p *program) printCauses(r doctor.Report) {
	for i, c := range r.Causes() {
		title := "Cause"
		if i > 0 {
			fmt.Fprintln(p.Out)
			title = "Also"
		}
		fmt.Fprintf(p.Out, "%s: %s.\n", title, printable(c.Cause))
		if c.Was != "" {
			printChange(p.Out, c.Was, c.Becomes)
		}
		printFix(p.Out, c.Fix)
	}
}

func (p *program) marks() map[doctor.Status]string {
	style := cli.StyleFor(p.Out, p.Getenv)
	return map[doctor.Status]string{
		doctor.OK: style.Good("✓"), doctor.Bad: style.Bad("✗"), doctor.Follows: style.Dim("✗"), doctor.Unknown: style.Dim("?"),
	}
}

// printChange prints what a fix changes in a document, without the names of files that
// there are none of.
func printChange(w io.Writer, was, becomes string) {
	lines := strings.SplitAfter(string(diff.Diff("was", []byte(was), "becomes", []byte(becomes))), "\n")
	fmt.Fprintln(w, "Change:")
	for _, line := range lines[min(3, len(lines)):] {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !strings.HasPrefix(line, "@@") {
			fmt.Fprintf(w, "  %s\n", printable(line))
		}
	}
}

func printFix(w io.Writer, fix []string) {
	if len(fix) == 0 {
		return
	}
	fmt.Fprintln(w, "Fix:")
	for _, line := range fix {
		fmt.Fprintf(w, "  %s\n", printable(line)) // names in it were written by others
	}
}

// doctorCluster reads a cluster through kubectl.
type doctorCluster struct{ client kubectl.Client }

func (c doctorCluster) Get(ctx context.Context, resource, namespace, name string) ([]byte, error) {
	raw, err := c.client.GetWithManagers(ctx, resource, namespace, name)
	return raw, doctorError(err)
}

func (c doctorCluster) List(ctx context.Context, resource, namespace string) ([]byte, error) {
	raw, err := c.client.List(ctx, resource, namespace, "")
	return raw, doctorError(err)
}

func (c doctorCluster) Token(ctx context.Context, namespace, serviceAccount, audience string) (string, error) {
	raw, err := c.client.Token(ctx, namespace, serviceAccount, audience)
	return raw, doctorError(err)
}

func (c doctorCluster) TryPod(ctx context.Context, namespace string, pod []byte) ([]byte, error) {
	raw, err := c.client.TryCreate(ctx, namespace, pod)
	return raw, doctorError(err)
}

func doctorError(err error) error {
	switch {
	case kubectl.Is(err, kubectl.NotFound):
		return fmt.Errorf("%w: %w", doctor.ErrNotFound, err)
	case kubectl.Is(err, kubectl.Forbidden):
		return fmt.Errorf("%w: %w", doctor.ErrForbidden, err)
	}
	return err
}
