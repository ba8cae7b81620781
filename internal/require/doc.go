// Package require lets a test ask for a program that the machine may lack.
//
// Such a test skips with a plain notice, except where the environment variable
// EKSAUTH_REQUIRE, a list of names with commas between, names the program: then
// it fails. So a laptop without etcd can run the tests, and the machine that is
// to prove everything cannot pass by skipping.
//
// For tests only. It imports the standard library only.
package require
