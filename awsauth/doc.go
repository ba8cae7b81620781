// Package awsauth answers one question: which Kubernetes user does an AWS
// principal become?
//
// Sources of mappings (the ConfigMap kube-system/aws-auth, a configuration
// file of aws-iam-authenticator) are only parsed here into a Document; a Table
// made of Documents, in the order of their sources, is the one place that
// decides. Live keeps the Table current while sources change, and keeps the
// last good mappings where a new document, or an entry of it, is faulty.
//
// What is read is trusted as far as its author is: it grants. What is mapped
// is not: session names are chosen by whoever assumes a role. Any error denies.
//
// The package does no I/O and starts nothing. It may import package arn, a
// YAML parser and the standard library; never Kubernetes packages.
package awsauth
