package controlplane

import (
	"cmp"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// defaultIssuer is what kubeadm configures.
	defaultIssuer = "https://kubernetes.default.svc.cluster.local"

	// serviceCIDR and serviceIP are where the Service "kubernetes" lives.
	serviceCIDR = "10.0.0.0/24"
	serviceIP   = "10.0.0.1"
)

// servingNames are the names under which clients, pods included, know the API
// server.
var servingNames = []string{
	"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
	"localhost", loopback, serviceIP,
}

// environment of both programs: a smaller heap for a little more work (the API
// server takes a tenth less), and nothing of the parent's. etcd would read ETCD_*
// as its settings, and the parent's environment may hold credentials.
var environment = []string{"GOGC=50"}

func etcdArgs(c Config, l layout) []string {
	args := []string{
		"--name=etcd",
		"--data-dir=" + filepath.Join(l.etcd(), "data"),
		"--listen-client-urls=unix://" + clientSocket,
		"--advertise-client-urls=unix://" + clientSocket,
		"--listen-peer-urls=unix://" + peerSocket,
		"--initial-advertise-peer-urls=unix://" + peerSocket,
		"--initial-cluster=etcd=unix://" + peerSocket,
		"--log-level=warn",
		"--log-outputs=stderr",
	}
	if c.NoSync {
		args = append(args, "--unsafe-no-fsync")
	}
	return args
}

func apiServerArgs(c Config, l layout, port int) []string {
	pki := func(file string) string { return filepath.Join(l.pki(), file) }
	args := []string{
		"--etcd-servers=unix://" + clientSocket,

		"--bind-address=" + loopback,
		// Without it the API server asks the routing table, and fails where there
		// is no default route.
		"--advertise-address=" + loopback,
		"--secure-port=" + strconv.Itoa(port),
		"--tls-cert-file=" + pki("apiserver.crt"),
		"--tls-private-key-file=" + pki("apiserver.key"),
		"--client-ca-file=" + pki("ca.crt"),

		// A kubelet that joins may do what concerns its own node and pods, and no more.
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--service-cluster-ip-range=" + serviceCIDR,
		// The Service "kubernetes" gets no endpoints: they may not be loopback.
		"--endpoint-reconciler-type=none",
		"--allow-privileged=true",
		"--profiling=false",
		// Without it an open watch, of kubectl or of an informer, delays the end by
		// a minute.
		"--shutdown-watch-termination-grace-period=1s",
	}
	args = append(args, serviceAccountFlags(c, pki)...)
	if c.AuthenticatorKubeconfig != "" {
		args = append(args,
			"--authentication-token-webhook-config-file="+c.AuthenticatorKubeconfig,
			"--authentication-token-webhook-version=v1")
		if c.AuthenticatorCacheTTL > 0 {
			args = append(args, "--authentication-token-webhook-cache-ttl="+c.AuthenticatorCacheTTL.String())
		}
	}
	return args
}

func serviceAccountFlags(c Config, pki func(file string) string) []string {
	if len(c.ServiceAccountFlags) > 0 {
		return c.ServiceAccountFlags
	}
	flags := []string{
		"--service-account-issuer=" + cmp.Or(c.ServiceAccountIssuer, defaultIssuer),
		"--service-account-signing-key-file=" + pki(signingKeyName+".key"),
		"--service-account-key-file=" + pki(signingKeyName+".pub"),
	}
	if len(c.APIAudiences) > 0 {
		flags = append(flags, "--api-audiences="+strings.Join(c.APIAudiences, ","))
	}
	return flags
}
