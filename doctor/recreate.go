package doctor

import "strings"

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
	edits, ok := p.edits(role, audience)
	if !ok || !isPlain(namespace) || !isPlain(p.Metadata.Name) {
		return []string{byHand}
	}
	return replace(p, edits)
}

const byHand = "# make the pod anew from its own manifest"

// replace makes a pod anew that nobody else would. It deletes nothing before the API
// server has said that it would take the new pod, and keeps the old one in a file.
func replace(p pod, edits []string) []string {
	file := `"$saved"`
	lines := []string{
		"saved=$(mktemp) && " + command("kubectl", "get", "pod", "-n", p.Metadata.Namespace, p.Metadata.Name, "-o", "yaml") +
			` > "$saved" && echo "the pod as it was is in $saved" &&`,
	}
	if len(edits) > 0 {
		sed := []string{"sed"}
		for _, e := range edits {
			sed = append(sed, "-e", e)
		}
		file = `"$saved.new"`
		lines = append(lines, command(sed...)+` "$saved" > "$saved.new" &&`)
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

// isPlain: of characters that mean nothing to sed, as those of ARNs.
func isPlain(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/_-@+=,.") == ""
}
