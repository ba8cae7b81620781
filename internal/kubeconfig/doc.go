// Package kubeconfig adds a cluster, a user and a context to a kubeconfig file
// and leaves the rest of it as it was, comments and order included.
//
// client-go's clientcmd could write one too, but linking it makes every start
// of eksauth slower by a third (docs/architecture.md has the numbers), and
// kubectl starts eksauth for every command.
package kubeconfig
