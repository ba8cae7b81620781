package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

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
}

// audiences are those of the tokens that the pod has volumes for.
func (p pod) audiences() []string {
	var list []string
	for _, v := range p.Spec.Volumes {
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.Token != nil && s.Token.Audience != "" {
				list = append(list, s.Token.Audience)
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
	VolumeMounts []struct {
		Name      string `json:"name"`
		MountPath string `json:"mountPath"`
	} `json:"volumeMounts"`
}

// variable is the value of one; ok is false if there is none.
func (c container) variable(name string) (value string, ok bool) {
	for _, v := range c.Env {
		if v.Name == name {
			return v.Value, true
		}
	}
	return "", false
}

// Pod examines a pod, from its service account to STS.
func (d *Doctor) Pod(ctx context.Context, namespace, name string) Report {
	r := Report{Subject: "pod " + namespace + "/" + name}
	raw, err := d.Cluster.Get(ctx, "pod", namespace, name)
	if errors.Is(err, ErrNotFound) {
		r.bad("pod", "there is no pod "+namespace+"/"+name, "the pod does not exist", "kubectl get pods -n "+namespace)
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
	sa, role, given := d.examineAccount(ctx, &r, namespace, account)
	// A pod that has its role does not need the webhook any more.
	mutation := irsa.Settings{AnnotationPrefix: d.AnnotationPrefix}.Mutate(seen, irsa.Grant{ServiceAccount: given})
	if missing(mutation) {
		d.examineWebhook(ctx, &r, rehearsal{namespace: namespace, account: account, labels: p.Metadata.Labels, role: given.RoleARN})
	}
	if given.RoleARN != "" {
		d.examineMutation(&r, p, sa, mutation)
		d.examineContainers(&r, p, mutation, given)
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
				"# take the annotation out of the pod's template or manifest, and make the pod anew")
			return
		}
		r.ok("mutation", "the pod was given its role when it was created")
		return
	}
	var lacking []string
	for _, c := range m.Containers {
		if len(c.Added) > 0 {
			lacking = append(lacking, c.Name+" lacks "+strings.Join(c.Added, ", "))
		}
	}
	said := strings.Join(lacking, "; ")
	set := sa.Metadata.changed(d.roleAnnotation())
	switch {
	case r.isBad("webhook"):
		r.add(Check{ID: "mutation", Status: Follows, Said: said})
	case !set.IsZero() && p.Metadata.CreationTimestamp.Before(set):
		r.bad("mutation", said+"; the annotation was set at "+set.UTC().Format("15:04:05")+", and the pod created at "+p.Metadata.CreationTimestamp.UTC().Format("15:04:05"),
			"the pod is older than the annotation of its service account", recreate(p, "", "")...)
	default:
		r.bad("mutation", said, "the pod was not given its role when it was created: it is older than the annotation, or the webhook did not answer then, or another webhook undid it", recreate(p, "", "")...)
	}
}

// recreate is how to have the pod made anew: by whoever made it, or from itself. Then
// what the webhook put into it stays, and the role in it becomes the one given.
func recreate(p pod, role, audience string) []string {
	namespace := p.Metadata.Namespace
	for _, o := range p.Metadata.OwnerReferences {
		switch name, _, _ := cutLast(o.Name, "-"); {
		case o.Kind == "StatefulSet" || o.Kind == "DaemonSet":
			return []string{command("kubectl", "rollout", "restart", "-n", namespace, strings.ToLower(o.Kind)+"/"+o.Name)}
		case o.Kind == "ReplicaSet" && p.Metadata.Labels["pod-template-hash"] != "":
			return []string{command("kubectl", "rollout", "restart", "-n", namespace, "deployment/"+name)}
		}
	}
	if len(p.Metadata.OwnerReferences) > 0 {
		return []string{command("kubectl", "delete", "pod", "-n", namespace, p.Metadata.Name)}
	}
	line := command("kubectl", "get", "pod", "-n", namespace, p.Metadata.Name, "-o", "yaml")
	for _, c := range append(slices.Clone(p.Spec.InitContainers), p.Spec.Containers...) {
		if was, ok := c.variable("AWS_ROLE_ARN"); ok && was != role && role != "" {
			if !isPlain(was) || !isPlain(role) {
				return []string{"# make the pod anew from its own manifest"}
			}
			line += " | " + command("sed", "s|"+was+"|"+role+"|g")
			break
		}
	}
	for _, was := range p.audiences() {
		if audience != "" && was != audience && isPlain(was) {
			line += " | " + command("sed", "s|audience: "+was+"|audience: "+audience+"|")
		}
	}
	return []string{line + " | kubectl replace --force -f -"}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// isPlain: of characters that mean nothing to sed, as those of ARNs.
func isPlain(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/_-@+=,.") == ""
}

// winners are variables that come before a web identity in the SDKs' chain.
func winners() []string { return []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} }

// examineContainers looks for what wins over the role, and for what does not fit it.
func (d *Doctor) examineContainers(r *Report, p pod, m irsa.Mutation, given irsa.ServiceAccount) {
	skipped := map[string]bool{}
	for _, c := range m.Containers {
		skipped[c.Name] = c.Skipped
	}
	good := true
	for _, c := range append(slices.Clone(p.Spec.InitContainers), p.Spec.Containers...) {
		if skipped[c.Name] {
			continue
		}
		for _, name := range winners() {
			if _, ok := c.variable(name); ok {
				good = false
				r.bad("variables", "container "+c.Name+" has "+name, "the container has static credentials, which win over the role",
					"# take "+name+" out of the template of container "+c.Name+", and make the pod anew")
				break
			}
		}
		if role, ok := c.variable("AWS_ROLE_ARN"); ok && role != given.RoleARN && !sameRole(role, given.RoleARN) {
			good = false
			r.bad("variables", "container "+c.Name+" has the role "+role, "the pod has another role than its service account is annotated with now: it is older than the annotation, or sets the variable itself", recreate(p, given.RoleARN, "")...)
		}
	}
	if good {
		r.ok("variables", "nothing in the containers wins over the role")
	}
	d.examineVolume(r, p, given)
}

func sameRole(a, b string) bool {
	p, err := arn.ParsePrincipal(a)
	q, err2 := arn.ParsePrincipal(b)
	return err == nil && err2 == nil && p == q
}

// examineVolume looks at the token that the kubelet puts into the pod.
func (d *Doctor) examineVolume(r *Report, p pod, given irsa.ServiceAccount) {
	want := defaultAudience
	if given.Audience != "" {
		want = given.Audience
	}
	mounted := map[string]string{} // volume by mount path
	for _, c := range append(slices.Clone(p.Spec.InitContainers), p.Spec.Containers...) {
		file, ok := c.variable("AWS_WEB_IDENTITY_TOKEN_FILE")
		if !ok {
			continue
		}
		volume := ""
		for _, m := range c.VolumeMounts {
			if strings.HasPrefix(file, strings.TrimSuffix(m.MountPath, "/")+"/") && len(m.MountPath) > len(mounted[volume]) {
				volume = m.Name
				mounted[volume] = m.MountPath
			}
		}
		if volume == "" {
			r.follows("volume", "container "+c.Name+" has nothing mounted at "+file, "the token file is not there: the variable is set by the pod itself, and no volume", "take AWS_WEB_IDENTITY_TOKEN_FILE out of the pod's template; the webhook sets it")
			return
		}
	}
	for _, v := range p.Spec.Volumes {
		if mounted[v.Name] == "" || v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.Token != nil && s.Token.Audience != want {
				r.bad("volume", fmt.Sprintf("the token in the pod is for %q", s.Token.Audience), "the token in the pod has another audience than the annotation says: the pod is older, or has a volume of its own", recreate(p, "", want)...)
				return
			}
		}
	}
	if len(mounted) > 0 {
		r.ok("volume", "the token is mounted, for the audience "+want)
	}
}
