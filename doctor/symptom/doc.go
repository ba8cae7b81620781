// Package symptom recognises the error messages that people meet on the way into
// a cluster and from a pod to AWS, in the words of any SDK, and says what they
// mean, what causes them, and what to do. It asks nobody: the text is all it has.
//
// What is in the text may be secret, so nothing of it comes back but the words by
// which a message is known, which stand in this package, and names of a strict
// form: ARNs, issuers, service accounts and the like.
//
// It imports nothing but the standard library.
package symptom
