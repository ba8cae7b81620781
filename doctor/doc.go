// Package doctor says why a service account, or a pod of it, does not get its IAM
// role: it walks the whole chain from the annotation to STS's own answer, names the
// cause, and writes the fix. It does the same for the way in, from a token or an ARN
// to what RBAC lets them do.
//
// It decides nothing itself: what a pod should have got is irsa's to say, what a
// trust policy lets in is iam's, what is wrong with it trustpolicy's, what an issuer
// publishes is oidc's, who made a token is token's, and who that is in Kubernetes
// awsauth's and accessentry's. It reads and changes nothing;
// what it may not read it says it could not check.
//
// It may import those, arn, internal/shell and the standard library. Whoever uses it says
// how to reach the cluster and AWS.
package doctor
