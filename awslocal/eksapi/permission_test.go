package eksapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/eksauth/eksauth/internal/localtest"
)

// allow gives ada all of EKS, but for one statement's worth.
func allow(t *testing.T, s *localtest.Service, deny string) *eks.Client {
	t.Helper()
	if _, err := iam.NewFromConfig(s.Of(t, administrator)).PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{
		UserName: aws.String("ada.lovelace"), PolicyName: aws.String("eks"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:*","Resource":"*"},{"Effect":"Deny",` + deny + `}]}`),
	}); err != nil {
		t.Fatal(err)
	}
	return client(t, s, localtest.AdaARN)
}

// A Deny of one thing, by its ARN, its tags or what is asked for it, holds.
func TestDenies(t *testing.T) {
	t.Parallel()
	s, c := withEntries(t)
	ctx, dev, role := t.Context(), aws.String("dev"), aws.String(localtest.RoleARN)
	made, err := c.CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{ClusterName: dev, PrincipalArn: role, Tags: map[string]string{"team": "navy"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{
		ClusterName: dev, PrincipalArn: role, PolicyArn: aws.String(policyPrefix + "AmazonEKSViewPolicy"), AccessScope: &types.AccessScope{Type: types.AccessScopeTypeCluster},
	}); err != nil {
		t.Fatal(err)
	}
	pod, err := c.CreatePodIdentityAssociation(ctx, &eks.CreatePodIdentityAssociationInput{
		ClusterName: dev, Namespace: aws.String("a"), ServiceAccount: aws.String("b"), RoleArn: role, Tags: map[string]string{"team": "navy"},
	})
	if err != nil {
		t.Fatal(err)
	}
	cluster := "arn:aws:eks:us-east-1:111122223333:cluster/dev"
	if _, err := c.TagResource(ctx, &eks.TagResourceInput{ResourceArn: &cluster, Tags: map[string]string{"stage": "live"}}); err != nil {
		t.Fatal(err)
	}
	describe := func(c *eks.Client) error {
		_, err := c.DescribeAccessEntry(ctx, &eks.DescribeAccessEntryInput{ClusterName: dev, PrincipalArn: role})
		return err
	}
	create := func(in eks.CreateAccessEntryInput) func(c *eks.Client) error {
		return func(c *eks.Client) error {
			in.ClusterName, in.PrincipalArn = dev, aws.String("arn:aws:iam::111122223333:role/awesome.app")
			_, err := c.CreateAccessEntry(ctx, &in)
			return err
		}
	}
	for _, tc := range []struct {
		name, deny string
		call       func(c *eks.Client) error
	}{
		{"the ARN of an entry", `"Action":"eks:DescribeAccessEntry","Resource":"` + *made.AccessEntry.AccessEntryArn + `"`, describe},
		{"the tag of an entry", `"Action":"eks:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"navy"}}`, describe},
		{"the entry's type", `"Action":"eks:*","Resource":"*","Condition":{"StringEquals":{"eks:accessEntryType":"STANDARD"}}`, describe},
		{"the entry's username", `"Action":"eks:*","Resource":"*","Condition":{"StringEquals":{"eks:username":"x"}}`, create(eks.CreateAccessEntryInput{Username: aws.String("x")})},
		{"a new entry's type", `"Action":"eks:*","Resource":"*","Condition":{"StringEquals":{"eks:accessEntryType":"EC2_LINUX"}}`, create(eks.CreateAccessEntryInput{Type: aws.String("EC2_LINUX")})},
		{"groups of an update", `"Action":"eks:*","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"eks:kubernetesGroups":"x"}}`, func(c *eks.Client) error {
			_, err := c.UpdateAccessEntry(ctx, &eks.UpdateAccessEntryInput{ClusterName: dev, PrincipalArn: role, KubernetesGroups: []string{"x"}})
			return err
		}},
		{"a policy taken away", `"Action":"eks:*","Resource":"*","Condition":{"ArnEquals":{"eks:policyArn":"` + policyPrefix + `AmazonEKSViewPolicy"}}`, func(c *eks.Client) error {
			_, err := c.DisassociateAccessPolicy(ctx, &eks.DisassociateAccessPolicyInput{ClusterName: dev, PrincipalArn: role, PolicyArn: aws.String(policyPrefix + "AmazonEKSViewPolicy")})
			return err
		}},
		{"the tag of an association", `"Action":"eks:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"navy"}}`, func(c *eks.Client) error {
			_, err := c.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: dev, AssociationId: pod.Association.AssociationId})
			return err
		}},
		{"the tag of a cluster", `"Action":"eks:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/stage":"live"}}`, func(c *eks.Client) error {
			_, err := c.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: dev})
			return err
		}},
		{"the mode", `"Action":"eks:*","Resource":"*","Condition":{"StringEquals":{"eks:authenticationMode":"API"}}`, func(c *eks.Client) error {
			_, err := c.UpdateClusterConfig(ctx, &eks.UpdateClusterConfigInput{Name: dev, AccessConfig: &types.UpdateAccessConfigRequest{AuthenticationMode: types.AuthenticationModeApi}})
			return err
		}},
	} {
		err := tc.call(allow(t, s, tc.deny))
		if err == nil {
			t.Errorf("%s: the Deny does not hold", tc.name)
			continue
		}
		localtest.IsAPIError(t, err, 403, "AccessDeniedException", "with an explicit deny")
	}
}
