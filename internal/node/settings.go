//go:build linux

package node

import "strings"

const (
	// socket is containerd's, in the node's /run. It is not at the usual place, so
	// that it cannot be taken for the machine's own.
	socket = "/run/node-containerd.sock"

	pauseImage = "localhost/pause:1"
)

// privateFolders are in memory, and the node's alone: containerd and kubelet
// keep all they have there, some of it at paths that no setting changes.
var privateFolders = []string{"/run", "/var/lib", "/var/log"}

// enter is the first process of the namespaces; it becomes its arguments. With -n
// mount does not make a folder of its own in the /run that it covers.
func enter() string {
	return "for dir in " + strings.Join(privateFolders, " ") + `; do mount -n -t tmpfs node "$dir"; done; exec "$@"`
}

// containerdConfig needs restrict_oom_score_adj where root may not lower the
// score, as in a container: runc could start nothing. Two folders are named that
// would be made outside the private ones.
const containerdConfig = `version = 2
[grpc]
  address = "` + socket + `"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "` + pauseImage + `"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "/var/lib/cni"
`

// kubeletConfig listens nowhere, runs on cgroups of version 1, too, keeps no
// account of the machine's memory, and never finds the disk too full.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
enableServer: false
healthzPort: 0
readOnlyPort: 0
containerRuntimeEndpoint: unix://` + socket + `
cgroupDriver: cgroupfs
failCgroupV1: false
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
evictionHard: {memory.available: 1Mi}
resolvConf: ""
volumePluginDir: /var/lib/kubelet/volume-plugins
`
