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
	"github.com/eksauth/eksauth/internal/mapedit"
	"github.com/eksauth/eksauth/internal/shell"
)

type convertFlags struct {
	source  mapSource
	to      string
	cluster string
	check   bool
	output  output
}

func (p *program) newMapConvert() *cobra.Command {
	f := &convertFlags{}
	cmd := &cobra.Command{
		Use:   "convert",
		Short: "Turn mappings into access entries, custom resources or aws-auth",
		Long: `Turn mappings into another form of them: EKS access entries (as aws commands, as
Terraform, or as the accessEntries of a world file of eksauth local), custom
resources IAMIdentityMapping, or the ConfigMap aws-auth. What the other form cannot
say is named on standard error with the reason; the exit code is 1 then.

--check instead proves it: every principal that either side names is signed in by
both, and must get the same username and groups. By design system:masters is
AmazonEKSClusterAdminPolicy among access entries, and nodes are not in
system:bootstrappers there.

aws-auth has no paths of roles, access entries need them: put them in where there are
any.`,
		Example: `  eksauth map convert --cluster dev
  eksauth map convert -f aws-auth.yaml -o terraform --cluster dev > access.tf
  eksauth map convert -f aws-auth.yaml --to custom-resources | kubectl apply -f -
  eksauth map convert -f entries.json --to aws-auth
  eksauth map convert --check`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.mapConvert(cmd.Context(), f) },
	}
	f.source.addFlags(cmd)
	f.source.addKind(cmd)
	cmd.Flags().StringVar(&f.to, "to", accessEntries, "`form` to turn them into: access-entries, custom-resources or aws-auth")
	cmd.Flags().StringVar(&f.cluster, "cluster", "CLUSTER", "`name` of the cluster in EKS")
	cmd.Flags().BoolVar(&f.check, "check", false, "print nothing but whether both sides answer the same")
	addOutput(cmd, &f.output, "aws", "terraform", "yaml")
	return cmd
}

// conversion is mappings in another form.
type conversion struct {
	before, after awsauth.Document
	left          []awsauth.Left
	write         func(w io.Writer) error
	// entries: one side is access entries, which differ by design.
	entries bool
}

func (p *program) mapConvert(ctx context.Context, f *convertFlags) error {
	said, err := p.read(ctx, &f.source)
	if err != nil {
		return err
	}
	for _, fault := range said.doc.Faults {
		if fault.Severity == awsauth.Error {
			fmt.Fprintln(p.Err, "not used, so not converted:", printable(fault.String()))
		}
	}
	c, err := f.convert(said)
	if err != nil {
		return err
	}
	if f.check {
		err = p.checkConversion(ctx, f.to, c)
	} else {
		err = c.write(p.Out)
	}
	if err != nil {
		return err
	}
	for _, l := range c.left {
		fmt.Fprintf(p.Err, "left: %s, %s: %s\n", printable(l.Entry.Subject()), printable(l.Entry.String()), printable(l.Why))
	}
	if len(c.left) > 0 {
		return &cli.ExitError{Code: cli.ExitFailed} // it has been said what
	}
	return nil
}

func (f *convertFlags) convert(from said) (conversion, error) {
	isEntries := from.entries != nil
	if f.to != accessEntries && f.output.value != "aws" && f.output.value != "yaml" {
		return conversion{}, cli.Usage("-o %s is for access entries; %s are written as YAML", f.output.value, f.to)
	}
	c := conversion{before: from.doc, entries: isEntries || f.to == accessEntries}
	mappings := from.doc
	if isEntries && f.to != accessEntries {
		mappings, c.left = accessentry.Mappings(from.entries)
	}
	table := awsauth.NewTable(mappings)
	switch f.to {
	case accessEntries:
		entries := from.entries
		if !isEntries {
			entries, c.left = accessentry.FromTable(table)
		}
		c.after = accessentry.Document(entries)
		c.write = func(w io.Writer) error { return f.writeEntries(w, entries) }
	case customResources:
		list, left := awsauth.IdentityMappingsOf(table)
		c.left = append(c.left, left...)
		c.after = awsauth.ParseIdentityMappings(list)
		c.write = func(w io.Writer) error { return writeIdentityMappings(w, list) }
	case awsAuth:
		data, err := configMapOf(table)
		if err != nil {
			return c, err
		}
		c.after = awsauth.ParseConfigMap(data)
		c.write = func(w io.Writer) error { return writeConfigMap(w, data) }
	default:
		return c, cli.Usage("--to %s: it is access-entries, custom-resources or aws-auth", f.to)
	}
	return c, nil
}

func (f *convertFlags) writeEntries(w io.Writer, entries []accessentry.Entry) error {
	switch f.output.value {
	case "terraform":
		return writeTerraform(w, f.cluster, entries)
	case "yaml":
		return writeEntries(w, entries)
	}
	return writeCommands(w, f.cluster, entries)
}

// aNode stands for the name of every instance.
type aNode struct{}

func (aNode) PrivateDNSName(context.Context, string) (string, error) { return "ip-10-0-0-1", nil }

// checkConversion signs in everybody whom either side names, but for those who are
// left.
func (p *program) checkConversion(ctx context.Context, to string, c conversion) error {
	before, after := awsauth.NewTable(c.before), awsauth.NewTable(c.after)
	left := map[string]bool{}
	for _, l := range c.left {
		left[l.Entry.Subject()] = true
	}
	differ, checked := 0, map[string]bool{}
	for _, e := range append(after.Entries(), before.Used()...) {
		id := prober(e)
		if e.ARN == "" || left[e.ARN] || checked[id.Canonical()] {
			continue
		}
		checked[id.Canonical()] = true
		if difference := c.difference(ctx, before, after, id); difference != "" {
			differ++
			fmt.Fprintf(p.Out, "%s: %s\n", printable(e.ARN), printable(difference))
		}
	}
	if differ > 0 {
		return fmt.Errorf("%d of %d principals would not be who they are", differ, len(checked))
	}
	fmt.Fprintf(p.Out, "%s %d principals are the same by %s\n", cli.StyleFor(p.Out, p.Getenv).Good("✓"), len(checked), strings.NewReplacer("access-", "access ", "custom-", "custom ").Replace(to))
	return nil
}

// difference is how an identity would be somebody else; "" if it would not.
func (c *conversion) difference(ctx context.Context, before, after *awsauth.Table, id arn.Identity) string {
	was, err := before.MapWith(ctx, id, aNode{})
	is, err2 := after.MapWith(ctx, id, aNode{})
	if err := errors.Join(err, err2); err != nil {
		return err.Error()
	}
	from, to := was.Groups, is.Groups
	if c.entries {
		from, to = accessentry.Equivalent(from), accessentry.Equivalent(to)
	}
	if was.Username == is.Username && slices.Equal(from, to) {
		return ""
	}
	return fmt.Sprintf("%s in %s -> %s in %s", was.Username, groupList(from), is.Username, groupList(to))
}

// prober is somebody who signs in as the principal of an entry: of a role, a session;
// of a pattern, one that it matches.
func prober(e awsauth.Entry) arn.Identity {
	text := strings.NewReplacer("*", "x", "?", "x").Replace(e.ARN)
	principal, err := arn.ParsePrincipal(text)
	if err != nil {
		return arn.Identity{}
	}
	if principal.Kind == arn.Role {
		if session, err := arn.ParsePrincipal("arn:" + principal.Partition + ":sts::" + principal.AccountID + ":assumed-role/" + principal.Name + "/i-0123456789abcdef0"); err == nil {
			principal = session
		}
	}
	return arn.Identity{Principal: principal, UserID: e.UserID}
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
			b.WriteString("aws eks associate-access-policy" + target + " --policy-arn " + policyARN(e, a) + " --access-scope " + shell.Word(scope(a)) + "\n")
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// scope is an access scope in the shorthand of the aws CLI.
func scope(a accessentry.Association) string {
	if len(a.Namespaces) == 0 {
		return "type=cluster"
	}
	return "type=namespace,namespaces=" + strings.Join(a.Namespaces, ",")
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
			fmt.Fprintf(&b, "\n  kubernetes_groups = [%s]\n", hclList(e.Groups))
		}
		b.WriteString("}\n\n")
		for i, a := range e.Policies {
			fmt.Fprintf(&b, "resource \"aws_eks_access_policy_association\" %q {\n  cluster_name  = aws_eks_access_entry.%s.cluster_name\n  principal_arn = aws_eks_access_entry.%s.principal_arn\n  policy_arn    = %s\n\n  access_scope {\n%s  }\n}\n\n",
				policyName(name, i), name, name, hcl(policyARN(e, a)), terraformScope(a))
		}
	}
	_, err := w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return err
}

// policyName is the name of an association: that of its entry, and a number from the
// second on.
func policyName(name string, i int) string {
	if i == 0 {
		return name
	}
	return fmt.Sprintf("%s_policy_%d", name, i+1)
}

func terraformScope(a accessentry.Association) string {
	if len(a.Namespaces) == 0 {
		return "    type = \"cluster\"\n"
	}
	return fmt.Sprintf("    type       = \"namespace\"\n    namespaces = [%s]\n", hclList(a.Namespaces))
}

func hclList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, s := range texts {
		quoted[i] = hcl(s)
	}
	return strings.Join(quoted, ", ")
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
	list := []worldEntry{}
	for _, e := range entries {
		written := worldEntry{PrincipalARN: e.PrincipalARN, Type: e.Type, Username: e.Username, Groups: e.Groups}
		for _, a := range e.Policies {
			written.AccessPolicies = append(written.AccessPolicies, worldPolicy{a.Policy, a.Namespaces})
		}
		list = append(list, written)
	}
	return writeYAML(w, map[string][]worldEntry{"accessEntries": list})
}

func writeYAML(w io.Writer, documents ...any) error {
	if len(documents) == 0 {
		return nil // an encoder that has encoded nothing fails
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	for _, d := range documents {
		if err := encoder.Encode(d); err != nil {
			return err
		}
	}
	return encoder.Close()
}

// writeIdentityMappings writes manifests for kubectl apply.
func writeIdentityMappings(w io.Writer, list []awsauth.IdentityMapping) error {
	var documents []any
	for _, m := range list {
		o := identityObject{APIVersion: "iamauthenticator.k8s.aws/v1alpha1", Kind: identityKind}
		o.Metadata.Name, o.Spec.ARN, o.Spec.Username, o.Spec.Groups = m.Name, m.ARN, m.Username, m.Groups
		documents = append(documents, o)
	}
	return writeYAML(w, documents...)
}

// configMapOf is the data of an aws-auth with the entries in use of a table.
func configMapOf(t *awsauth.Table) (map[string]string, error) {
	data := map[string]string{}
	for _, e := range t.Used() {
		if e.ARN == "" || e.ByUserID {
			return nil, fmt.Errorf("%s: it is aws-auth already", e)
		}
		text, err := mapedit.Add(data[e.Key], awsauth.Entry{Key: e.Key, ARN: e.ARN, UserID: e.UserID, Username: e.Username, Groups: e.Groups})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e, err)
		}
		data[e.Key] = text
	}
	return data, nil
}

func writeConfigMap(w io.Writer, data map[string]string) error {
	type metadata struct {
		Name      string `yaml:"name"`
		Namespace string `yaml:"namespace"`
	}
	return writeYAML(w, struct {
		APIVersion string            `yaml:"apiVersion"`
		Kind       string            `yaml:"kind"`
		Metadata   metadata          `yaml:"metadata,flow"`
		Data       map[string]string `yaml:"data"`
	}{"v1", "ConfigMap", metadata{awsAuthName, awsAuthNamespace}, data})
}
