// Command eksauthd is EKS authentication for clusters: the token authenticator
// that a kube-apiserver asks.
package main

import (
	"os"

	"github.com/eksauth/eksauth/internal/cli"
)

func main() {
	stdio := cli.System()
	os.Exit(cli.Run(newRoot(stdio), stdio, os.Args[1:]))
}
