package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/eksauth/eksauth/accessentry"
	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/shell"
)

type convertFlags struct {
	source  mapSource
	cluster string
	check   bool
	output  output
}

func (p *program) newMapConvert() *cobra.Command {
	f := &convertFlags{}
	cmd := &cobra.Command{
		Use:   "convert",
		Short: "Turn the mappings into EKS access entries",
		Long: `Turn the mappings of aws-auth into EKS access entries: as aws commands, as
Terraform, or as the accessEntries of a world file of eksauth local. What no access
entry can stand for is named on standard error with the reason; the exit code is 1
then.

--check instead proves it: every principal that aws-auth names is signed in by both,
and must get the same username and groups. By design system:masters becomes
AmazonEKSClusterAdminPolicy, and nodes are not in system:bootstrappers.

aws-auth has no paths of roles, access entries need them: put them in where there are
any.`,
		Example: `  eksauth map convert --cluster dev
  eksauth map convert -f aws-auth.yaml -o terraform --cluster dev > access.tf
  eksauth map convert --check`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.mapConvert(cmd.Context(), f) },
	}
	f.source.addFlags(cmd)
	cmd.Flags().StringVar(&f.cluster, "cluster", "CLUSTER", "`name` of the cluster in EKS")
	cmd.Flags().BoolVar(&f.check, "check", false, "print nothing but whether both sides answer the same")
	addOutput(cmd, &f.output, "aws", "terraform", "yaml")
	return cmd
}

func (p *program) mapConvert(ctx context.Context, f *convertFlags) error {
	doc, err := p.readMappings(ctx, &f.source)
	if err != nil {
		return err
	}
	for _, fault := range doc.Faults {
		if fault.Severity == awsauth.Error {
			fmt.Fprintln(p.Err, "not used, so not converted:", printable(fault.String()))
		}
	}
	table := awsauth.NewTable(doc)
	entries, left := accessentry.FromTable(table)
	switch {
	case f.check:
		err = p.checkConversion(ctx, table, entries)
	case f.output.value == "terraform":
		err = writeTerraform(p.Out, f.cluster, entries)
	case f.output.value == "yaml":
		err = writeEntries(p.Out, entries)
	default:
		err = writeCommands(p.Out, f.cluster, entries)
	}
	if err != nil {
		return err
	}
	for _, l := range left {
		fmt.Fprintf(p.Err, "left: %s, %s: %s\n", printable(l.Mapping.Subject()), l.Mapping, printable(l.Why))
	}
	if len(left) > 0 {
		return &cli.ExitError{Code: cli.ExitFailed} // it has been said what
	}
	return nil
}

// aNode stands for the name of every instance.
type aNode struct{}

func (aNode) PrivateDNSName(context.Context, string) (string, error) { return "ip-10-0-0-1", nil }

func (p *program) checkConversion(ctx context.Context, before *awsauth.Table, entries []accessentry.Entry) error {
	after := awsauth.NewTable(accessentry.Document(entries))
	differ := 0
	for _, e := range entries {
		id := prober(e.PrincipalARN)
		was, err := before.MapWith(ctx, id, aNode{})
		is, err2 := after.MapWith(ctx, id, aNode{})
		if err := errors.Join(err, err2); err != nil {
			differ++
			fmt.Fprintf(p.Out, "%s: %s\n", e.PrincipalARN, printable(err.Error()))
			continue
		}
		from, to := accessentry.Equivalent(was.Groups), accessentry.Equivalent(is.Groups)
		if was.Username != is.Username || !slices.Equal(from, to) {
			differ++
			fmt.Fprintf(p.Out, "%s: %s in %s -> %s in %s\n", e.PrincipalARN, printable(was.Username), printable(groupList(from)), printable(is.Username), printable(groupList(to)))
		}
	}
	if differ > 0 {
		return fmt.Errorf("%d of %d principals would not be who they are", differ, len(entries))
	}
	fmt.Fprintf(p.Out, "%s %d principals are the same by access entries\n", cli.StyleFor(p.Out, p.Getenv).Good("✓"), len(entries))
	return nil
}

// prober is somebody who signs in as the principal: of a role, a session.
func prober(text string) arn.Identity {
	principal, err := arn.ParsePrincipal(text)
	if err != nil {
		return arn.Identity{}
	}
	if principal.Kind == arn.Role {
		if session, err := arn.ParsePrincipal("arn:" + principal.Partition + ":sts::" + principal.AccountID + ":assumed-role/" + principal.Name + "/i-0123456789abcdef0"); err == nil {
			principal = session
		}
	}
	return arn.Identity{Principal: principal}
}

// writeCommands writes aws commands, for a shell.
func writeCommands(w io.Writer, cluster string, entries []accessentry.Entry) error {
	var b bytes.Buffer
	for _, e := range entries {
		target := " --cluster-name " + shell.Word(cluster) + " --principal-arn " + shell.Word(e.PrincipalARN)
		b.WriteString("aws eks create-access-entry" + target)
		if e.Type != "" {
			b.WriteString(" --type " + string(e.Type))
		}
		if e.Username != "" {
			b.WriteString(" --username " + shell.Word(e.Username))
		}
		if len(e.Groups) > 0 {
			b.WriteString(" --kubernetes-groups")
			for _, g := range e.Groups {
				b.WriteString(" " + shell.Word(g))
			}
		}
		b.WriteString("\n")
		for _, a := range e.Policies {
			b.WriteString("aws eks associate-access-policy" + target + " --policy-arn " + policyARN(e, a) + " --access-scope type=cluster\n")
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func policyARN(e accessentry.Entry, a accessentry.Association) string {
	return accessentry.Policy{Name: a.Policy}.ARN(strings.Split(e.PrincipalARN, ":")[1])
}

// writeTerraform writes resources of the AWS provider.
func writeTerraform(w io.Writer, cluster string, entries []accessentry.Entry) error {
	var b bytes.Buffer
	taken := map[string]bool{}
	for _, e := range entries {
		name := terraformName(e.PrincipalARN)
		for i, base := 2, name; taken[name]; i++ {
			name = fmt.Sprintf("%s_%d", base, i)
		}
		taken[name] = true
		fmt.Fprintf(&b, "resource \"aws_eks_access_entry\" %q {\n  cluster_name  = %s\n  principal_arn = %s\n", name, hcl(cluster), hcl(e.PrincipalARN))
		if e.Type != "" {
			fmt.Fprintf(&b, "  type          = %s\n", hcl(string(e.Type)))
		}
		if e.Username != "" {
			fmt.Fprintf(&b, "  user_name     = %s\n", hcl(e.Username))
		}
		if len(e.Groups) > 0 {
			quoted := make([]string, len(e.Groups))
			for i, g := range e.Groups {
				quoted[i] = hcl(g)
			}
			fmt.Fprintf(&b, "\n  kubernetes_groups = [%s]\n", strings.Join(quoted, ", "))
		}
		b.WriteString("}\n\n")
		for _, a := range e.Policies {
			fmt.Fprintf(&b, "resource \"aws_eks_access_policy_association\" %q {\n  cluster_name  = aws_eks_access_entry.%s.cluster_name\n  principal_arn = aws_eks_access_entry.%s.principal_arn\n  policy_arn    = %s\n\n  access_scope {\n    type = \"cluster\"\n  }\n}\n\n",
				name, name, name, hcl(policyARN(e, a)))
		}
	}
	_, err := w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return err
}

// terraformName makes a resource's name of the last part of an ARN.
func terraformName(principal string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, principal[strings.LastIndexAny(principal, "/:")+1:])
	if name == "" || name[0] >= '0' && name[0] <= '9' || name[0] == '-' {
		return "_" + name
	}
	return name
}

// hcl is a text as Terraform reads it back (HCL native syntax, "Template
// expressions").
func hcl(s string) string {
	escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "${", "$${", "%{", "%%{").Replace(s)
	return `"` + escaped + `"`
}

// writeEntries writes the accessEntries of a world file.
func writeEntries(w io.Writer, entries []accessentry.Entry) error {
	type policy struct {
		Policy string `yaml:"policy"`
	}
	type entry struct {
		PrincipalARN   string           `yaml:"principalArn"`
		Type           accessentry.Type `yaml:"type,omitempty"`
		Username       string           `yaml:"username,omitempty"`
		Groups         []string         `yaml:"groups,omitempty,flow"`
		AccessPolicies []policy         `yaml:"accessPolicies,omitempty"`
	}
	list := []entry{}
	for _, e := range entries {
		written := entry{PrincipalARN: e.PrincipalARN, Type: e.Type, Username: e.Username, Groups: e.Groups}
		for _, a := range e.Policies {
			written.AccessPolicies = append(written.AccessPolicies, policy{a.Policy})
		}
		list = append(list, written)
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	return errors.Join(encoder.Encode(map[string][]entry{"accessEntries": list}), encoder.Close())
}
