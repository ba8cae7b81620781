package kubectl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// Bounds of what one kubectl may print. An object in etcd has at most 1.5 MiB.
const (
	maxOutput = 16 << 20
	maxStderr = 64 << 10
)

// Client says which kubectl to run and against what. The zero Client is the
// kubectl on PATH with its current context.
type Client struct {
	Path       string // of the program; "kubectl", looked up on PATH, if empty
	Kubeconfig string // file; kubectl's own choice if empty
	Context    string // kubectl's current one if empty
}

// Reason says why kubectl failed, as far as its output tells.
type Reason uint8

// The reasons that callers tell apart.
const (
	Failed       Reason = iota // anything else; the message is kubectl's
	Missing                    // there is no kubectl
	Unreachable                // the API server does not answer
	Unauthorized               // the API server does not know the caller
	Forbidden                  // RBAC, or an admission webhook, says no
	NotFound
	Conflict // the object has changed since it was read
	AlreadyExists
)

// Error is a kubectl that failed.
type Error struct {
	Reason  Reason
	Message string // the last line of what it printed, or what else is wrong
}

func (e *Error) Error() string { return "kubectl: " + e.Message }

// Hint is what the user can do about it; it may be empty.
func (e *Error) Hint() string {
	switch e.Reason {
	case Missing:
		return "install kubectl, or work on a file: kubectl -n kube-system get configmap aws-auth -o yaml"
	case Unreachable:
		return "is the cluster up, and the context the right one? kubectl config get-contexts"
	case Unauthorized:
		return "who does the cluster take you for? kubectl auth whoami"
	case Forbidden:
		return "what may you do? kubectl -n kube-system auth can-i --list"
	}
	return ""
}

// Is reports whether err is an *Error for that reason.
func Is(err error, r Reason) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == r
}

// Get reads one object as JSON. An empty namespace is for objects without one.
func (c Client) Get(ctx context.Context, resource, namespace, name string) ([]byte, error) {
	return c.run(ctx, nil, inNamespace(namespace, "get", resource, "--output=json", "--", name)...)
}

// GetWithManagers is Get with metadata.managedFields, which say when a field was set.
func (c Client) GetWithManagers(ctx context.Context, resource, namespace, name string) ([]byte, error) {
	return c.run(ctx, nil, inNamespace(namespace, "get", resource, "--output=json", "--show-managed-fields", "--", name)...)
}

// Token makes a token of a service account for ten minutes, the least there is.
func (c Client) Token(ctx context.Context, namespace, serviceAccount, audience string) (string, error) {
	if strings.HasPrefix(serviceAccount, "-") { // kubectl create token takes no --
		return "", &Error{Failed, "no service account is called " + serviceAccount}
	}
	out, err := c.run(ctx, nil, inNamespace(namespace, "create", "token", serviceAccount, "--audience="+audience, "--duration=10m")...)
	return strings.TrimSpace(string(out)), err
}

// List reads the objects with a label, as a list in JSON.
func (c Client) List(ctx context.Context, resource, namespace, selector string) ([]byte, error) {
	args := []string{"get", resource, "--output=json"}
	if namespace == "" {
		args = append(args, "--all-namespaces")
	}
	if selector != "" {
		args = append(args, "--selector="+selector)
	}
	return c.run(ctx, nil, inNamespace(namespace, args...)...)
}

// Delete deletes one object.
func (c Client) Delete(ctx context.Context, resource, namespace, name string) error {
	_, err := c.run(ctx, nil, inNamespace(namespace, "delete", resource, "--", name)...)
	return err
}

// Raw reads a path of the API.
func (c Client) Raw(ctx context.Context, path string) ([]byte, error) {
	return c.run(ctx, nil, "get", "--raw="+path)
}

// WhoAmI is who the API server takes the caller for: a SelfSubjectReview, as JSON.
func (c Client) WhoAmI(ctx context.Context) ([]byte, error) {
	return c.run(ctx, nil, "auth", "whoami", "--output=json")
}

// Create makes an object from its JSON, which names its kind and namespace.
func (c Client) Create(ctx context.Context, object []byte) error {
	_, err := c.run(ctx, object, "create", "--filename=-")
	return err
}

// TryCreate has the API server do all that Create does, but keep the object, and
// returns it as it would be kept.
func (c Client) TryCreate(ctx context.Context, namespace string, object []byte) ([]byte, error) {
	return c.run(ctx, object, inNamespace(namespace, "create", "--dry-run=server", "--output=json", "--filename=-")...)
}

// Review creates an object that is an answer, such as a SubjectAccessReview.
func (c Client) Review(ctx context.Context, object []byte) ([]byte, error) {
	return c.run(ctx, object, "create", "--output=json", "--filename=-")
}

// Replace puts an object, as JSON, in the place of the one that is there. If it
// has a resourceVersion and that one has changed since, the reason is Conflict.
func (c Client) Replace(ctx context.Context, object []byte) error {
	_, err := c.run(ctx, object, "replace", "--filename=-")
	return err
}

func inNamespace(namespace string, args ...string) []string {
	if namespace == "" {
		return args
	}
	return append([]string{"--namespace=" + namespace}, args...)
}

func (c Client) run(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	name := c.Path
	if name == "" {
		name = "kubectl"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, &Error{Missing, err.Error()}
	}
	cmd := exec.CommandContext(ctx, path, append(c.target(), args...)...)
	cmd.WaitDelay = time.Second // an exec plugin may hold the pipes open
	cmd.Stdin = bytes.NewReader(stdin)
	stdout, stderr := &bounded{most: maxOutput}, &bounded{most: maxStderr}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("kubectl: %w", context.Cause(ctx))
	case err != nil:
		return nil, newError(stderr.kept.String(), err)
	case stdout.cut:
		return nil, &Error{Failed, fmt.Sprintf("it printed more than %d bytes", maxOutput)}
	}
	return stdout.kept.Bytes(), nil
}

func (c Client) target() []string {
	var args []string
	if c.Kubeconfig != "" {
		args = append(args, "--kubeconfig="+c.Kubeconfig)
	}
	if c.Context != "" {
		args = append(args, "--context="+c.Context)
	}
	return args
}

// newError reads kubectl's own words. "Error from server (REASON):" carries the
// reason of the API server's Status; the others are kubectl's and client-go's.
func newError(stderr string, err error) *Error {
	message := strings.TrimSpace(stderr)
	if i := strings.LastIndexByte(message, '\n'); i >= 0 {
		message = message[i+1:]
	}
	e := &Error{Failed, message}
	if message == "" {
		e.Message = err.Error()
	}
	if m := regexp.MustCompile(`(?m)^Error from server \((\w+)\): `).FindStringSubmatch(stderr); m != nil {
		e.Reason = map[string]Reason{
			"Unauthorized": Unauthorized, "Forbidden": Forbidden, "NotFound": NotFound,
			"Conflict": Conflict, "AlreadyExists": AlreadyExists,
		}[m[1]]
		return e
	}
	switch {
	case strings.Contains(stderr, "You must be logged in to the server"):
		e.Reason = Unauthorized
	case strings.Contains(stderr, "The connection to the server"),
		strings.Contains(stderr, "Unable to connect to the server"):
		e.Reason = Unreachable
	}
	return e
}

// bounded keeps the first bytes of what is written and drops the rest, so that
// the writer is not stopped. The buffer is not embedded: its ReadFrom has no bound.
type bounded struct {
	kept bytes.Buffer
	most int
	cut  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	room := min(len(p), b.most-b.kept.Len())
	b.cut = b.cut || room < len(p)
	b.kept.Write(p[:room])
	return len(p), nil
}
