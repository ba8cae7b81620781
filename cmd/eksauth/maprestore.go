package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/kubectl"
)

// A ConfigMap keeps what aws-auth was before an edit, under the revision that it
// had.
const (
	backupPrefix = awsAuthName + "-backup-"
	backupOf     = "eksauth.dev/backup-of" // a label
	// The annotations.
	backupBefore = "eksauth.dev/before" // what was done then
	backupBy     = "eksauth.dev/by"
	backupAt     = "eksauth.dev/at"
	// maxBackups are kept; older ones are deleted after an edit.
	maxBackups = 20
)

func (p *program) newMapRestore() *cobra.Command {
	e := &mapEdit{creates: true}
	var out output
	cmd := &cobra.Command{
		Use:   "restore [REVISION]",
		Short: "Put back what aws-auth was before an edit; without a revision, list them",
		Long: `Put back what aws-auth was before one of the last edits by eksauth map. Without a
REVISION it lists those that are kept, the latest first. What is there is kept
first, so that restore can be undone too. Where aws-auth is gone, it is made.`,
		Example: `  eksauth map restore
  eksauth map restore --dry-run 48213
  eksauth map restore 48213`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return p.listBackups(cmd.Context(), e.source.cluster, out.value)
			}
			return p.restore(cmd.Context(), e, strings.TrimPrefix(args[0], backupPrefix))
		},
	}
	e.source.addClusterFlags(cmd)
	cmd.Flags().BoolVar(&e.dryRun, "dry-run", false, "print the difference and write nothing")
	cmd.Flags().BoolVar(&e.force, "force", false, "even if nobody is in system:masters then, or nodes or you are locked out")
	addOutput(cmd, &out, "text", "json")
	return cmd
}

func (p *program) restore(ctx context.Context, e *mapEdit, revision string) error {
	reading, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	name := backupPrefix + revision
	raw, err := e.source.cluster.Get(reading, "configmap", awsAuthNamespace, name)
	if kubectl.Is(err, kubectl.NotFound) {
		return cli.Hint(fmt.Errorf("there is no %s/%s", awsAuthNamespace, name), "those that are kept: eksauth map restore")
	} else if err != nil {
		return kubectlHint(err)
	}
	var kept struct {
		Metadata struct{ Labels map[string]string }
		Data     map[string]string
	}
	if err := json.Unmarshal(raw, &kept); err != nil {
		return fmt.Errorf("kubectl printed no ConfigMap: %w", err)
	}
	if kept.Metadata.Labels[backupOf] != awsAuthName {
		return fmt.Errorf("%s/%s is no backup of %s: it has no label %s", awsAuthNamespace, name, awsAuthName, backupOf)
	}
	e.why = "restore " + revision
	e.apply = func(map[string]string) (map[string]string, error) { return kept.Data, nil }
	return p.editMappings(ctx, e)
}

// backup is what map restore lists.
type backup struct {
	Revision string `json:"revision"`
	At       string `json:"at"`     // RFC 3339
	By       string `json:"by"`     // who made the edit
	Before   string `json:"before"` // the edit
}

func (p *program) listBackups(ctx context.Context, c kubectl.Client, format string) error {
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	items, err := backups(ctx, c)
	if err != nil {
		return kubectlHint(err)
	}
	list := []backup{}
	for _, i := range items {
		m := i.Metadata
		list = append(list, backup{strings.TrimPrefix(m.Name, backupPrefix), cmp.Or(m.Annotations[backupAt], m.CreationTimestamp), m.Annotations[backupBy], m.Annotations[backupBefore]})
	}
	if format == "json" {
		return writeJSON(p.Out, list)
	}
	if len(list) == 0 {
		fmt.Fprintln(p.Out, "none is kept: eksauth map has made no edit here")
		return nil
	}
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "REVISION\tUNTIL\tBY\tBEFORE")
	for _, b := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", printable(b.Revision), printable(b.At), printable(b.By), printable(b.Before))
	}
	return w.Flush()
}

type backupItem struct {
	Metadata struct {
		Name, CreationTimestamp string
		Annotations             map[string]string
	}
}

// backups lists those that are kept, the latest first.
func backups(ctx context.Context, c kubectl.Client) ([]backupItem, error) {
	raw, err := c.List(ctx, "configmap", awsAuthNamespace, backupOf+"="+awsAuthName)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []backupItem
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("kubectl printed no list: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b backupItem) int {
		return cmp.Or(strings.Compare(b.Metadata.CreationTimestamp, a.Metadata.CreationTimestamp), strings.Compare(b.Metadata.Name, a.Metadata.Name))
	})
	return list.Items, nil
}

func prune(ctx context.Context, c kubectl.Client) error {
	kept, err := backups(ctx, c)
	if err != nil {
		return fmt.Errorf("delete old backups: %w", err)
	}
	for _, old := range kept[min(maxBackups, len(kept)):] {
		if err := c.Delete(ctx, "configmap", awsAuthNamespace, old.Metadata.Name); err != nil && !kubectl.Is(err, kubectl.NotFound) {
			return fmt.Errorf("delete old backups: %w", err)
		}
	}
	return nil
}

// keep makes the backup. Of one revision there is one, whoever made it.
func (p *program) keep(ctx context.Context, e *mapEdit, name, by string, data map[string]string) error {
	object, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "data": data,
		"metadata": map[string]any{
			"name": name, "namespace": awsAuthNamespace,
			"labels":      map[string]string{backupOf: awsAuthName},
			"annotations": map[string]string{backupBefore: e.why, backupBy: by, backupAt: time.Now().UTC().Format(time.RFC3339)},
		},
	})
	if err != nil {
		return err
	}
	if err := e.source.cluster.Create(ctx, object); err != nil && !kubectl.Is(err, kubectl.AlreadyExists) {
		return fmt.Errorf("nothing was changed, because the backup %s cannot be kept: %w", name, err)
	}
	return nil
}
