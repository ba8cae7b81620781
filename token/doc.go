// Package token makes, reads and verifies EKS tokens: an STS GetCallerIdentity
// request that is presigned for one cluster, in base64, behind "k8s-aws-v1.".
//
// [New] makes one and needs no network. [Parse] takes one apart and believes
// nothing; [Inspect] does the same for a person to read. A [Verifier] asks STS
// who signed it. The request that goes to STS is built anew from the parsed and
// checked parts; nothing of the token's own text is replayed (CVE-2022-2385
// came from doing otherwise).
//
// The package imports sigv4, arn and the standard library. Who becomes whom in
// Kubernetes is package awsauth's business.
package token
