package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"golang.org/x/sync/errgroup"

	"github.com/eksauth/eksauth/accessentry"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/kube"
)

const (
	accessEntriesTimeout = 30 * time.Second // of one look
	describesAtOnce      = 4
	maxAccessEntries     = 10_000
)

// accessEntries follows the access entries of an EKS cluster, real or local: they
// become mappings, and their access policies role bindings. It asks again and
// again, because the EKS API has nothing to watch. What it cannot read stays as it
// was.
type accessEntries struct {
	client  *eks.Client
	cluster string
	every   time.Duration
	live    *awsauth.Live
	// configMap: aws-auth is a source, too, and the cluster's mode decides.
	configMap bool
	bindings  *kube.AccessPolicies // nil where nobody keeps any
	log       *slog.Logger

	mode    types.AuthenticationMode // of the last look
	failure string                   // likewise; "" if all was well
}

// newAccessEntries prepares to follow them.
func newAccessEntries(ctx context.Context, f *authenticatorFlags, live *awsauth.Live, log *slog.Logger) (*accessEntries, error) {
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("access entries: %w", err)
	}
	if c.Region == "" {
		return nil, cli.Hint(errors.New("access entries: no AWS region is known"), "set AWS_REGION to that of the cluster %s", f.ClusterID)
	}
	a := &accessEntries{
		client: eks.NewFromConfig(c), cluster: f.ClusterID, every: f.accessEntriesEvery, live: live, log: log,
		configMap: slices.ContainsFunc(live.State(), func(s awsauth.SourceState) bool { return s.Name == awsauth.EKSConfigMap }),
	}
	cluster, err := clusterConfig(f.Server.Kubeconfig, f.Server.Master, "access policies become role bindings of the cluster")
	if err != nil {
		return nil, err
	}
	a.bindings, err = kube.NewAccessPolicies(cluster)
	return a, err
}

// Run follows the entries until ctx ends, and returns nil.
func (a *accessEntries) Run(ctx context.Context) error {
	tick := time.NewTicker(a.every)
	defer tick.Stop()
	for {
		a.note(ctx, a.look(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// note logs when something begins to fail and when it works again.
func (a *accessEntries) note(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err == nil && a.failure != "":
		a.failure = ""
		a.log.Info("access entries can be read again")
	case err != nil && err.Error() != a.failure:
		a.failure = err.Error()
		a.log.Error("access entries cannot be followed; keeping what they were", "error", a.failure,
			"hint", "the credentials of this program need eks:DescribeCluster, eks:ListAccessEntries, eks:DescribeAccessEntry and eks:ListAssociatedAccessPolicies")
	}
}

// look reads everything once and puts it into use.
func (a *accessEntries) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, accessEntriesTimeout)
	defer cancel()
	out, err := a.client.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &a.cluster})
	if err != nil {
		return short(err)
	}
	mode := types.AuthenticationModeConfigMap
	if c := out.Cluster.AccessConfig; c != nil {
		mode = c.AuthenticationMode
	}
	var entries []accessentry.Entry
	if mode != types.AuthenticationModeConfigMap {
		if entries, err = a.read(ctx); err != nil {
			return short(err)
		}
	}
	if mode != a.mode {
		a.mode = mode
		a.log.Info("the cluster's authentication mode", "mode", mode)
	}
	if a.configMap {
		if err := a.live.Suspend(awsauth.EKSConfigMap, mode == types.AuthenticationModeApi); err != nil {
			return err
		}
	}
	if err := a.live.Update(awsauth.EKSAccessEntries, accessentry.Document(entries)); err != nil {
		return err
	}
	return a.bindings.Keep(ctx, accessentry.Grants(entries))
}

// read reads all entries, in the order of their principals.
func (a *accessEntries) read(ctx context.Context) ([]accessentry.Entry, error) {
	var principals []string
	pages := eks.NewListAccessEntriesPaginator(a.client, &eks.ListAccessEntriesInput{ClusterName: &a.cluster})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		if principals = append(principals, page.AccessEntries...); len(principals) > maxAccessEntries {
			return nil, fmt.Errorf("there are more than %d access entries", maxAccessEntries)
		}
	}
	slices.Sort(principals)
	entries := make([]accessentry.Entry, len(principals))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(describesAtOnce)
	for i, principal := range principals {
		group.Go(func() (err error) {
			entries[i], err = a.describe(ctx, principal)
			return err
		})
	}
	err := group.Wait()
	// One that was deleted in between is gone.
	return slices.DeleteFunc(entries, func(e accessentry.Entry) bool { return e.PrincipalARN == "" }), err
}

func (a *accessEntries) describe(ctx context.Context, principal string) (accessentry.Entry, error) {
	var gone *types.ResourceNotFoundException
	out, err := a.client.DescribeAccessEntry(ctx, &eks.DescribeAccessEntryInput{ClusterName: &a.cluster, PrincipalArn: &principal})
	if errors.As(err, &gone) {
		return accessentry.Entry{}, nil
	}
	if err != nil {
		return accessentry.Entry{}, err
	}
	e := accessentry.Entry{
		PrincipalARN: principal, Type: accessentry.Type(aws.ToString(out.AccessEntry.Type)),
		Username: aws.ToString(out.AccessEntry.Username), Groups: out.AccessEntry.KubernetesGroups,
	}
	pages := eks.NewListAssociatedAccessPoliciesPaginator(a.client, &eks.ListAssociatedAccessPoliciesInput{ClusterName: &a.cluster, PrincipalArn: &principal})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if errors.As(err, &gone) {
			return accessentry.Entry{}, nil
		}
		if err != nil {
			return accessentry.Entry{}, err
		}
		for _, p := range page.AssociatedAccessPolicies {
			association := accessentry.Association{Policy: nameOf(aws.ToString(p.PolicyArn))}
			if p.AccessScope != nil {
				association.Namespaces = p.AccessScope.Namespaces
			}
			e.Policies = append(e.Policies, association)
		}
	}
	return e, nil
}

func nameOf(policyARN string) string { return policyARN[strings.LastIndexByte(policyARN, '/')+1:] }

// short is the service's own words, without the SDK's account of the call.
func short(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}
