package irsa

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Pod is what counts of a pod. The rest of it is never read, so that it cannot
// get lost.
type Pod struct {
	Metadata *metadata `json:"metadata"`
	Spec     *podSpec  `json:"spec"`
}

type metadata struct {
	Name         string            `json:"name"`
	GenerateName string            `json:"generateName"`
	Annotations  map[string]string `json:"annotations"`
	Labels       map[string]string `json:"labels"`
}

type podSpec struct {
	ServiceAccountName  string            `json:"serviceAccountName"`
	NodeSelector        map[string]string `json:"nodeSelector"`
	OS                  *podOS            `json:"os"`
	SecurityContext     *securityContext  `json:"securityContext"`
	Volumes             []volume          `json:"volumes"`
	InitContainers      []*container      `json:"initContainers"`
	Containers          []*container      `json:"containers"`
	EphemeralContainers []*container      `json:"ephemeralContainers"`
}

type podOS struct {
	Name string `json:"name"`
}

type securityContext struct {
	RunAsNonRoot *bool  `json:"runAsNonRoot"`
	RunAsUser    *int64 `json:"runAsUser"`
	FSGroup      *int64 `json:"fsGroup"`
}

type container struct {
	Name            string           `json:"name"`
	Env             []variable       `json:"env"`
	VolumeMounts    []mount          `json:"volumeMounts"`
	VolumeDevices   []device         `json:"volumeDevices"`
	SecurityContext *securityContext `json:"securityContext"`
}

type variable struct {
	Name      string    `json:"name"`
	Value     string    `json:"value"`
	ValueFrom *struct{} `json:"valueFrom"`
}

type mount struct {
	Name      string `json:"name"`
	MountPath string `json:"mountPath"`
}

// device takes a path that no mount may have.
type device struct {
	Name       string `json:"name"`
	DevicePath string `json:"devicePath"`
}

type volume struct {
	Name      string `json:"name"`
	Projected *struct {
		Sources []struct {
			Token *struct {
				Audience string `json:"audience"`
				Path     string `json:"path"`
			} `json:"serviceAccountToken"`
		} `json:"sources"`
	} `json:"projected"`
}

// lastNameWins is how kube-apiserver reads two keys that are the same.
var lastNameWins = jsontext.AllowDuplicateNames(true)

// ParsePod reads a pod in JSON as kube-apiserver does: keys in exact case, the
// last of two that are the same.
func ParsePod(raw []byte) (*Pod, error) {
	var pod Pod
	if err := json.Unmarshal(raw, &pod, lastNameWins); err != nil {
		return nil, fmt.Errorf("not a pod in JSON: %w", err)
	}
	return &pod, nil
}

// isWhole reports whether it has what every pod has.
func (p *Pod) isWhole() bool { return p != nil && p.Metadata != nil && p.Spec != nil }

// isMirror reports whether a kubelet made the pod to show one that it runs from a
// file. kube-apiserver refuses one that has a service account's token.
func (p *Pod) isMirror() bool {
	_, ok := p.Metadata.Annotations["kubernetes.io/config.mirror"]
	return ok
}

// ServiceAccountName is the name of the pod's service account.
func (p *Pod) ServiceAccountName() string {
	if p.Spec == nil || p.Spec.ServiceAccountName == "" {
		return "default"
	}
	return p.Spec.ServiceAccountName
}

// DisplayName is the pod's name as far as it has one.
func (p *Pod) DisplayName() string {
	if p.Metadata == nil {
		return ""
	}
	if p.Metadata.Name == "" && p.Metadata.GenerateName != "" {
		return p.Metadata.GenerateName + "*"
	}
	return p.Metadata.Name
}

func (p *Pod) isWindows() bool {
	return p.Spec.OS != nil && p.Spec.OS.Name == "windows" ||
		p.Spec.NodeSelector["kubernetes.io/os"] == "windows" || p.Spec.NodeSelector["beta.kubernetes.io/os"] == "windows"
}

// runsAsNonRoot reports whether any container is said not to be root.
func (p *Pod) runsAsNonRoot() bool {
	if p.Spec.SecurityContext.isNonRoot() {
		return true
	}
	for _, list := range [][]*container{p.Spec.InitContainers, p.Spec.Containers} {
		for _, c := range list {
			if c != nil && c.SecurityContext.isNonRoot() {
				return true
			}
		}
	}
	return false
}

func (c *securityContext) isNonRoot() bool {
	return c != nil && (c.RunAsNonRoot != nil && *c.RunAsNonRoot || c.RunAsUser != nil && *c.RunAsUser > 0)
}

// variable finds the last one of the name, which is the one that counts.
func (c *container) variable(name string) (variable, bool) {
	for i := len(c.Env) - 1; i >= 0; i-- {
		if c.Env[i].Name == name {
			return c.Env[i], true
		}
	}
	return variable{}, false
}

// holdsToken reports whether the volume has a service account's token in a file
// of this name.
func (v *volume) holdsToken(file string) bool {
	if v.Projected == nil {
		return false
	}
	for _, s := range v.Projected.Sources {
		if s.Token != nil && s.Token.Path == file {
			return true
		}
	}
	return false
}
