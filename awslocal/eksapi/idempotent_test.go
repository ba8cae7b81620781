package eksapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eksauth/eksauth/internal/localtest"
)

// A client that did not get the answer asks again with the same token, and gets
// what it made the first time.
func TestSameRequestTwice(t *testing.T) {
	t.Parallel()
	_, c := withEntries(t)
	ctx, dev, token := t.Context(), aws.String("dev"), aws.String("8c1a2e64-b8f7-4e0b-9d0f-0f3b8a2d7c55")
	entry := eks.CreateAccessEntryInput{ClusterName: dev, PrincipalArn: aws.String(localtest.AdaARN), KubernetesGroups: []string{"a"}, ClientRequestToken: token}
	pod := eks.CreatePodIdentityAssociationInput{ClusterName: dev, Namespace: aws.String("a"), ServiceAccount: aws.String("b"), RoleArn: aws.String(localtest.RoleARN), ClientRequestToken: token}
	cluster := eks.CreateClusterInput{Name: aws.String("new"), RoleArn: aws.String(localtest.RoleARN), ResourcesVpcConfig: &types.VpcConfigRequest{}, ClientRequestToken: token}
	mode := eks.UpdateClusterConfigInput{Name: dev, AccessConfig: &types.UpdateAccessConfigRequest{AuthenticationMode: types.AuthenticationModeApi}, ClientRequestToken: token}
	var first [4]string
	for i := range 2 {
		e, err := c.CreateAccessEntry(ctx, &entry)
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.CreatePodIdentityAssociation(ctx, &pod)
		if err != nil {
			t.Fatal(err)
		}
		k, err := c.CreateCluster(ctx, &cluster)
		if err != nil {
			t.Fatal(err)
		}
		u, err := c.UpdateClusterConfig(ctx, &mode)
		if err != nil {
			t.Fatal(err)
		}
		got := [4]string{*e.AccessEntry.AccessEntryArn, *p.Association.AssociationId, *k.Cluster.Arn, *u.Update.Id}
		if i == 0 {
			first = got
		} else if got != first {
			t.Errorf("the second time %q, the first %q", got, first)
		}
	}
	// The same token does not make another request the same.
	entry.KubernetesGroups = []string{"b"}
	_, err := c.CreateAccessEntry(ctx, &entry)
	localtest.IsAPIError(t, err, 409, "ResourceInUseException", "")
	pod.RoleArn = aws.String("arn:aws:iam::111122223333:role/awesome.app")
	_, err = c.CreatePodIdentityAssociation(ctx, &pod)
	localtest.IsAPIError(t, err, 409, "ResourceInUseException", "")
	cluster.Version = aws.String("1.36")
	_, err = c.CreateCluster(ctx, &cluster)
	localtest.IsAPIError(t, err, 409, "ResourceInUseException", "")
}
