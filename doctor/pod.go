package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/irsa"
)

// pod is what the doctor reads of a pod beside what irsa.Pod holds.
type pod struct {
	Metadata objectMeta `json:"metadata"`
	Spec     struct {
		ServiceAccountName string      `json:"serviceAccountName"`
		InitContainers     []container `json:"initContainers"`
		Containers         []container `json:"containers"`
		Volumes            []struct {
			Name      string `json:"name"`
			Projected *struct {
				Sources []struct {
					Token *struct {
						Audience string `json:"audience"`
						Path     string `json:"path"`
					} `json:"serviceAccountToken"`
				} `json:"sources"`
			} `json:"projected"`
		} `json:"volumes"`
	} `json:"spec"`

	skipped map[string]bool // containers that the webhook leaves alone
}

// podToken is a source of a projected volume: a token for a container.
type podToken struct {
	container, volume, audience string
}

// tokens are those that AWS_WEB_IDENTITY_TOKEN_FILE of the containers leads to.
func (p pod) tokens() []podToken {
	var list []podToken
	for _, c := range p.containers() {
		file, ok := c.variable("AWS_WEB_IDENTITY_TOKEN_FILE")
		if !ok || p.skipped[c.Name] {
			continue
		}
		volume, file := c.mounted(file)
		for _, v := range p.Spec.Volumes {
			if v.Name != volume || v.Projected == nil {
				continue
			}
			for _, s := range v.Projected.Sources {
				if s.Token != nil && (s.Token.Path == file || s.Token.Path == "") {
					list = append(list, podToken{c.Name, v.Name, s.Token.Audience})
				}
			}
		}
	}
	return list
}

type container struct {
	Name string `json:"name"`
	Env  []struct {
		Name      string    `json:"name"`
		Value     string    `json:"value"`
		ValueFrom *struct{} `json:"valueFrom"`
	} `json:"env"`
	EnvFrom      []struct{} `json:"envFrom"`
	VolumeMounts []struct {
		Name      string `json:"name"`
		MountPath string `json:"mountPath"`
	} `json:"volumeMounts"`
}

// variable is the value of one; ok is false if there is none. One that comes from
// elsewhere has no value here.
func (c container) variable(name string) (value string, ok bool) {
	for _, v := range c.Env {
		if v.Name == name {
			return v.Value, true
		}
	}
	return "", false
}

// takes reports whether a variable comes from elsewhere, such as a Secret.
func (c container) takes(name string) bool {
	for _, v := range c.Env {
		if v.Name == name {
			return v.ValueFrom != nil
		}
	}
	return false
}

// mounted is the volume that a file is in, and its path there; "" if it is in none.
func (c container) mounted(file string) (volume, path string) {
	file = unixPath(file)
	longest := ""
	for _, m := range c.VolumeMounts {
		at := strings.TrimSuffix(m.MountPath, "/") + "/"
		if strings.HasPrefix(file, at) && len(at) > len(longest) {
			longest, volume = at, m.Name
		}
	}
	return volume, strings.TrimPrefix(file, longest)
}

func (p pod) containers() []container {
	return append(slices.Clone(p.Spec.InitContainers), p.Spec.Containers...)
}

// agentURL is where the pod gets its credentials from EKS Pod Identity; "" if it does
// not, or has a web identity, which SDKs take before.
func (p pod) agentURL() string {
	url := ""
	for _, c := range p.containers() {
		if _, ok := c.variable("AWS_ROLE_ARN"); ok {
			return ""
		}
		if at, ok := c.variable(agentVariable); ok {
			url = at
		}
	}
	return url
}

const agentVariable = "AWS_CONTAINER_CREDENTIALS_FULL_URI"

// Pod examines a pod, from its service account to STS.
func (d *Doctor) Pod(ctx context.Context, namespace, name string) Report {
	r := Report{Subject: "pod " + namespace + "/" + name}
	raw, err := d.Cluster.Get(ctx, "pod", namespace, name)
	if errors.Is(err, ErrNotFound) {
		r.bad("pod", "there is no pod "+namespace+"/"+name, "the pod does not exist", command("kubectl", "get", "pods", "-n", namespace))
		return r
	}
	var p pod
	var seen *irsa.Pod
	if err == nil {
		if err = json.Unmarshal(raw, &p); err == nil {
			seen, err = irsa.ParsePod(raw)
		}
	}
	if err != nil {
		r.unknown("pod", "the pod", err.Error())
		return r
	}
	account := p.Spec.ServiceAccountName
	if account == "" {
		account = "default"
	}
	r.ok("pod", "the pod exists; its service account is "+account)
	if url := p.agentURL(); url != "" {
		r.ok("pod-identity", "the pod gets its credentials from EKS Pod Identity, at "+url+": the annotation of its service account does not count")
		r.unknown("association", "which role that is", "EKS was not asked: aws eks list-pod-identity-associations --cluster-name CLUSTER --namespace "+namespace+" --service-account "+account)
		if !r.staticKeys(p) {
			r.ok("variables", "nothing in the containers wins over the role"+p.unseen())
		}
		return r
	}
	sa, role, given := d.examineAccount(ctx, &r, namespace, account, &p)
	if given.RoleARN == "" && d.associated(ctx, rehearsal{namespace: namespace, account: account, seen: &p}) {
		r.excuse("annotation", OK)
		r.bad("mutation", "a pod that is made now gets its credentials from EKS Pod Identity, and this one does not",
			"the pod is older than the Pod Identity association of its service account", recreate(p, "", "")...)
		return r
	}
	// A pod that has its role does not need the webhook any more.
	settings := irsa.Settings{AnnotationPrefix: d.AnnotationPrefix}
	mutation := settings.Mutate(seen, irsa.Grant{ServiceAccount: given})
	p.skipped = map[string]bool{}
	for _, c := range settings.Mutate(seen, irsa.Grant{ServiceAccount: irsa.ServiceAccount{RoleARN: "any"}}).Containers {
		p.skipped[c.Name] = c.Skipped // whatever the annotation is
	}
	if missing(mutation) {
		d.examineWebhook(ctx, &r, rehearsal{namespace: namespace, account: account, seen: &p, role: given.RoleARN})
	}
	if given.RoleARN != "" {
		d.examineMutation(&r, p, sa, mutation)
		d.examineContainers(&r, p, given)
	}
	t := d.examineToken(ctx, &r, namespace, account, given)
	if role.Name != "" {
		d.examineAWS(ctx, &r, role, t)
	}
	return d.finish(ctx, r, namespace, account, t, func(role string) []string {
		if role == "" {
			return recreate(p, "", defaultAudience)
		}
		return recreate(p, role, "")
	})
}

// missing reports whether a container lacks what the webhook would give it now.
func missing(m irsa.Mutation) bool {
	return slices.ContainsFunc(m.Containers, func(c irsa.Container) bool { return len(c.Added) > 0 })
}

// examineMutation says whether the webhook has done its work, and if not why.
func (d *Doctor) examineMutation(r *Report, p pod, sa serviceAccount, m irsa.Mutation) {
	skipped := slices.DeleteFunc(slices.Clone(m.Containers), func(c irsa.Container) bool { return !c.Skipped })
	if !missing(m) {
		if len(skipped) > 0 && len(skipped) == len(m.Containers) {
			r.bad("mutation", "all containers are skipped by the annotation "+d.AnnotationPrefix+"/skip-containers", "the pod says itself that its containers get no role",
				relabelled(p, "annotations", d.AnnotationPrefix+"/skip-containers-")...)
			return
		}
		r.ok("mutation", "the pod was given its role when it was created")
		return
	}
	var lacking []string
	whole, later := 0, 0 // containers that have all, and that have nothing
	for _, c := range m.Containers {
		switch {
		case c.Skipped:
		case len(c.Added) == 0:
			whole++
		case len(c.Kept) == 0:
			later++
		}
		if len(c.Added) > 0 {
			lacking = append(lacking, c.Name+" lacks "+strings.Join(c.Added, ", "))
		}
	}
	said := strings.Join(lacking, "; ")
	set := sa.Metadata.changed(d.roleAnnotation())
	switch {
	case r.isBad("webhook"):
		r.add(Check{ID: "mutation", Status: Follows, Said: said})
	case whole > 0 && later == len(lacking): // of containers that it sees the webhook passes over none
		r.unknown("mutation", "whether all containers need the role", "another webhook added some after this one was asked: "+said)
	case !set.IsZero() && p.Metadata.CreationTimestamp.Before(set):
		r.bad("mutation", said+"; the annotation was set at "+set.UTC().Format(time.RFC3339)+", and the pod created at "+p.Metadata.CreationTimestamp.UTC().Format(time.RFC3339),
			"the pod is older than the annotation of its service account", recreate(p, "", "")...)
	default:
		r.bad("mutation", said, "the pod was not given its role when it was created: it is older than the annotation, or the webhook did not answer then, or another webhook undid it", recreate(p, "", "")...)
	}
}

// winners are variables that come before a web identity in the SDKs' chain.
func winners() []string { return []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} }

// staticVariables are those of winners that a container has, and what goes with them.
func (c container) staticVariables() []string {
	return slices.DeleteFunc(append(winners(), "AWS_SESSION_TOKEN"), func(name string) bool {
		_, set := c.variable(name)
		return !set
	})
}

// examineContainers looks for what wins over the role, and for what does not fit it.
func (d *Doctor) examineContainers(r *Report, p pod, given irsa.ServiceAccount) {
	good, other := !r.staticKeys(p), false
	for _, c := range p.containers() {
		role, ok := c.variable("AWS_ROLE_ARN")
		switch {
		case p.skipped[c.Name] || !ok || role == given.RoleARN || sameRole(role, given.RoleARN):
		case c.takes("AWS_ROLE_ARN"):
			good = false
			r.unknown("variables", "the role of container "+c.Name, "AWS_ROLE_ARN is taken from elsewhere (valueFrom)")
		case other: // the fix is for all of them
			r.add(Check{ID: "variables", Status: Follows, Said: "container " + c.Name + " has the role " + role})
		default:
			good, other = false, true
			r.bad("variables", "container "+c.Name+" has the role "+role, "the pod has another role than its service account is annotated with now: it is older than the annotation, or sets the variable itself", recreate(p, given.RoleARN, "")...)
		}
	}
	if good {
		r.ok("variables", "nothing in the containers wins over the role"+p.unseen())
	}
	d.examineVolume(r, p, given)
}

// staticKeys notes containers with keys of their own, and reports whether there are any.
// An empty variable is none for the SDKs.
func (r *Report) staticKeys(p pod) bool {
	found := false
	for _, c := range p.containers() {
		for _, name := range winners() {
			if value, _ := c.variable(name); !p.skipped[c.Name] && (value != "" || c.takes(name)) {
				found = true
				r.bad("variables", "container "+c.Name+" has "+name, "the container has static credentials, which win over the role",
					withoutVariables(p, map[string][]string{c.Name: c.staticVariables()})...)
				break
			}
		}
	}
	return found
}

// unseen says which containers have variables that the pod does not show; "" if none has.
func (p pod) unseen() string {
	var names []string
	for _, c := range p.containers() {
		if len(c.EnvFrom) > 0 {
			names = append(names, c.Name)
		}
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return ", as far as can be seen: " + names[0] + " takes variables from elsewhere (envFrom)"
	}
	return ", as far as can be seen: " + strings.Join(names, ", ") + " take variables from elsewhere (envFrom)"
}

func sameRole(a, b string) bool {
	p, err := arn.ParsePrincipal(a)
	q, err2 := arn.ParsePrincipal(b)
	return err == nil && err2 == nil && p == q
}

// unixPath is a path on Windows as mounts have it.
func unixPath(file string) string {
	return strings.ReplaceAll(strings.TrimPrefix(file, "C:"), `\`, "/")
}

// examineVolume looks at the token that the kubelet puts into the pod.
func (d *Doctor) examineVolume(r *Report, p pod, given irsa.ServiceAccount) {
	want := defaultAudience
	if given.Audience != "" {
		want = given.Audience
	}
	good := false
	unmounted := func(c container) bool {
		file, ok := c.variable("AWS_WEB_IDENTITY_TOKEN_FILE")
		volume, _ := c.mounted(file)
		return ok && volume == ""
	}
	for _, c := range p.containers() {
		file, ok := c.variable("AWS_WEB_IDENTITY_TOKEN_FILE")
		if !ok || p.skipped[c.Name] {
			continue
		}
		if unmounted(c) {
			r.follows("volume", "container "+c.Name+" has nothing mounted at "+unixPath(file), "the token file is not there: the variable is set by the pod itself, and no volume",
				p.withoutTokenFile(unmounted)...)
			return
		}
		good = true
	}
	for _, t := range p.tokens() {
		switch {
		case t.audience == want:
		case t.audience == "": // the API server's own
			r.bad("volume", "AWS_WEB_IDENTITY_TOKEN_FILE of container "+t.container+" leads to the ordinary token for the API server", "the pod's template points the SDK at the service account's ordinary token, which is not for AWS: STS says Incorrect token audience",
				p.withoutTokenFile(func(c container) bool {
					return slices.Contains(p.tokens(), podToken{c.Name, t.volume, ""})
				})...)
			return
		default:
			r.bad("volume", fmt.Sprintf("the token in the pod is for %q", t.audience), "the token in the pod has another audience than the annotation says: the pod is older, or has a volume of its own", recreate(p, "", want)...)
			return
		}
	}
	if good {
		r.ok("volume", "the token is mounted, for the audience "+want)
	}
}

// withoutTokenFile is how to have the pod made anew so that the webhook tells containers
// where their token is. EKS's gives neither variable to one that has either.
func (p pod) withoutTokenFile(of func(container) bool) []string {
	names := map[string][]string{}
	for _, c := range p.containers() {
		if !p.skipped[c.Name] && of(c) {
			names[c.Name] = []string{"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"}
		}
	}
	return withoutVariables(p, names)
}
