package doctor

import (
	"encoding/json"
	"slices"
	"strings"
)

// recreate is how to have the pod made anew: by whoever made it, or from itself. Then
// what the webhook put into it stays, and the role in it becomes the one given.
func recreate(p pod, role, audience string) []string {
	namespace := p.Metadata.Namespace
	if owner := p.owner(); owner != "" {
		fix := []string{command("kubectl", "rollout", "restart", "-n", namespace, owner)}
		if p.hasOtherRole(role) { // its template may say so
			fix = append([]string{command("kubectl", "set", "env", "-n", namespace, owner, "AWS_ROLE_ARN-")}, fix...)
		}
		return fix
	}
	if len(p.Metadata.OwnerReferences) > 0 {
		return []string{command("kubectl", "delete", "pod", "-n", namespace, p.Metadata.Name)}
	}
	edits, ok := p.edits(role, audience)
	switch {
	case !ok || !p.isPlain():
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

// owner is what has the template that the pod was made of, and rolls out changes of it;
// "" if there is none that is known.
func (p pod) owner() string {
	for _, o := range p.Metadata.OwnerReferences {
		switch name, _, _ := cutLast(o.Name, "-"); {
		case o.Kind == "StatefulSet" || o.Kind == "DaemonSet":
			return strings.ToLower(o.Kind) + "/" + o.Name
		case o.Kind == "ReplicaSet" && p.Metadata.Labels["pod-template-hash"] != "":
			return "deployment/" + name
		}
	}
	return ""
}

// hasOtherRole reports whether the pod was given another role than this one.
func (p pod) hasOtherRole(role string) bool {
	return role != "" && slices.ContainsFunc(p.containers(), func(c container) bool {
		was, set := c.variable("AWS_ROLE_ARN")
		return set && was != role && !p.skipped[c.Name]
	})
}

// withoutVariables is how to have the pod made anew without variables of a container.
func withoutVariables(p pod, container string, names ...string) []string {
	edit := []string{"set", "env", "-c", container}
	remove := make([]string, len(names))
	for i, name := range names {
		remove[i] = name + "-"
	}
	if owner := p.owner(); owner != "" {
		return []string{command(slices.Concat([]string{"kubectl"}, edit, []string{"-n", p.Metadata.Namespace, owner}, remove)...)}
	}
	return p.edited("# take "+strings.Join(names, " and ")+" out of the template of container "+container+", and make the pod anew", edit, remove)
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
	if owner := p.owner(); owner != "" {
		type object = map[string]any
		patch, err := json.Marshal(object{"spec": object{"template": object{"metadata": object{field: values}}}})
		if err != nil { // strings have a JSON form
			panic(err)
		}
		return []string{command("kubectl", "patch", "-n", p.Metadata.Namespace, owner, "-p", string(patch))}
	}
	verb := map[string]string{"labels": "label", "annotations": "annotate"}[field]
	return p.edited("# the pod's template must have these "+field+": "+describe(changes)+"; then make the pod anew", []string{verb, "--overwrite"}, changes)
}

// edited makes a pod anew as a subcommand of kubectl edits it, if nobody else has made
// it: who has would make it as it was.
func (p pod) edited(byHand string, subcommand, change []string) []string {
	if len(p.Metadata.OwnerReferences) > 0 || !p.isPlain() {
		return []string{byHand}
	}
	return replace(p, command(append([]string{"kubectl"}, subcommand...)...)+` --local -o yaml -f "$saved" `+command(change...))
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
		was, set := c.variable("AWS_ROLE_ARN")
		if !set || role == "" || was == role || p.skipped[c.Name] || c.takes("AWS_ROLE_ARN") {
			continue
		}
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
