// Package child runs programs that live no longer than this process: asked to
// stop they end in order, and on Linux they end even when this process is killed
// with SIGKILL. What they print goes to a log file, and the error of a child that
// ends by itself carries the end of it.
//
// It imports the standard library only.
package child
