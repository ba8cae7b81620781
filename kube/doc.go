// Package kube feeds the mappings of package awsauth from a cluster.
//
// A [ConfigMap] watches kube-system/aws-auth and tells an awsauth.Live what it
// says, or that it is not there. What that means for anybody is decided in
// awsauth, never here.
//
// It is the only package that watches a cluster. It may import awsauth, the
// Kubernetes API types and client-go's rest and cache; never the generated
// clientset, which costs every start 5 ms, and never a server.
package kube
