// Package irsa gives pods what they need to become an IAM role: IAM roles for
// service accounts, and EKS Pod Identity.
//
// A ServiceAccount is what counts of one, [Settings] what holds where it says
// nothing. [Settings.Mutate] decides, without asking anybody, what a pod gets,
// and says so as a JSON patch of single fields, so that fields which this build
// has never heard of survive. A [Handler] answers kube-apiserver's admission
// reviews with it.
//
// It may import arn, the Kubernetes API types, the JSON reader that kube-apiserver
// itself uses, and the standard library; never client-go.
package irsa
