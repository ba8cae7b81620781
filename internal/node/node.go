//go:build linux

package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/eksauth/eksauth/internal/child"
)

const (
	pollInterval = 25 * time.Millisecond

	// Each is more than ten times what is usual.
	startTimeout    = 30 * time.Second
	commandTimeout  = 30 * time.Second
	containerdGrace = 10 * time.Second
)

// Config says how to run a node. All of it is needed.
type Config struct {
	// Dir is for the settings and the logs of the programs. It is made if it does
	// not exist. All paths are absolute, and none is in /run, /var/lib or /var/log,
	// which the node has its own of.
	Dir string

	Binaries Binaries
	Pause    string // the program of package pause, built without cgo

	// Programs are what pods may run, each built without cgo, by the name of the image
	// that is made of it, such as "localhost/app:1". Archives are of images, as docker
	// save writes them; the paths are absolute. Pods ask for them with the pull policy
	// Never.
	Programs map[string]string
	Archives []string

	Name string // of the Node object, which kubelet makes

	// Kubeconfig is a file with which kubelet reaches the API server as the user
	// system:node:NAME in the group system:nodes.
	Kubeconfig string

	Log *slog.Logger
}

func (c Config) check() error {
	var faults []error
	for _, needed := range []struct{ name, value string }{
		{"folder", c.Dir}, {"kubelet", c.Binaries.Kubelet}, {"containerd", c.Binaries.Containerd}, {"ctr", c.Binaries.Ctr},
		{"unshare", c.Binaries.Unshare}, {"nsenter", c.Binaries.Nsenter},
		{"pause program", c.Pause}, {"name", c.Name}, {"kubeconfig", c.Kubeconfig},
	} {
		if needed.value == "" {
			faults = append(faults, fmt.Errorf("no %s is given", needed.name))
		}
	}
	for _, path := range []string{c.Dir, c.Kubeconfig, c.Binaries.Kubelet} {
		if path != "" && !filepath.IsAbs(path) {
			faults = append(faults, fmt.Errorf("the path %s is relative", path))
		}
		for _, private := range privateFolders {
			if strings.HasPrefix(path+"/", private+"/") {
				faults = append(faults, fmt.Errorf("the node cannot see %s: it has a %s of its own", path, private))
			}
		}
	}
	return errors.Join(faults...)
}

// Node is containerd and kubelet. Start and Stop are each called once and not at
// the same time; between them the other methods may be called from any goroutine.
type Node struct {
	config     Config
	containerd *child.Process // unshare, which waits for containerd
	kubelet    *child.Process // nsenter, which waits for kubelet
}

// New returns a node that is not started yet.
func New(c Config) *Node { return &Node{config: c} }

// Start brings up containerd and then kubelet. It does not wait for kubelet to
// register the node; when it fails, nothing is left running.
func (n *Node) Start(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not started after %v", startTimeout))
	defer cancel()
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start node: %w", err), n.Stop(context.WithoutCancel(ctx)))
		}
	}()
	if err := n.config.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(n.config.Dir, 0o700); err != nil {
		return err
	}
	for name, text := range map[string]string{"containerd.toml": containerdConfig, "kubelet.yaml": kubeletConfig} {
		if err := os.WriteFile(n.file(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if err := n.startContainerd(ctx); err != nil {
		return err
	}
	if err := n.importImages(ctx); err != nil {
		return err
	}
	return n.startKubelet()
}

// importImages comes before kubelet: containerd mounts what it unpacks, and a kubelet
// that meets such a mount while it looks for its own filesystem ends.
func (n *Node) importImages(ctx context.Context) error {
	if err := n.importProgram(ctx, pauseImage, n.config.Pause); err != nil {
		return err
	}
	for name, program := range n.config.Programs {
		if err := n.importProgram(ctx, name, program); err != nil {
			return err
		}
	}
	for _, archive := range n.config.Archives {
		if _, err := n.ctr(ctx, nil, "images", "import", archive); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) startContainerd(ctx context.Context) (err error) {
	n.containerd, err = n.startChild("containerd", n.config.Binaries.Unshare,
		"--mount", "--pid", "--mount-proc", "--fork", "--kill-child",
		"sh", "-ec", enter(), "sh", n.config.Binaries.Containerd, "--config", n.file("containerd.toml"))
	if err != nil {
		return err
	}
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		if _, err := os.Stat(n.path(socket)); err == nil {
			return nil
		}
		select {
		case <-n.containerd.Done():
			return n.containerd.Err()
		case <-ctx.Done():
			return fmt.Errorf("wait for containerd: %w\n%s", context.Cause(ctx), n.Diagnosis())
		case <-poll.C:
		}
	}
}

func (n *Node) startKubelet() (err error) {
	namespaces := fmt.Sprintf("/proc/%d/ns/", n.containerd.PID())
	n.kubelet, err = n.startChild("kubelet", n.config.Binaries.Nsenter,
		"--mount="+namespaces+"mnt", "--pid="+namespaces+"pid_for_children",
		n.config.Binaries.Kubelet, "--config", n.file("kubelet.yaml"), "--kubeconfig", n.config.Kubeconfig, "--hostname-override", n.config.Name)
	return err
}

func (n *Node) startChild(name, path string, args ...string) (*child.Process, error) {
	n.config.Log.Debug("starting "+name, "log", n.logFile(name))
	return child.Start(child.Command{
		Name: name, Path: path, Args: args, Dir: n.config.Dir, Log: n.logFile(name),
		Env: []string{"PATH=" + os.Getenv("PATH")}, // containerd looks for its shim there, and the shim for runc
	})
}

func (n *Node) file(name string) string    { return filepath.Join(n.config.Dir, name) }
func (n *Node) logFile(name string) string { return n.file(name + ".log") }

// path is where a file of the node is seen from outside.
func (n *Node) path(inside string) string {
	return "/proc/" + strconv.Itoa(n.containerd.PID()) + "/root" + inside
}

func (n *Node) importProgram(ctx context.Context, name, program string) error {
	var image bytes.Buffer
	if err := writeImage(&image, name, program); err != nil {
		return err
	}
	_, err := n.ctr(ctx, &image, "images", "import", "-")
	return err
}

// ReadFile reads a file as the node's containers and kubelet have it.
func (n *Node) ReadFile(path string) ([]byte, error) { return os.ReadFile(n.path(path)) }

// ctr runs containerd's own client in the namespace of kubelet's containers.
func (n *Node) ctr(ctx context.Context, stdin *bytes.Buffer, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.config.Binaries.Ctr, append([]string{"--address", n.path(socket), "--namespace", "k8s.io"}, args...)...)
	cmd.Env = []string{}
	if stdin != nil {
		cmd.Stdin = stdin
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("ctr %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Stop ends kubelet, the containers that are still there, and containerd. It
// returns when no process of the node is left.
func (n *Node) Stop(ctx context.Context) error {
	var errs []error
	if n.kubelet != nil {
		// At once: it has nothing to save, and must not start what is ended next.
		errs = append(errs, signalGroup(n.kubelet, syscall.SIGKILL), n.kubelet.Kill())
	}
	if n.containerd != nil {
		if n.containerd.Err() == nil {
			errs = append(errs, n.endContainers(ctx), signalGroup(n.containerd, syscall.SIGTERM))
		}
		errs = append(errs, n.containerd.Stop(ctx, containerdGrace))
		removeCgroups()
	}
	return errors.Join(errs...)
}

// endContainers has containerd remove their cgroups, which outlive the processes.
func (n *Node) endContainers(ctx context.Context) error {
	tasks, err := n.ctr(ctx, nil, "tasks", "list", "--quiet")
	if err != nil || tasks == "" {
		return err
	}
	_, err = n.ctr(ctx, nil, append([]string{"tasks", "delete", "--force"}, strings.Fields(tasks)...)...)
	return err
}

// signalGroup reaches the program itself, too: unshare and nsenter only wait for
// it and pass nothing on. Package child gives each a process group of its own.
func signalGroup(p *child.Process, signal syscall.Signal) error {
	if err := syscall.Kill(-p.PID(), signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal %d: %w", p.PID(), err)
	}
	return nil
}

// removeCgroups removes the cgroup that runc makes above those of all containers,
// in each hierarchy. One that is in use is not empty, and stays.
func removeCgroups() {
	for _, pattern := range []string{"/sys/fs/cgroup/k8s.io", "/sys/fs/cgroup/*/k8s.io"} {
		dirs, _ := filepath.Glob(pattern)
		for _, dir := range dirs {
			_ = syscall.Rmdir(dir)
		}
	}
}
