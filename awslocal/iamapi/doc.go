// Package iamapi is the IAM API of the local AWS, as an http.Handler over its
// store: the query protocol of version 2010-05-08.
//
// It has what the aws CLI, Terraform and scripts ask for around roles, users,
// groups, access keys, policies and identity providers. Whoever calls needs the
// permission, as in AWS: the root and an administrator have it all. Each write is
// one transaction, on the disk before the answer.
//
// It imports the store, sts for who calls, and iam for what policies say; no AWS
// SDK (its tests use the SDK as the client).
package iamapi
