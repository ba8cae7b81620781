// Package tokenreview answers kube-apiserver's TokenReviews for EKS tokens: the
// webhook behind --authentication-token-webhook-config-file.
//
// A review is decided in this order: is it a TokenReview; is it for an audience
// of ours; is the token well-formed, in time and for a host that may be asked
// (all of which costs nobody else anything); who made it, which the cache knows
// or STS is asked; and who that is in Kubernetes, which is looked up anew every
// time, so that an edit of the mappings acts at once (and, if the mapping is for nodes,
// what EC2 calls this one, which awsauth.NodeNames remember). Any error denies.
//
// STS is asked about few tokens at once, and about fewer at hosts that have
// never answered; not again about a token that it refused a moment ago; and not
// at all for a moment after it asked to slow down.
//
// The package knows nothing of TLS, metrics libraries and where mappings come
// from. It may import token, awsauth, arn, the Kubernetes API types and the
// standard library, golang-lru and singleflight; never client-go.
package tokenreview
