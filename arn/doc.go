// Package arn reads Amazon Resource Names, the principals that they name, and
// the AWS partitions that they live in.
//
// It decides nothing: who may do what is package iam's business, who becomes
// whom in Kubernetes is package awsauth's. It imports the standard library only.
package arn
