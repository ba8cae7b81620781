// Package irsa gives pods what they need to become an IAM role: IAM roles for
// service accounts, and EKS Pod Identity.
//
// A ServiceAccount is what counts of one, [Settings] what holds where it says
// nothing. [Settings.Mutate] decides, without asking anybody, what a pod gets,
// and says so as a JSON patch of single fields, so that fields which this build
// has never heard of survive. A [Handler] answers kube-apiserver's admission
// reviews with it.
//
// It imports arn, the standard library, and go-json-experiment, the forerunner of
// encoding/json/v2: it reads keys in exact case, as kube-apiserver does, and in
// half the time.
package irsa
