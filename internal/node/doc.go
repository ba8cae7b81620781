// Package node runs a real Kubernetes node, containerd and kubelet, for tests:
// pods bound to it run as in any cluster. It needs Linux and root.
//
// Both programs, and all containers, live in a mount and a process namespace of
// their own, whose /run, /var/lib and /var/log are in memory. So the machine's
// own folders, and a containerd or kubelet of its own, stay untouched; and when
// the first process in there ends, the kernel ends all others and every mount is
// gone, even if the test was killed with SIGKILL. Only cgroups are the machine's:
// Stop removes them, and after a SIGKILL empty ones stay.
//
// What it is not: no container network is there, so that pods need hostNetwork;
// and nothing is pulled: the images are in its Config.
package node
