// Package deploy holds what installs eksauth (the manifests, the chart, the guides) to
// each other, to the program's own flags and to a real kube-apiserver.
package deploy
