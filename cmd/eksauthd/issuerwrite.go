package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/shell"
	"github.com/eksauth/eksauth/oidc"
)

func (p *program) newIssuerWrite() *cobra.Command {
	f := &issuerFlags{}
	var out string
	cmd := &cobra.Command{
		Use:   "write --dir DIR --out FOLDER",
		Short: "Write the two documents as files, for a bucket or a web server",
		Long: `Write the two documents as files below a folder, which a bucket or a web server
then has as the issuer's URL, and print how to upload them. Each file is replaced
as a whole, the keys first. Writing them again does no harm.`,
		Example: "  eksauthd issuer write --dir ./issuer --out ./public",
	}
	f.add(cmd)
	f.addOutput(cmd)
	cmd.Flags().StringVar(&out, "out", "", "`folder` for the documents; it is made if it does not exist")
	cmd.RunE = func(*cobra.Command, []string) error { return p.issuerWrite(f, out) }
	return cmd
}

// issuerDocument is a written file and where it belongs.
type issuerDocument struct {
	File        string `json:"file"`
	URL         string `json:"url"`
	ContentType string `json:"contentType"`
}

func (p *program) issuerWrite(f *issuerFlags, out string) error {
	if out == "" {
		return cli.Hint(cli.Usage("--out is missing"), "give a folder for the two documents")
	}
	ring, state, err := f.load()
	if err != nil {
		return err
	}
	if err := keepPrivate(ring.Dir, out); err != nil {
		return err
	}
	publisher, err := oidc.NewPublisher(state)
	if err != nil {
		return err
	}
	if err := publisher.WriteFiles(out); err != nil {
		return err
	}
	base := strings.TrimSuffix(state.Issuer, "/")
	documents := []issuerDocument{
		{filepath.Join(out, filepath.FromSlash(oidc.JWKSPath)), base + oidc.JWKSPath, oidc.JWKSType},
		{filepath.Join(out, filepath.FromSlash(oidc.DiscoveryPath)), base + oidc.DiscoveryPath, oidc.DiscoveryType},
	}
	if f.output.json() {
		return printJSON(p.Out, documents)
	}
	target := bucket(state.Issuer)
	for _, d := range documents {
		fmt.Fprintf(p.Out, "wrote %s\n  for %s\n", d.File, d.URL)
	}
	fmt.Fprintln(p.Out, "\nto a bucket, the keys first:")
	for _, d := range documents {
		fmt.Fprintf(p.Out, "aws s3 cp %s %s --content-type %s --cache-control %s\n",
			shell.Word(d.File), target+strings.TrimPrefix(d.URL, base), d.ContentType, shell.Word(oidc.CacheControl))
	}
	return nil
}

// keepPrivate refuses a folder which, served as a whole, would show the keys.
func keepPrivate(dir, out string) error {
	absDir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	absOut, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(resolved(absOut), resolved(absDir))
	if err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return cli.Hint(cli.Usage("--out %s would publish the private keys: the issuer's folder is in it", out), "give another folder, such as --out ./public")
	}
	return nil
}

// resolved is the path without symbolic links, where it exists.
func resolved(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}

var (
	bucketHost = regexp.MustCompile(`^(.+)\.s3[.-][a-z0-9.-]*amazonaws\.com(\.cn)?$`)
	s3Host     = regexp.MustCompile(`^s3[.-][a-z0-9.-]*amazonaws\.com(\.cn)?$`)
)

// bucket is where in S3 the issuer's URL is; if it is none of S3's, such as that
// of a CDN, the bucket's name is left open.
func bucket(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return "s3://BUCKET"
	}
	path := strings.TrimSuffix(u.Path, "/")
	if m := bucketHost.FindStringSubmatch(u.Hostname()); m != nil {
		return "s3://" + m[1] + path
	}
	if s3Host.MatchString(u.Hostname()) && path != "" {
		return "s3:/" + path
	}
	return "s3://BUCKET" + path
}
