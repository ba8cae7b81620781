package doctor

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// recreate is how to have the pod made anew: by whoever made it, or from itself. Then
// what the webhook put into it stays, and the role in it becomes the one given.
func recreate(p pod, role, audience string) []string {
	namespace := p.Metadata.Namespace
	if owner := p.owner(); owner != "" {
		fix := []string{command("kubectl", "rollout", "restart", "-n", namespace, owner)}
		other := map[string][]string{}
		for _, c := range p.containers() {
			if p.hasOtherRole(c, role) { // its template may say so
				other[c.Name] = []string{"AWS_ROLE_ARN"}
			}
		}
		if len(other) > 0 {
			fix = append(withoutVariables(p, other), fix...)
		}
		return fix
	}
	if p.isRemade() {
		return []string{command("kubectl", "delete", "pod", "-n", namespace, p.Metadata.Name)}
	}
	edits, ok := p.edits(role, audience)
	switch {
	case len(p.Metadata.OwnerReferences) > 0 || !ok || !p.isPlain():
		return []string{byHand}
	case len(edits) == 0:
		return replace(p, "")
	}
	sed := []string{"sed"}
	for _, e := range edits {
		sed = append(sed, "-e", e)
	}
	return replace(p, command(sed...)+` "$saved"`)
}

const byHand = "# make the pod anew from its own manifest"

// isRemade reports whether a controller makes another pod when this one is deleted. A Job
// may count it as a failure, and who else owns a pod may not make it anew.
func (p pod) isRemade() bool {
	return slices.ContainsFunc(p.Metadata.OwnerReferences, func(o ownerReference) bool {
		return o.Controller && (o.Kind == "ReplicaSet" || o.Kind == "ReplicationController")
	})
}

// owner is what has the template that the pod was made of, and rolls out changes of it;
// "" if there is none that is known.
func (p pod) owner() string {
	for _, o := range p.Metadata.OwnerReferences {
		switch name, _, _ := cutLast(o.Name, "-"); {
		case o.APIVersion != "apps/v1" || !o.Controller:
		case o.Kind == "StatefulSet" || o.Kind == "DaemonSet":
			return strings.ToLower(o.Kind) + "/" + o.Name
		case o.Kind == "ReplicaSet" && p.Metadata.Labels["pod-template-hash"] != "":
			return "deployment/" + name
		}
	}
	return ""
}

// hasOtherRole reports whether a container was given another role than this one.
func (p pod) hasOtherRole(c container, role string) bool {
	was, set := c.variable("AWS_ROLE_ARN")
	return role != "" && set && was != role && !p.skipped[c.Name] && !c.takes("AWS_ROLE_ARN")
}

// withoutVariables is how to have the pod made anew without variables, by container.
func withoutVariables(p pod, names map[string][]string) []string {
	type object = map[string]any
	patch := object{}
	add := func(field string, containers []container) {
		var list []object
		for _, c := range containers {
			var env []object
			for _, name := range names[c.Name] {
				env = append(env, object{"name": name, "$patch": "delete"})
			}
			if env != nil {
				list = append(list, object{"name": c.Name, "env": env})
			}
		}
		if list != nil {
			patch[field] = list
		}
	}
	add("initContainers", p.Spec.InitContainers)
	add("containers", p.Spec.Containers)
	var hand []string
	for _, c := range slices.Sorted(maps.Keys(names)) {
		hand = append(hand, strings.Join(names[c], " and ")+" out of the template of container "+c)
	}
	return p.patched("# take "+strings.Join(hand, ", and ")+"; then make the pod anew", object{"spec": patch})
}

// relabelled is how to have the pod made anew with changes of its labels or annotations,
// each key=value or, to remove one, key-.
func relabelled(p pod, field string, changes ...string) []string {
	values := map[string]any{}
	for _, change := range changes {
		if key, value, set := strings.Cut(change, "="); set {
			values[key] = value
		} else {
			values[strings.TrimSuffix(change, "-")] = nil
		}
	}
	return p.patched(wantedOfTemplate(field, changes), map[string]any{"metadata": map[string]any{field: values}})
}

func wantedOfTemplate(field string, changes []string) string {
	return "# the pod's template must have these " + field + ": " + describe(changes) + "; then make the pod anew"
}

// patched makes a pod anew with a strategic merge patch: of the template of whoever made
// it, or of itself, if nobody has: who has would make it as it was.
func (p pod) patched(byHand string, patch map[string]any) []string {
	owner := p.owner()
	if owner != "" {
		patch = map[string]any{"spec": map[string]any{"template": patch}}
	}
	text, err := json.Marshal(patch)
	switch {
	case err != nil: // strings have a JSON form
		panic(err)
	case owner != "":
		return []string{command("kubectl", "patch", "-n", p.Metadata.Namespace, owner, "-p", string(text))}
	case len(p.Metadata.OwnerReferences) > 0 || !p.isPlain():
		return []string{byHand}
	}
	return replace(p, `kubectl patch --local -o yaml -f "$saved" `+command("-p", string(text)))
}

// replace makes a pod anew that nobody else would, as a command writes it who reads what
// it was from the file $saved; "" is as it was. It deletes nothing before the API server
// has said that it would take the new pod, and keeps the old one in that file.
func replace(p pod, edit string) []string {
	file := `"$saved"`
	lines := []string{
		"saved=$(mktemp) && " + command("kubectl", "get", "pod", "-n", p.Metadata.Namespace, p.Metadata.Name, "-o", "yaml") +
			` > "$saved" && echo "the pod as it was is in $saved" &&`,
	}
	if edit != "" {
		file = `"$saved.new"`
		lines = append(lines, edit+` > "$saved.new" &&`)
	}
	return append(lines,
		"sed 's/^  name: .*/  name: eksauth-doctor-dry-run/' "+file+" | kubectl create --dry-run=server -f - &&",
		"kubectl replace --force -f "+file)
}

// edits are scripts for sed that give the pod a role and its token an audience, in the
// YAML that kubectl prints, and touch nothing else; ok is false if sed cannot. The
// indentation tells the lines of the pod from those of a text in it.
func (p pod) edits(role, audience string) (scripts []string, ok bool) {
	roles, audiences := "", ""
	for _, c := range p.containers() {
		if !p.hasOtherRole(c, role) {
			continue
		}
		was, _ := c.variable("AWS_ROLE_ARN")
		line, plain := yamlValue("value", was)
		if !plain || !isPlain(role) {
			return nil, false
		}
		if one := "s|" + line + "|value: " + role + "|;"; !strings.Contains(roles, one) {
			roles += one
		}
	}
	if roles != "" {
		scripts = append(scripts, "/^    - name: AWS_ROLE_ARN$/{n;"+roles+"}")
	}
	if audience == "" {
		return scripts, true
	}
	for _, t := range p.tokens() {
		if t.audience == audience {
			continue
		}
		line, plain := yamlValue("audience", t.audience)
		if !plain || !isPlain(audience) || !isPlain(t.volume) {
			return nil, false
		}
		if one := "/^  - name: " + t.volume + "$/,/^  - /s|^\\( *\\)" + line + "|\\1audience: " + audience + "|"; !strings.Contains(audiences, one) {
			audiences += one
			scripts = append(scripts, one)
		}
	}
	return scripts, true
}

// yamlValue is a regular expression for the end of the line that kubectl prints for a
// field; ok is false for one that it might print in another way.
func yamlValue(field, value string) (expr string, ok bool) {
	bare := strings.Trim(value, " ")
	if bare == "" || !isPlain(bare) || strings.Trim(bare[:1], ":/_-@+=,.") == "" {
		return "", false
	}
	text := strings.ReplaceAll(value, ".", `\.`)
	switch {
	case bare != value: // in quotation marks
		text = "." + text + "."
	case !strings.HasPrefix(value, "arn:"): // 1e3 and true are, too
		text = `"*` + text + `"*`
	}
	return field + ": " + text + "$", true
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// isPlain: the pod can be found in the YAML that kubectl prints by its names.
func (p pod) isPlain() bool { return isPlain(p.Metadata.Namespace) && isPlain(p.Metadata.Name) }

// isPlain: of characters that mean nothing to sed, as those of ARNs.
func isPlain(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/_-@+=,.") == ""
}
