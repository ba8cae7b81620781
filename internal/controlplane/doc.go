// Package controlplane runs a real Kubernetes control plane, etcd and
// kube-apiserver, as child processes on loopback: for eksauth local
// --control-plane and for tests from end to end.
//
// What it is not: no scheduler, no controllers and no nodes run. Of
// kube-controller-manager's work it does the one part without which no pod can
// be created: each namespace gets its service account "default" and its
// ConfigMap "kube-root-ca.crt". So ClusterRoles that are put together by
// aggregation (view, edit, admin) stay empty, and nothing is garbage-collected.
//
// Who can reach it: kube-apiserver listens on 127.0.0.1 over TLS, authenticates
// and authorizes (RBAC). etcd, which authenticates nobody, listens on no port:
// its two sockets are in a folder that only its owner may enter.
//
// Its state is one folder and survives restarts. It does not know AWS, and does
// not start the authenticator: it is told where the authenticator's kubeconfig
// is. It must not import client-go, which would slow every start of eksauth.
package controlplane
