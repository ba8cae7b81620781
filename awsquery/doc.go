// Package awsquery is the server's side of the AWS query protocol: parameters of
// a query or a form, their validation in AWS's words, and answers as XML or, when
// asked, as JSON. STS and IAM speak it.
//
// It reads strictly: names in exact case and each once, bounded in number and
// size. It knows no operation and no signature. It imports only the standard
// library.
package awsquery
