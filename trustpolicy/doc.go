// Package trustpolicy judges and writes the trust policies of roles for service
// accounts (IRSA): the mistakes that cost people days, the policy without them, and a
// right one from nothing.
//
// It decides nobody's access: that is iam.Evaluate's, and its tests prove with that
// whatever a finding claims. It may import arn, iam and the standard library.
package trustpolicy
