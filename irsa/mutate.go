package irsa

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// Mutation is what becomes of a pod, and why.
type Mutation struct {
	// Patch is a JSON patch (RFC 6902) that only adds; nil if there is nothing
	// to add, because nothing is granted or all of it is there already.
	Patch []byte
	// Warnings are for the person who created the pod.
	Warnings []string
	Means    Means
	// RoleARN is what AWS_ROLE_ARN is, where that is the means.
	RoleARN string
	// Containers are those that the pod, or the debugger's request, has, in its
	// order. If all are skipped, Means is Nothing.
	Containers []Container
}

// Container is what became of one container.
type Container struct {
	Name    string
	Added   []string // names of variables, and "mount"
	Kept    []string // names of variables that it has itself, which count
	Skipped bool     // by the annotation skip-containers
}

// Mutate decides what a pod that is being created gets. It asks nobody; the same
// pod and grant give the same mutation, but for the token's expiration, of which
// a little is left to chance. Applied to a pod that has been mutated already it
// adds nothing.
func (s Settings) Mutate(pod *Pod, g Grant) Mutation {
	s = s.withDefaults()
	return s.mutate(pod, g)
}

func (s *Settings) mutate(pod *Pod, g Grant) Mutation {
	if !pod.isWhole() || pod.isMirror() {
		return Mutation{}
	}
	in := s.injection(pod, g)
	if in == nil {
		return Mutation{}
	}
	w := s.newWork(pod, in)
	if in.means == Nothing {
		return Mutation{Warnings: in.warnings}
	}
	w.foreignVolume()
	w.containers("/spec/initContainers/", pod.Spec.InitContainers)
	w.containers("/spec/containers/", pod.Spec.Containers)
	w.unknownSkips()
	if w.mounted {
		w.volume()
		w.fsGroup(s.FSGroup)
		w.label()
	}
	return w.mutation()
}

// MutateEphemeral decides what the containers get that are new in a pod compared
// with old: those that somebody adds for debugging. They get what the pod has
// got, and nothing if it has got nothing: a pod that runs gets no new volumes.
func (s Settings) MutateEphemeral(pod, old *Pod, g Grant) Mutation {
	s = s.withDefaults()
	return s.mutateEphemeral(pod, old, g)
}

func (s *Settings) mutateEphemeral(pod, old *Pod, g Grant) Mutation {
	if !pod.isWhole() || !old.isWhole() {
		return Mutation{}
	}
	in := s.injection(pod, g)
	if in == nil || in.means == Nothing {
		return Mutation{}
	}
	w := s.newWork(pod, in)
	if !slices.ContainsFunc(old.Spec.Volumes, func(v volume) bool { return v.Name == in.volume && v.holdsToken(in.file) }) {
		return Mutation{}
	}
	before := map[string]bool{}
	for _, c := range old.Spec.EphemeralContainers {
		if c != nil {
			before[c.Name] = true
		}
	}
	for i, c := range pod.Spec.EphemeralContainers {
		if c != nil && !before[c.Name] {
			w.container("/spec/ephemeralContainers/"+strconv.Itoa(i), c)
		}
	}
	return w.mutation()
}

// hasToken reports whether the pod has a volume that this webhook may have added.
func (s *Settings) hasToken(pod *Pod) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v volume) bool {
		return v.Name == volumeName && v.holdsToken(tokenFile) ||
			v.Name == s.ContainerCredentials.VolumeName && v.holdsToken(s.ContainerCredentials.TokenPath)
	})
}

// work is one mutation in the making.
type work struct {
	*injection
	pod     *Pod
	skip    map[string]bool // by name; true once a container of the name was met
	skipKey string
	patch   patch
	done    []Container
	mounted bool // some container needs the volume
}

// maxSkips bounds the names in skip-containers; a pod cannot have as many
// containers.
const maxSkips = 1000

func (s *Settings) newWork(pod *Pod, in *injection) *work {
	w := &work{
		injection: in, pod: pod, skipKey: s.name(annotationSkipContainers),
		done: make([]Container, 0, len(pod.Spec.InitContainers)+len(pod.Spec.Containers)),
	}
	list := pod.Metadata.Annotations[w.skipKey]
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if name == "" || len(w.skip) >= maxSkips {
			continue
		}
		if w.skip == nil {
			w.skip = map[string]bool{}
		}
		w.skip[name] = false
	}
	return w
}

// foreignVolume warns of a volume of our name that has no token. It stays, and the
// SDK will say that there is no such file: without the variables it would go on to
// the node's credentials.
func (w *work) foreignVolume() {
	for i := range w.pod.Spec.Volumes {
		if v := &w.pod.Spec.Volumes[i]; v.Name == w.injection.volume && !v.holdsToken(w.file) {
			w.warn("the pod has a volume ", quote(v.Name), " of its own, which has no service account's token in a file ", quote(w.file))
		}
	}
}

func (w *work) containers(at string, list []*container) {
	for i, c := range list {
		if c != nil {
			w.container(at+strconv.Itoa(i), c)
		}
	}
}

func (w *work) container(at string, c *container) {
	report := Container{Name: c.Name, Added: make([]string, 0, len(w.variables)+1)}
	if _, skipped := w.skip[c.Name]; skipped {
		w.skip[c.Name] = true
		report.Skipped = true
		w.done = append(w.done, report)
		return
	}
	env := elements{patch: &w.patch, at: at, name: "/env", exists: c.Env != nil}
	for _, v := range w.variables {
		if v.isOwn(c) {
			report.Kept = append(report.Kept, v.name)
			continue
		}
		env.variable(v.name, v.value)
		report.Added = append(report.Added, v.name)
	}
	env.close()
	if w.needsMount(c) {
		w.mounted = true
		if !w.hasMount(c) {
			mounts := elements{patch: &w.patch, at: at, name: "/volumeMounts", exists: c.VolumeMounts != nil}
			mounts.mount(w.injection.volume, w.mountPath)
			mounts.close()
			report.Added = append(report.Added, "mount")
		}
	}
	if _, static := c.variable(envAccessKey); static {
		w.warn("container ", quote(c.Name), " has static credentials in ", envAccessKey, ", which win over the role")
	}
	w.done = append(w.done, report)
}

// needsMount: a container that looks for its token elsewhere, or has something
// else where the token would be, does without.
func (w *work) needsMount(c *container) bool {
	token := w.tokenVariable()
	if own, ok := c.variable(token.name); ok && (own.ValueFrom != nil || own.Value != token.value) {
		w.warn("container ", quote(c.Name), " sets ", token.name, " itself, and not to the token that it is given")
		return false
	}
	for _, m := range c.VolumeMounts {
		if samePath(m.MountPath, w.mountPath) && m.Name != w.injection.volume {
			w.warn("container ", quote(c.Name), " mounts ", quote(m.Name), " where its token would be: ", quote(m.MountPath))
			return false
		}
	}
	for _, d := range c.VolumeDevices {
		if samePath(d.DevicePath, w.mountPath) {
			w.warn("container ", quote(c.Name), " has the device ", quote(d.Name), " where its token would be: ", quote(d.DevicePath))
			return false
		}
	}
	return true
}

func (w *work) hasMount(c *container) bool {
	return slices.ContainsFunc(c.VolumeMounts, func(m mount) bool {
		return m.Name == w.injection.volume && samePath(m.MountPath, w.mountPath)
	})
}

func samePath(a, b string) bool { return a == b || path.Clean(a) == path.Clean(b) }

// unknownSkips warns of the first name in skip-containers that no container has.
func (w *work) unknownSkips() {
	var unknown []string
	for name, met := range w.skip {
		if !met {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		w.warn(w.skipKey, " names ", quote(slices.Min(unknown)), ", and no container is called so")
	}
}

func (w *work) volume() {
	if slices.ContainsFunc(w.pod.Spec.Volumes, func(v volume) bool { return v.Name == w.injection.volume }) {
		return
	}
	volumes := elements{patch: &w.patch, at: "/spec", name: "/volumes", exists: w.pod.Spec.Volumes != nil}
	volumes.tokenVolume(w.injection.volume, w.audience, w.expiration, w.file)
	volumes.close()
}

// fsGroup lets the containers' user read the token where kubelet gives it to
// root.
func (w *work) fsGroup(gid int64) {
	c := w.pod.Spec.SecurityContext
	if gid == 0 || w.pod.isWindows() || c != nil && c.FSGroup != nil || !w.pod.runsAsNonRoot() {
		return
	}
	value := strconv.FormatInt(gid, 10)
	if c != nil {
		w.add("/spec/securityContext/fsGroup", value)
		return
	}
	w.add("/spec/securityContext", `{"fsGroup":`+value+`}`)
}

// add puts value, which is JSON, at path.
func (w *work) add(path, value string) {
	w.patch.begin(path)
	w.patch.raw(value)
	w.patch.end()
}

// pointer escapes a key for a path (RFC 6901).
var pointer = strings.NewReplacer("~", "~0", "/", "~1")

func (w *work) label() {
	labels := w.pod.Metadata.Labels
	switch {
	case w.injection.label == "" || labels[w.injection.label] == "enabled":
	case labels == nil:
		w.add("/metadata/labels", `{"`+w.injection.label+`":"enabled"}`)
	default:
		w.add("/metadata/labels/"+pointer.Replace(w.injection.label), `"enabled"`)
	}
}

func (w *work) mutation() Mutation {
	if !slices.ContainsFunc(w.done, func(c Container) bool { return !c.Skipped }) {
		return Mutation{Warnings: w.warnings, Containers: w.done}
	}
	return Mutation{Patch: w.patch.bytes(), Warnings: w.warnings, Means: w.means, RoleARN: w.role, Containers: w.done}
}
