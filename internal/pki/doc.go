// Package pki makes the certificates that a cluster of one's own needs: an
// authority (CA), serving and client certificates that it signs, and the key
// pair that signs service-account tokens. Each is kept in PEM files in a folder,
// made when it is missing and made anew when it no longer fits.
//
// It is for machines that one person or one program owns. Where certificates
// are managed, by cert-manager for example, use that instead.
//
// It serves nothing and reads no clock: the time is a parameter. It imports the
// standard library and internal/atomicfile only.
package pki
