package doctor

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
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
	MatchExpressions []struct {
		Key      string   `json:"key"`
		Operator string   `json:"operator"`
		Values   []string `json:"values"`
	} `json:"matchExpressions"`
}

func (s selector) matches(labels map[string]string) bool {
	for key, value := range s.MatchLabels {
		if got, ok := labels[key]; !ok || got != value {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		value, has := labels[e.Key]
		in := has && slices.Contains(e.Values, value)
		switch e.Operator {
		case "In":
			if !in {
				return false
			}
		case "NotIn":
			if in {
				return false
			}
		case "Exists":
			if !has {
				return false
			}
		case "DoesNotExist":
			if has {
				return false
			}
		}
	}
	return true
}

// examineWebhook looks for the pod identity webhook: whether it is registered for
// this namespace, and for pods of these labels if they are known, and whether the API
// server can trust and reach it.
func (d *Doctor) examineWebhook(ctx context.Context, r *Report, about rehearsal) {
	namespace, labels := about.namespace, about.labels
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
	raw, err := d.Cluster.Get(ctx, "namespace", "", namespace)
	if err == nil {
		err = json.Unmarshal(raw, &space)
	}
	if err != nil {
		r.unknown("webhook", "whether the webhook is for this namespace", err.Error())
		return
	}
	covering := slices.DeleteFunc(slices.Clone(hooks), func(w webhook) bool {
		return !w.NamespaceSelector.matches(space.Metadata.Labels) || labels != nil && !w.ObjectSelector.matches(labels)
	})
	if len(covering) == 0 {
		what := "the namespace " + namespace
		if labels != nil && slices.ContainsFunc(hooks, func(w webhook) bool { return w.NamespaceSelector.matches(space.Metadata.Labels) }) {
			what = "a pod of these labels"
		}
		r.bad("webhook", "the webhook is not asked about "+what, "the registration of the webhook leaves out "+what+": see its selectors",
			"kubectl get mutatingwebhookconfigurations -o yaml")
		return
	}
	d.examineServing(ctx, r, covering, about)
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
