// Package drills has what goes wrong in a cluster's life, as tests: a real etcd and
// kube-apiserver, two replicas of eksauthd's authenticator and of its webhook as
// processes behind a load balancer, people who sign in and pods that are created
// meanwhile. Each drill says what was done, how many asked, how many failed and what
// was lost.
package drills
