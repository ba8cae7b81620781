// Command eksauth is EKS authentication for people and pods: tokens,
// kubeconfigs, and a local AWS to try them against.
//
// It starts for every kubectl command, so it links no informers, no generated
// clientset and no metrics; those belong to eksauthd.
package main

import (
	"os"

	"github.com/eksauth/eksauth/internal/cli"
)

func main() {
	stdio := cli.System()
	os.Exit(cli.Run(newRoot(stdio), stdio, os.Args[1:]))
}
