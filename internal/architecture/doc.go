// Package architecture holds the test that compares the packages' imports with
// the table in docs/architecture.md. It has no code of its own.
package architecture
