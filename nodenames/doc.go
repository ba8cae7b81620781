// Package nodenames finds the private DNS names of EC2 instances, which
// {{EC2PrivateDNSName}} stands for in usernames and groups of nodes.
//
// [Names] is the awsauth.NodeNames: it remembers names, which do not change, and
// asks about the others in batches, because a cluster's nodes come all at once and
// EC2 counts calls. Calls at any one time, calls in a second, questions that wait,
// pages and time are bounded; after EC2 asked to slow down there is a pause.
// [EC2] is whom it asks, by the AWS SDK.
//
// EC2 is asked with the filter instance-id and not by instance ids: a single id that
// it does not know makes it refuse such a call as a whole, so that anybody whose
// session has the name of no instance could keep all nodes out.
//
// The package does not look for credentials and knows nothing of mappings. It may
// import awsauth, for the words of its errors, the AWS SDK's EC2 client, golang-lru
// and golang.org/x/time.
package nodenames
