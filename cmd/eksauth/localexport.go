package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/internal/atomicfile"
	"github.com/eksauth/eksauth/internal/cli"
)

func (p *program) newLocalExport() *cobra.Command {
	var dir, file string
	cmd := &cobra.Command{
		Use:   "export [--data-dir DIR]",
		Short: "Write all that a local AWS has as a world file",
		Long: `Write all that a local AWS has as a world file: what its own world said, what was
generated, and what was made through its APIs since. eksauth local --world makes
the same again. The file has the secret keys of all users in it.

The local AWS must not be running: stop it first.`,
		Example: `  eksauth local export --data-dir ./dev > world.yaml
  eksauth local export --data-dir ./dev -o world.yaml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return p.exportWorld(dir, file) },
	}
	cmd.Flags().StringVar(&dir, "data-dir", "", "`DIR` of the local AWS (default: eksauth in the user's data folder)")
	cmd.Flags().StringVarP(&file, "output", "o", "", "write this `file`, for its owner only (default: standard output)")
	return cmd
}

func (p *program) exportWorld(given, file string) error {
	dir, err := p.dataDir(given)
	if err != nil {
		return err
	}
	// Open would make a new one.
	if _, err := os.Stat(filepath.Join(dir, awslocal.StateFile)); errors.Is(err, fs.ErrNotExist) {
		return cli.Hint(fmt.Errorf("%s has no local AWS", dir), "give --data-dir, as of eksauth local")
	}
	store, err := awslocal.Open(dir, time.Now)
	if errors.Is(err, awslocal.ErrLocked) {
		return cli.Hint(err, "end that eksauth local first (Ctrl-C); its state stays, and is exported then")
	}
	if err != nil {
		return openHint(err)
	}
	defer store.Close()
	w, err := store.World()
	if err != nil {
		return err
	}
	text, err := w.YAML()
	if err != nil {
		return err
	}
	fmt.Fprintln(p.Err, "the world has the secret keys of all users in it")
	if file == "" {
		_, err = p.Out.Write(text)
		return err
	}
	return atomicfile.Write(file, text, 0o600)
}

func (p *program) newLocalSchema() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of world files, for editors",
		Example: "  eksauth local schema > world.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := p.Out.Write(awslocal.WorldSchema)
			return err
		},
	}
}
