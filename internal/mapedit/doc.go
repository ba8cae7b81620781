// Package mapedit edits the text of aws-auth, in a cluster or in a manifest: it
// adds and removes entries and leaves every other byte as its author wrote it,
// comments included.
//
// An edit is proven before it is handed out: the new text is parsed by package
// awsauth, and must hold the old entries and the one more or less. A text that
// cannot be edited so is refused, never rewritten.
//
// What the mappings mean is package awsauth's. It does no I/O.
package mapedit
