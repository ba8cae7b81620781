// Package cli is what both programs share at the edge: exit codes, errors with
// a hint, colours, and the command tree's manners.
package cli
