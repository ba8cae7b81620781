// Package peers compares with the peers themselves: programs built from their own
// modules, in hack/peers, asked the same questions.
package peers
