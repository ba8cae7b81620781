// Command image builds the container image of eksauthd without a container engine: an
// OCI layout with an image for each platform, and for each a tar file that container
// engines load. The same programs make the same digest, wherever and whenever.
//
//	image --out bin/image bin/linux-amd64/eksauthd bin/linux-arm64/eksauthd
//
// It prints the digest of the whole, which is what a manifest should name.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
)

// nonroot is whom distroless images and Kubernetes' examples call so.
const nonroot = "65532:65532"

// userForm is a user and a group by number, neither of them root: Kubernetes can tell
// that such an image does not run as root.
var userForm = regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	dir := flags.String("out", "", "folder of the OCI layout; one that was there before is gone")
	name := flags.String("name", "eksauthd:latest", "name that the tar files have for a container engine")
	user := flags.String("user", nonroot, "`UID:GID` whom it runs as")
	roots := flags.String("roots", "", "write the certificates of the authorities to this file, and build nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *roots != "" {
		return os.WriteFile(*roots, authorities(), 0o644)
	}
	if *dir == "" || flags.NArg() == 0 {
		return fmt.Errorf("--out and a program for each platform are needed")
	}
	var programs []program
	for _, path := range flags.Args() {
		p, err := readProgram(path)
		if err != nil {
			return err
		}
		programs = append(programs, p)
	}
	if !userForm.MatchString(*user) {
		return fmt.Errorf("--user %q is not two numbers, such as %s", *user, nonroot)
	}
	digest, err := write(*dir, *name, *user, programs)
	if err == nil {
		_, err = fmt.Fprintln(out, digest)
	}
	return err
}
