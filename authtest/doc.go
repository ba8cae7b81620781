// Package authtest is unit tests for authentication: expectations about trust
// policies, identity policies and aws-auth, checked without a server or a cluster.
//
// Nothing decides here. A suite becomes a world; who may assume what is asked of
// package sts, which answers as it would over the network, who may do what of its
// policies, and who signs in as whom of package awsauth. Only what no single
// question can show, that nobody else is let in, is proven from the policy's text,
// and what cannot be proven fails.
//
// It imports the engines and awslocal, no Kubernetes and no AWS SDK.
package authtest
