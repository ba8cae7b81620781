// Package serving is what every HTTP server of ours needs around its handler:
// bounds on time, size and number, an end that lets requests finish, and certificates
// that change without a restart.
//
// It knows nothing of what is served. It imports the standard library,
// golang.org/x/sync, internal/pki and internal/atomicfile only.
package serving
