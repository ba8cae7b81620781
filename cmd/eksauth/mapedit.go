package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/guard"
	"github.com/eksauth/eksauth/internal/atomicfile"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/kubectl"
	"github.com/eksauth/eksauth/internal/mapedit"
)

// maxAttempts bounds how often an edit is made anew because somebody else wrote
// in between.
const maxAttempts = 10

// mapEdit is an edit of aws-auth that the command line asks for.
type mapEdit struct {
	source        mapSource
	dryRun, force bool
	creates       bool   // aws-auth, if there is none
	why           string // for the backup
	// apply gives the texts that are wanted, all of them.
	apply func(data map[string]string) (after map[string]string, err error)
}

func (e *mapEdit) addFlags(cmd *cobra.Command) {
	e.source.addFlags(cmd)
	cmd.Flags().BoolVar(&e.dryRun, "dry-run", false, "print the difference and write nothing")
}

func (p *program) newMapAdd() *cobra.Command {
	e := &mapEdit{}
	var entry awsauth.Entry
	cmd := &cobra.Command{
		Use:   "add ARN --username NAME [--group GROUP]...",
		Short: "Map a role or a user; the rest of the text stays as it is",
		Long: `Add a mapping for a role or a user at the end of mapRoles or mapUsers. All else
in the text stays as it is, comments included. A mapping that is there already is
left alone, one that would not be used is refused. In a cluster the old ConfigMap
is kept as aws-auth-backup-REVISION beside it.`,
		Example: `  eksauth map add arn:aws:iam::111122223333:role/admin --username 'admin:{{SessionName}}' --group system:masters
  eksauth map add --dry-run -f aws-auth.yaml arn:aws:iam::111122223333:user/ada --username ada`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			principal, err := arn.ParsePrincipal(args[0])
			if err != nil {
				return cli.Usage("%w", err)
			}
			if entry.Username == "" {
				return cli.Hint(cli.Usage("there is no --username"), "it may be a template: --username 'ada:{{SessionName}}'")
			}
			entry.Key, entry.ARN = awsauth.MapUsers, args[0]
			if principal.Kind == arn.Role || principal.Kind == arn.AssumedRole {
				entry.Key, entry.ARN = awsauth.MapRoles, principal.Canonical()
			}
			e.why = "add " + entry.ARN
			e.apply = func(data map[string]string) (map[string]string, error) { return addEntry(data, entry) }
			return p.editMappings(cmd.Context(), e)
		},
	}
	e.addFlags(cmd)
	cmd.Flags().StringVar(&entry.Username, "username", "", "Kubernetes `username`, or a template of one")
	cmd.Flags().StringArrayVar(&entry.Groups, "group", nil, "Kubernetes `group`; may be given more than once")
	cmd.Flags().StringVar(&entry.UserID, "user-id", "", "unique `id` that the principal must have (AIDA…, AROA…)")
	return cmd
}

func addEntry(data map[string]string, entry awsauth.Entry) (map[string]string, error) {
	for _, e := range awsauth.NewTable(awsauth.ParseConfigMap(data)).Entries() {
		if e.Key == entry.Key && e.ARN == entry.ARN && e.Username == entry.Username && e.UserID == entry.UserID && slices.Equal(e.Groups, entry.Groups) {
			return data, nil
		}
	}
	text, err := mapedit.Add(data[entry.Key], entry)
	if err != nil {
		return nil, err
	}
	changed := with(data, entry.Key, text)
	after := awsauth.ParseConfigMap(changed)
	for _, r := range after.Rejected {
		if r.Key == entry.Key && r.ARN == entry.ARN && r.Username == entry.Username {
			return nil, refusal(after.Faults, r)
		}
	}
	for _, s := range awsauth.NewTable(after).Shadowed() {
		if s.Entry.Key == entry.Key && s.Entry.ARN == entry.ARN && s.Entry.Username == entry.Username {
			return nil, cli.Hint(fmt.Errorf("it would never be used: %s comes first and is for the same", s.By), "eksauth map remove %s", s.By.ARN)
		}
	}
	return changed, nil
}

func refusal(faults []awsauth.Fault, e awsauth.Entry) error {
	for _, f := range faults {
		if f.Severity == awsauth.Error && f.Key == e.Key && f.Line == e.Line {
			return cli.Hint(fmt.Errorf("the mapping would not be used: %s", f.Message), "%s", f.Hint)
		}
	}
	return errors.New("the mapping would not be used")
}

func (p *program) newMapRemove() *cobra.Command {
	e := &mapEdit{}
	cmd := &cobra.Command{
		Use:   "remove ARN",
		Short: "Take out the mappings of a role or a user",
		Long: `Take out every mapping that names the ARN, as it is written there. All else in
the text stays as it is, comments included. What would leave nobody in
system:masters, turn nodes away or lock you out is refused without --force.`,
		Example: `  eksauth map remove --dry-run arn:aws:iam::111122223333:user/ada`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e.why = "remove " + args[0]
			e.apply = func(data map[string]string) (map[string]string, error) {
				return removeEntries(data, args[0])
			}
			return p.editMappings(cmd.Context(), e)
		},
	}
	e.addFlags(cmd)
	cmd.Flags().BoolVar(&e.force, "force", false, "even if nobody is in system:masters then, or nodes or you are locked out")
	return cmd
}

func removeEntries(data map[string]string, name string) (map[string]string, error) {
	before := awsauth.ParseConfigMap(data)
	named := slices.DeleteFunc(slices.Concat(before.Entries, before.Rejected), func(e awsauth.Entry) bool { return e.ARN != name })
	if len(named) == 0 {
		return data, nil
	}
	slices.SortFunc(named, func(a, b awsauth.Entry) int { return b.Index - a.Index }) // so that indices stay true
	key := named[0].Key
	text := data[key]
	for _, e := range named {
		if e.Key != key {
			return nil, cli.Hint(fmt.Errorf("%s is in mapRoles and in mapUsers", name), "take it out of one of them by hand: %s", e)
		}
		var err error
		if text, err = mapedit.Remove(text, key, e.Index); err != nil {
			return nil, err
		}
	}
	return with(data, key, text), nil
}

func with(data map[string]string, key, text string) map[string]string {
	changed := map[string]string{key: text}
	for k, v := range data {
		if k != key {
			changed[k] = v
		}
	}
	return changed
}

func (p *program) editMappings(ctx context.Context, e *mapEdit) error {
	if e.source.file != "" {
		return p.editManifest(e)
	}
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	var err error
	for range maxAttempts {
		if err = p.editCluster(ctx, e); !kubectl.Is(err, kubectl.Conflict) && !kubectl.Is(err, kubectl.AlreadyExists) {
			break
		}
	}
	return kubectlHint(err)
}

func (p *program) editManifest(e *mapEdit) error {
	text, err := p.readInput(e.source.file)
	if err != nil {
		return err
	}
	changed, err := e.edit(text)
	if err != nil {
		return err
	}
	switch {
	case e.dryRun:
		_, err = p.Out.Write(diff.Diff(e.source.name(), text, e.source.name(), changed))
	case e.source.file == "-":
		_, err = p.Out.Write(changed)
	case bytes.Equal(text, changed):
		fmt.Fprintln(p.Out, "nothing to do: it is so already")
	default:
		return writeBack(e.source.file, changed)
	}
	return err
}

// edit makes the edit in the text of a manifest.
func (e *mapEdit) edit(text []byte) ([]byte, error) {
	m, err := mapedit.ReadManifest(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.source.name(), err)
	}
	after, err := e.apply(m.Data)
	if err != nil {
		return nil, err
	}
	if err := judge(newEdit(m.Data, after)); err != nil && !e.force {
		return nil, err
	}
	for _, key := range changes(m.Data, after) {
		if text, err = m.Set(key, after[key]); err != nil {
			return nil, err
		}
		if m, err = mapedit.ReadManifest(text); err != nil {
			return nil, err
		}
	}
	return text, nil
}

// changes are the keys whose texts differ, in order.
func changes(before, after map[string]string) []string {
	var keys []string
	for key, text := range after {
		if old, ok := before[key]; !ok || old != text {
			keys = append(keys, key)
		}
	}
	for key := range before {
		if _, ok := after[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// writeBack keeps the file's mode, and a link to it.
func writeBack(path string, text []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, text, info.Mode().Perm())
}

func (p *program) editCluster(ctx context.Context, e *mapEdit) error {
	old, err := getAWSAuth(ctx, e)
	if err != nil {
		return err
	}
	after, err := e.apply(old.data)
	if err != nil {
		return err
	}
	changed := changes(old.data, after)
	if len(changed) == 0 {
		fmt.Fprintln(p.Out, "nothing to do: it is so already")
		return nil
	}
	me, err := whoAmI(ctx, e.source.cluster)
	if err != nil {
		return err
	}
	edit := newEdit(old.data, after)
	edit.Author = me
	if err := judgeInCluster(ctx, e.source.cluster, edit); err != nil && !e.force {
		return err
	} else if err != nil {
		override(old.object, e.why+" --force, by eksauth map; before it "+old.revision)
	}
	if e.dryRun {
		return p.printChanges(old.data, after, changed)
	}
	old.object["data"] = after
	object, err := json.Marshal(old.object)
	if err != nil {
		return err
	}
	if old.revision == "" {
		if err := e.source.cluster.Create(ctx, object); err != nil {
			return err
		}
		fmt.Fprintf(p.Out, "done: %s; there was no %s/%s\n", e.why, awsAuthNamespace, awsAuthName)
		return nil
	}
	backup := backupPrefix + old.revision
	if err := p.keep(ctx, e, backup, me.Username, old.data); err != nil {
		return err
	}
	if err := e.source.cluster.Replace(ctx, object); err != nil {
		return err
	}
	fmt.Fprintf(p.Out, "done: %s; what was there is in %s/%s\n", e.why, awsAuthNamespace, backup)
	return prune(ctx, e.source.cluster)
}

func (p *program) printChanges(before, after map[string]string, keys []string) error {
	for _, key := range keys {
		if _, err := p.Out.Write(diff.Diff(key, []byte(before[key]), key, []byte(after[key]))); err != nil {
			return err
		}
	}
	return nil
}

// override lets the edit past a guard at the API server, too.
func override(object map[string]any, reason string) {
	metadata, _ := object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	if annotations == nil {
		annotations = map[string]any{}
		metadata["annotations"] = annotations
	}
	annotations[guard.Override] = reason
}

// found is aws-auth as a cluster has it.
type found struct {
	object   map[string]any // all of it
	data     map[string]string
	revision string // "" if there is none
}

func getAWSAuth(ctx context.Context, e *mapEdit) (found, error) {
	raw, err := e.source.cluster.Get(ctx, "configmap", awsAuthNamespace, awsAuthName)
	if e.creates && kubectl.Is(err, kubectl.NotFound) {
		return found{object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap",
			"metadata": map[string]any{"name": awsAuthName, "namespace": awsAuthNamespace},
		}}, nil
	}
	if err != nil {
		return found{}, err
	}
	var f found
	var read struct {
		Metadata struct{ ResourceVersion string }
		Data     map[string]string
	}
	if err := errors.Join(json.Unmarshal(raw, &f.object), json.Unmarshal(raw, &read)); err != nil {
		return found{}, fmt.Errorf("kubectl printed no ConfigMap: %w", err)
	}
	f.data, f.revision = read.Data, read.Metadata.ResourceVersion
	return f, nil
}

// whoAmI is whom the API server takes the caller for.
func whoAmI(ctx context.Context, c kubectl.Client) (guard.User, error) {
	raw, err := c.WhoAmI(ctx)
	if err != nil {
		return guard.User{}, fmt.Errorf("who are you? %w", err)
	}
	var review struct {
		Status struct{ UserInfo guard.User }
	}
	if err := json.Unmarshal(raw, &review); err != nil {
		return guard.User{}, fmt.Errorf("kubectl printed no SelfSubjectReview: %w", err)
	}
	return review.Status.UserInfo, nil
}
