package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// rehearse has the API server admit a pod without creating it (dryRun=All): so it
// calls the webhook itself, over its own network and with its own trust, and what it
// says of that is what whoever creates a pod gets. registered is what is known besides.
func (d *Doctor) rehearse(ctx context.Context, r *Report, covering []webhook, about rehearsal, registered string) {
	answer, err := d.Cluster.TryPod(ctx, about.namespace, about.pod())
	if err == nil {
		d.examineRehearsed(r, covering, about, answer, registered)
		return
	}
	for _, w := range covering {
		if strings.Contains(err.Error(), "failed calling webhook \""+w.Name+"\"") {
			cause, fix := uncallable(err.Error(), w)
			r.bad("webhook", "the API server cannot call the webhook: "+afterLast(brief(err), "failed to call webhook: "), cause, fix...)
			return
		}
	}
	switch {
	case errors.Is(err, ErrForbidden):
		r.ok("webhook", registered+"; whether it answers could not be tried: "+brief(err))
	default:
		r.unknown("webhook", "whether the webhook answers", "a pod is refused for another reason: "+brief(err))
	}
}

// associated reports whether EKS Pod Identity gives a pod its credentials that is made
// now. What keeps it from being known is no fault of the pod's.
func (d *Doctor) associated(ctx context.Context, about rehearsal) bool {
	answer, err := d.Cluster.TryPod(ctx, about.namespace, about.pod())
	if err != nil {
		return false
	}
	var p pod
	return json.Unmarshal(answer, &p) == nil && p.agentURL() != ""
}

// rehearsal is the pod that is not created.
type rehearsal struct {
	namespace, account string
	seen               *pod   // nil: there is none yet
	role               string // what it should get; "" if that is not known

	labels map[string]string // of the namespace
	others []webhook         // that are not asked about it, by their selectors
}

// pod asks for as little as there is, so that nothing else refuses it.
func (p rehearsal) pod() []byte {
	var labels map[string]string
	if p.seen != nil {
		labels = p.seen.Metadata.Labels
	}
	type object = map[string]any
	pod, err := json.Marshal(object{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": object{"generateName": "eksauth-doctor-", "namespace": p.namespace, "labels": labels},
		"spec": object{
			"serviceAccountName": p.account,
			"securityContext":    object{"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": object{"type": "RuntimeDefault"}},
			"containers": []object{{
				"name": "app", "image": "app",
				"securityContext": object{"allowPrivilegeEscalation": false, "capabilities": object{"drop": []string{"ALL"}}},
			}},
		},
	})
	if err != nil { // strings have a JSON form
		panic(err)
	}
	return pod
}

func (d *Doctor) examineRehearsed(r *Report, covering []webhook, about rehearsal, answer []byte, registered string) {
	var p pod
	if err := json.Unmarshal(answer, &p); err != nil || len(p.Spec.Containers) == 0 {
		r.unknown("webhook", "whether the webhook answers", "the API server's answer is no pod")
		return
	}
	w := covering[0]
	role, ok := p.Spec.Containers[0].variable("AWS_ROLE_ARN")
	conditional := !slices.ContainsFunc(covering, func(w webhook) bool { return len(w.MatchConditions) == 0 })
	about.others = slices.DeleteFunc(about.others, func(w webhook) bool { // those that are for other namespaces
		return w.leavesOutByName(about) || !w.NamespaceSelector.gentle(about.labels)
	})
	switch {
	case p.agentURL() != "":
		r.ok("webhook", registered)
		r.ok("pod-identity", "a pod that is made now gets its credentials from EKS Pod Identity: the annotation does not count")
	case ok:
		r.ok("webhook", registered+", and gives a pod its role: "+quote(role))
	case about.role == "":
		r.ok("webhook", registered)
	case conditional && len(about.others) > 0: // those that were asked are for few pods, such as critical ones
		r.leftOut(about)
	case len(w.MatchConditions) > 0 && w.FailurePolicy != "Ignore":
		r.bad("webhook", "a pod that is made now gets no role, and the webhook must answer (failurePolicy: Fail)",
			"the matchConditions of the registration leave the pod out, or the webhook does not see the annotation",
			"kubectl get mutatingwebhookconfigurations -o yaml # see matchConditions of "+w.Name)
	default:
		r.bad("webhook", "a pod that is made now gets no role, and is admitted (failurePolicy: "+w.FailurePolicy+")",
			"the webhook does not answer, and pods are admitted without it; or it does not see the annotation",
			"# the log of kube-apiserver has \"failing open\" and why; see also:", command("kubectl", "get", "pods", "-A", "-l", "app.kubernetes.io/name=pod-identity-webhook"))
	}
}

// uncallable is why the API server cannot call a webhook, from what it says.
func uncallable(said string, w webhook) (cause string, fix []string) {
	where, pods := w.ClientConfig.URL, "# start what answers at "+w.ClientConfig.URL
	if s := w.ClientConfig.Service; s != nil {
		where, pods = "the service "+s.Namespace+"/"+s.Name, command("kubectl", "get", "pods,endpointslices", "-n", s.Namespace)
	}
	registration := "kubectl get mutatingwebhookconfigurations -o yaml"
	if len(w.ClientConfig.CABundle) == 0 && strings.Contains(said, "signed by unknown authority") {
		return "the API server cannot verify the webhook: its registration has no caBundle, and its certificate is of no public authority", []string{registration}
	}
	for _, known := range []struct {
		says, cause, fix string
	}{
		{"certificate has expired or is not yet valid", "the webhook's certificate has ended, or the clocks differ", "# renew it: eksauthd webhook and cert-manager do so by themselves, while they run"},
		{"signed by unknown authority", "the webhook's certificate is not of the authority in the registration's caBundle", registration + " # is whoever keeps the caBundle in step (eksauthd webhook, cert-manager) running?"},
		{"certificate is valid for", "the webhook's certificate is for another name than the one it is called by", registration + " # the certificate must be for SERVICE.NAMESPACE.svc, or the host of the url"},
		{"not valid for any names", "the webhook's certificate is for no name at all", registration + " # the certificate must be for SERVICE.NAMESPACE.svc, or the host of the url"},
		{"no endpoints available", "no pod of the webhook is ready", pods},
		{"not found", "the webhook's service does not exist", registration},
		{"connection refused", "nothing listens at " + where, pods},
		{"no such host", "the host of the webhook's url does not exist for the API server", registration},
		{"context deadline exceeded", "the webhook did not answer in time: a firewall or network policy between the API server and " + where + ", or it is overloaded", pods},
		{"i/o timeout", "the API server cannot connect to " + where + ": a firewall or a network policy", pods},
	} {
		if strings.Contains(said, known.says) {
			return known.cause, []string{known.fix}
		}
	}
	return "the webhook cannot be called, so pods are refused", []string{pods}
}

func afterLast(s, sep string) string {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[i+len(sep):]
	}
	return s
}

func brief(err error) string {
	text := err.Error()
	return fmt.Sprintf("%.300s", text)
}
