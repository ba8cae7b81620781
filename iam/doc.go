// Package iam is AWS's policy language: it parses trust policies and identity
// policies, and decides whether a request is allowed, with its reasons.
//
// Parse reads a document once into a Policy; Evaluate is then a pure function
// of that policy and a Request, fit for every request of a server. What a
// decision rests on is worked out only when Decision.Reasons is asked. AnyOf and
// AllOf put the decisions of several policies together.
//
// It decides; it does not fetch: who the caller is, which condition keys a
// request has, and which policies apply are for the caller to say. It imports
// the standard library and package arn only.
//
// The source of its rules is the IAM user guide; pages are named by their
// titles. Where AWS documents two things, or nothing, the comment says what was
// chosen.
package iam
