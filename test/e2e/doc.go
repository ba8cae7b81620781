// Package e2e tests the whole of it from outside: the two programs as they are
// built, a real kube-apiserver and etcd, kubectl, and the aws CLI.
//
// Each test program starts one system and all tests use it. Those that change
// what others read (aws-auth) put it back.
package e2e
