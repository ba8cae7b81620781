// Package accessentry is what EKS access entries mean: which are allowed, which
// username and groups they give, and which access policies become which roles of
// Kubernetes. The EKS API of the local AWS keeps entries by it, and the
// authenticator maps by it. FromTable makes entries of the mappings of aws-auth.
//
// It decides nothing about a caller: entries become those of a table of package
// awsauth. It imports arn and awsauth, neither Kubernetes nor an AWS SDK.
package accessentry
