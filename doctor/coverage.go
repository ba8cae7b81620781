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
// by namespace; of the namespaces in untried nothing is known.
func (d *Doctor) examineCoverage(ctx context.Context, r *Report, annotated []serviceAccount) (uncovered map[string]string, untried map[string]bool) {
	uncovered, untried = map[string]string{}, map[string]bool{}
	groups, err := d.byWebhooks(ctx, annotated)
	if err != nil {
		r.unknown("namespaces", "whether the webhook is for all namespaces", err.Error())
	}
	if n := len(groups) - mostGroups; n > 0 {
		r.unknown("namespaces", "whether the webhook is for all namespaces", fmt.Sprintf("the registrations share them out in too many ways: %d were not tried", n))
		for _, g := range groups[mostGroups:] {
			for _, a := range g.accounts {
				untried[a.Metadata.Namespace] = true
			}
		}
		groups = groups[:mostGroups]
	}
	for i, g := range groups {
		group, report := g.accounts, r
		if i > 0 {
			report = &Report{}
		}
		one := group[max(0, slices.IndexFunc(group, d.hasRole))].Metadata // a bad annotation gets no role of a webhook that is well
		d.examineWebhook(ctx, report, rehearsal{namespace: one.Namespace, account: one.Name, role: irsa.FromAnnotations(d.AnnotationPrefix, one.Annotations).RoleARN})
		if i == 0 && !g.leftOut {
			continue
		}
		for _, cause := range report.Causes() {
			if cause.ID != "webhook" || i > 0 && slices.ContainsFunc(r.Causes(), func(c Check) bool { return c.Cause == cause.Cause }) {
				continue // it is the cluster's
			}
			for _, a := range group {
				uncovered[a.Metadata.Namespace] = strings.Replace(cause.Cause, "the namespace "+one.Namespace+":", "its namespace:", 1)
			}
		}
	}
	return uncovered, untried
}

// coverage is service accounts whose namespaces the same registrations are for.
type coverage struct {
	accounts []serviceAccount
	leftOut  bool // no registration is
}

func (d *Doctor) hasRole(a serviceAccount) bool {
	return isRole(irsa.FromAnnotations(d.AnnotationPrefix, a.Metadata.Annotations).RoleARN)
}

// byWebhooks are service accounts by the webhooks whose selectors take in their
// namespaces: most first, but those that are left out by all second, so that they are
// never taken for the cluster, nor dropped. All are in one if err says why that is not known.
func (d *Doctor) byWebhooks(ctx context.Context, annotated []serviceAccount) (groups []coverage, err error) {
	hooks, err := d.webhooks(ctx)
	if err != nil || len(hooks) == 0 {
		return []coverage{{accounts: annotated}}, nil // which is said of the webhook itself
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
		return []coverage{{accounts: annotated}}, err
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
			at[which], groups = i, append(groups, coverage{leftOut: which != "" && !strings.Contains(which, "y")})
		}
		groups[i].accounts = append(groups[i].accounts, a)
	}
	slices.SortStableFunc(groups, func(a, b coverage) int { return cmp.Compare(len(b.accounts), len(a.accounts)) })
	if i := slices.IndexFunc(groups, func(g coverage) bool { return g.leftOut }); i >= 0 && len(groups) > 1 {
		g := groups[i]
		groups = slices.Insert(slices.Delete(groups, i, i+1), 1, g)
	}
	return groups, nil
}
