package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/irsa"
)

// mostGroups bounds how many webhooks are tried in one go: two registrations that share
// out the namespaces in all ways make four groups.
const mostGroups = 8

// examineCoverage tries the webhook, once for all namespaces that the same registrations
// are for. What is wrong in most is the cluster's; uncovered says what is in the others,
// by namespace.
func (d *Doctor) examineCoverage(ctx context.Context, r *Report, annotated []serviceAccount) (uncovered map[string]string) {
	uncovered = map[string]string{}
	groups, err := d.byWebhooks(ctx, annotated)
	if err != nil {
		r.unknown("namespaces", "whether the webhook is for all namespaces", err.Error())
	}
	if n := len(groups) - mostGroups; n > 0 {
		r.unknown("namespaces", "whether the webhook is for all namespaces", fmt.Sprintf("the registrations share them out in too many ways: %d were not tried", n))
		groups = groups[:mostGroups]
	}
	for i, group := range groups {
		one, report := group[0].Metadata, r
		if i > 0 {
			report = &Report{}
		}
		d.examineWebhook(ctx, report, rehearsal{namespace: one.Namespace, account: one.Name, role: irsa.FromAnnotations(d.AnnotationPrefix, one.Annotations).RoleARN})
		if i == 0 {
			continue
		}
		for _, cause := range report.Causes() {
			for _, a := range group {
				uncovered[a.Metadata.Namespace] = strings.Replace(cause.Cause, "the namespace "+one.Namespace+":", "its namespace:", 1)
			}
		}
	}
	return uncovered
}

// byWebhooks are service accounts by the webhooks whose selectors take in their
// namespaces, most first; all in one if err says why that is not known.
func (d *Doctor) byWebhooks(ctx context.Context, annotated []serviceAccount) (groups [][]serviceAccount, err error) {
	hooks, err := d.webhooks(ctx)
	if err != nil || len(hooks) == 0 {
		return [][]serviceAccount{annotated}, nil // which is said of the webhook itself
	}
	raw, err := d.Cluster.List(ctx, "namespaces", "")
	var list struct {
		Items []struct {
			Metadata objectMeta `json:"metadata"`
		} `json:"items"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &list)
	}
	if err != nil {
		return [][]serviceAccount{annotated}, err
	}
	covers := map[string]string{} // by namespace: a letter for each webhook
	for _, n := range list.Items {
		var which strings.Builder
		for _, w := range hooks {
			if w.NamespaceSelector.matches(n.Metadata.Labels) {
				which.WriteByte('y')
			} else {
				which.WriteByte('n')
			}
		}
		covers[n.Metadata.Name] = which.String()
	}
	at := map[string]int{}
	for _, a := range annotated {
		which := covers[a.Metadata.Namespace]
		i, there := at[which]
		if !there {
			i = len(groups)
			at[which], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], a)
	}
	slices.SortStableFunc(groups, func(a, b []serviceAccount) int { return cmp.Compare(len(b), len(a)) })
	return groups, nil
}
