//go:build linux

package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// PodLog returns what the containers of a pod have printed so far. It is read
// from the node's files, because kubectl logs would need kubelet to listen.
func (n *Node) PodLog(namespace, pod string) (string, error) {
	files, err := filepath.Glob(n.path("/var/log/pods/" + namespace + "_" + pod + "_*/*/*.log"))
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", fmt.Errorf("pod %s/%s has no log on this node", namespace, pod)
	}
	var text strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		text.WriteString(printed(string(data)))
	}
	return text.String(), nil
}

// printed is what a container printed, out of its log in CRI's format: in each
// line the time, the stream, a tag (P: the line goes on in the next), the text.
func printed(log string) string {
	var text strings.Builder
	for line := range strings.Lines(log) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(fields) < 4 {
			continue // it is being written
		}
		text.WriteString(fields[3])
		if fields[2] != "P" {
			text.WriteByte('\n')
		}
	}
	return text.String()
}

// Diagnosis is how kubelet and containerd are, with the ends of their logs, for
// the message of a test that failed.
func (n *Node) Diagnosis() string {
	var text strings.Builder
	for _, name := range []string{"kubelet", "containerd"} {
		data, err := os.ReadFile(n.logFile(name))
		lines := strings.SplitAfter(strings.TrimSpace(string(data)), "\n")
		fmt.Fprintf(&text, "--- the end of %s's log (%v)\n%s\n", name, err, strings.Join(lines[max(0, len(lines)-20):], ""))
	}
	return text.String()
}
