// Package guard answers one question: may this edit of the mappings stand?
//
// Check decides about an edit of aws-auth, or of the custom resources, by what the
// mappings were and would be: what cannot be read, what is never used, and what
// would lock out administrators, nodes or the author is refused, with the line and
// the fix. Handler asks it for kube-apiserver, as a validating admission webhook.
//
// It judges edits, not mappings: faults that were there before are not held against
// an edit that leaves them as they are, or nobody could mend anything else.
//
// It may import arn, awsauth and the standard library; never Kubernetes packages.
package guard
