package doctor

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// registrations is what is read of a MutatingWebhookConfigurationList.
type registrations struct {
	Items []struct {
		Metadata objectMeta `json:"metadata"`
		Webhooks []webhook  `json:"webhooks"`
	} `json:"items"`
}

type webhook struct {
	Name         string `json:"name"`
	ClientConfig struct {
		CABundle []byte `json:"caBundle"`
		URL      string `json:"url"`
		Service  *struct {
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
		} `json:"service"`
	} `json:"clientConfig"`
	FailurePolicy   string `json:"failurePolicy"`
	MatchConditions []struct {
		Name string `json:"name"`
	} `json:"matchConditions"`
	NamespaceSelector selector `json:"namespaceSelector"`
	ObjectSelector    selector `json:"objectSelector"`
}

// selector is a LabelSelector (meta/v1).
type selector struct {
	MatchLabels      map[string]string `json:"matchLabels"`
	MatchExpressions []requirement     `json:"matchExpressions"`
}

type requirement struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Values   []string `json:"values"`
}

func (s selector) matches(labels map[string]string) bool { return len(s.wants(labels)) == 0 }

// wants is what must change of labels for the selector to match them, as kubectl label
// takes it: key=value, or key- for one to remove; one change for each key, that all the
// selector asks of the key agrees with, if there is such a one.
func (s selector) wants(labels map[string]string) (changes []string) {
	keys, values := map[string]bool{}, map[string][]string{}
	for key, value := range s.MatchLabels {
		keys[key], values[key] = true, []string{value}
	}
	for _, e := range s.MatchExpressions {
		keys[e.Key] = true
		if e.Operator == "In" {
			values[e.Key] = append(values[e.Key], e.Values...)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if value, has := labels[key]; s.takes(key, value, has) {
			continue
		}
		change := key + "-" // which nothing may be mended by, if the selector is for nothing at all
		for _, value := range append(values[key], "true", "on") {
			if s.takes(key, value, true) && !s.takes(key, "", false) {
				change = key + "=" + value
				break
			}
		}
		changes = append(changes, change)
	}
	return changes
}

// gentle reports whether what the selector wants of labels only adds new ones, and takes
// out those that are for it: others mean something to somebody.
func (s selector) gentle(labels map[string]string) bool {
	return !slices.ContainsFunc(s.wants(labels), func(change string) bool {
		if key, _, set := strings.Cut(change, "="); set {
			_, has := labels[key]
			return has
		}
		key := strings.TrimSuffix(change, "-")
		return !slices.ContainsFunc(s.MatchExpressions, func(e requirement) bool { return e.Key == key && e.Operator == "DoesNotExist" })
	})
}

// takes reports whether the selector matches a label of a key, as far as that goes.
func (s selector) takes(key, value string, has bool) bool {
	if want, ok := s.MatchLabels[key]; ok && (!has || value != want) {
		return false
	}
	for _, e := range s.MatchExpressions {
		in := has && slices.Contains(e.Values, value)
		if e.Key == key && (e.Operator == "In" && !in || e.Operator == "NotIn" && in || e.Operator == "Exists" && !has || e.Operator == "DoesNotExist" && has) {
			return false
		}
	}
	return true
}

// examineWebhook looks for the pod identity webhook: whether it is registered for
// this namespace, and for the pod if there is one, and whether the API
// server can trust and reach it.
func (d *Doctor) examineWebhook(ctx context.Context, r *Report, about rehearsal) {
	hooks, err := d.webhooks(ctx)
	switch {
	case err != nil:
		r.unknown("webhook", "the pod identity webhook", err.Error())
		return
	case len(hooks) == 0:
		r.bad("webhook", "no pod identity webhook is registered", "nothing gives pods their role: the webhook is not installed", "kubectl apply -f deploy/webhook.yaml")
		return
	}
	var space struct {
		Metadata objectMeta `json:"metadata"`
	}
	raw, err := d.Cluster.Get(ctx, "namespace", "", about.namespace)
	if err == nil {
		err = json.Unmarshal(raw, &space)
	}
	if err != nil {
		r.unknown("webhook", "whether the webhook is for this namespace", err.Error())
		return
	}
	about.labels = space.Metadata.Labels
	var covering []webhook
	for _, w := range hooks {
		if ofNamespace, ofPod := w.wants(about); len(ofNamespace)+len(ofPod) == 0 {
			covering = append(covering, w)
		} else {
			about.others = append(about.others, w)
		}
	}
	if len(covering) == 0 {
		r.leftOut(about)
		return
	}
	d.examineServing(ctx, r, covering, about)
}

// wants is what must change of the labels of a namespace and of the pod in it, if there
// is one, for the webhook to be asked about it.
func (w webhook) wants(about rehearsal) (ofNamespace, ofPod []string) {
	if about.seen != nil {
		ofPod = w.ObjectSelector.wants(about.seen.Metadata.Labels)
	}
	return w.NamespaceSelector.wants(about.labels), ofPod
}

// leavesOutByName reports whether the webhook is not for a namespace of this name.
func (w webhook) leavesOutByName(about rehearsal) bool {
	ofNamespace, _ := w.wants(about)
	return slices.ContainsFunc(ofNamespace, func(change string) bool { return strings.HasPrefix(change, "kubernetes.io/metadata.name") })
}

// leftOut notes that no webhook is asked about the namespace and the pod, and which
// labels would change that for the one that is nearest.
func (r *Report) leftOut(about rehearsal) {
	others := slices.DeleteFunc(slices.Clone(about.others), func(w webhook) bool { return w.leavesOutByName(about) })
	if len(others) == 0 {
		others = about.others
	}
	nearest := slices.MinFunc(others, func(a, b webhook) int {
		ofA, podA := a.wants(about)
		ofB, podB := b.wants(about)
		return cmp.Or(cmp.Compare(len(ofA), len(ofB)), cmp.Compare(len(podA), len(podB)))
	})
	ofNamespace, ofPod := nearest.wants(about)
	what, selector, wants := "the namespace "+about.namespace, "namespaceSelector", ofNamespace
	if len(wants) == 0 {
		what, selector, wants = "a pod of these labels", "objectSelector", ofPod
	}
	var fix []string
	switch {
	case nearest.leavesOutByName(about):
		fix = []string{"kubectl get mutatingwebhookconfigurations -o yaml # the namespace is left out by its name, which cannot change"}
	default:
		if len(ofNamespace) > 0 {
			line := command(append([]string{"kubectl", "label", "namespace", about.namespace, "--overwrite"}, ofNamespace...)...)
			if !nearest.NamespaceSelector.gentle(about.labels) {
				line = "# if nothing else goes by these labels: " + line
			}
			fix = append(fix, line)
		}
		if len(ofPod) > 0 && !nearest.ObjectSelector.gentle(about.seen.Metadata.Labels) {
			fix = append(fix, wantedOfTemplate("labels", ofPod))
		} else if len(ofPod) > 0 {
			fix = append(fix, relabelled(*about.seen, "labels", ofPod...)...)
		} else if about.seen != nil {
			fix = append(fix, recreate(*about.seen, "", "")...)
		}
	}
	r.bad("webhook", "the webhook is not asked about "+what, "the registration of the webhook leaves out "+what+": its "+selector+" wants "+describe(wants), fix...)
}

// describe says changes of labels in words.
func describe(changes []string) string {
	words := make([]string, len(changes))
	for i, change := range changes {
		if key, removed := strings.CutSuffix(change, "-"); removed && !strings.Contains(change, "=") {
			change = "no " + key
		}
		words[i] = change
	}
	return strings.Join(words, " and ")
}

// webhooks are those of pod identity, by their names: EKS's, and that of
// deploy/webhook.yaml.
func (d *Doctor) webhooks(ctx context.Context) ([]webhook, error) {
	raw, err := d.Cluster.List(ctx, "mutatingwebhookconfigurations", "")
	if err != nil {
		return nil, err
	}
	var list registrations
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	var found []webhook
	for _, c := range list.Items {
		for _, w := range c.Webhooks {
			if strings.Contains(c.Metadata.Name, "pod-identity-webhook") || strings.Contains(w.Name, "pod-identity-webhook") || strings.Contains(w.Name, "iam-for-pods") {
				found = append(found, w)
			}
		}
	}
	return found, nil
}

// examineServing looks at what the API server needs to call the webhook, of which
// there may be several that are for different pods.
func (d *Doctor) examineServing(ctx context.Context, r *Report, covering []webhook, about rehearsal) {
	w := covering[0]
	public := w.ClientConfig.URL != "" && len(w.ClientConfig.CABundle) == 0 // the API server takes its system's authorities
	if fault := d.bundleFault(w.ClientConfig.CABundle); fault != "" && !public {
		r.bad("webhook", "the webhook's caBundle "+fault, "the API server cannot verify the webhook: it says x509, or admits pods as they are",
			"kubectl get mutatingwebhookconfigurations -o yaml # is whoever keeps the caBundle in step (eksauthd webhook, cert-manager) running?")
		return
	}
	s := w.ClientConfig.Service
	if s == nil {
		d.rehearse(ctx, r, covering, about, "the webhook is registered for its pods")
		return
	}
	ready, err := d.endpoints(ctx, s.Namespace, s.Name)
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		d.rehearse(ctx, r, covering, about, "the webhook is registered for its pods")
	case ready == 0:
		r.bad("webhook", "nothing answers for the webhook's service "+s.Namespace+"/"+s.Name, "the webhook is down: pods are refused, or admitted without their role",
			command("kubectl", "get", "pods", "-n", s.Namespace))
	default:
		d.rehearse(ctx, r, covering, about, fmt.Sprintf("the webhook is registered for its pods, %d of its pods are ready", ready))
	}
}

// bundleFault is what keeps a caBundle from verifying anything; "" if nothing does.
func (d *Doctor) bundleFault(bundle []byte) string {
	if len(bundle) == 0 {
		return "is empty"
	}
	for {
		block, rest := pem.Decode(bundle)
		if block == nil {
			return "has no certificate that is valid now"
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && d.Now().Before(c.NotAfter) && !d.Now().Before(c.NotBefore) {
			return ""
		}
		bundle = rest
	}
}

// endpoints is how many of a service's addresses are ready.
func (d *Doctor) endpoints(ctx context.Context, namespace, service string) (int, error) {
	raw, err := d.Cluster.List(ctx, "endpointslices", namespace)
	if err != nil {
		return 0, err
	}
	var list struct {
		Items []struct {
			Metadata  objectMeta `json:"metadata"`
			Endpoints []struct {
				Addresses  []string `json:"addresses"`
				Conditions struct {
					Ready *bool `json:"ready"`
				} `json:"conditions"`
			} `json:"endpoints"`
		} `json:"items"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return 0, err
	}
	ready := 0
	for _, slice := range list.Items {
		if slice.Metadata.Labels["kubernetes.io/service-name"] != service {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				ready += len(e.Addresses)
			}
		}
	}
	return ready, nil
}
