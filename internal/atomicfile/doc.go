// Package atomicfile replaces files as a whole: a reader, and a run after a
// crash, see the old content or the new, never a part of it.
//
// It imports the standard library only.
package atomicfile
