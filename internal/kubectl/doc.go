// Package kubectl reads and writes single objects of a cluster with the user's
// own kubectl: whatever signs kubectl in (exec plugins, proxies, contexts)
// signs this in, and a program that starts often links no client of its own.
//
// One call is one process, which ends with its context. What it prints is
// bounded. It imports the standard library only.
package kubectl
