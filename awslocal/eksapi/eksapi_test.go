package eksapi_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awslocal/server"
	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/sigv4"
)

const (
	administrator = "arn:aws:iam::111122223333:user/administrator"
	policyPrefix  = "arn:aws:eks::aws:cluster-access-policy/"
)

func client(t *testing.T, s *localtest.Service, who string) *eks.Client {
	t.Helper()
	return eks.NewFromConfig(s.Of(t, who))
}

// withEntries is the default world with a cluster that has access entries.
func withEntries(t *testing.T) (*localtest.Service, *eks.Client) {
	t.Helper()
	s := localtest.ServeDefault(t)
	c := client(t, s, administrator)
	out, err := c.UpdateClusterConfig(t.Context(), &eks.UpdateClusterConfigInput{
		Name: aws.String("dev"), AccessConfig: &types.UpdateAccessConfigRequest{AuthenticationMode: types.AuthenticationModeApiAndConfigMap},
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.Update.Status != types.UpdateStatusSuccessful || *out.Update.Params[0].Value != "API_AND_CONFIG_MAP" {
		t.Errorf("%+v", out.Update)
	}
	return s, c
}

func TestClusters(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	c, ctx := client(t, s, administrator), t.Context()
	in := &eks.CreateClusterInput{
		Name: aws.String("new"), RoleArn: aws.String(localtest.RoleARN), Version: aws.String("1.37"), Tags: map[string]string{"team": "navy"},
		ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{"subnet-1"}},
		AccessConfig:       &types.CreateAccessConfigRequest{AuthenticationMode: types.AuthenticationModeApi},
	}
	made, err := c.CreateCluster(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if k := made.Cluster; k.Status != types.ClusterStatusCreating || *k.Arn != "arn:aws:eks:us-east-1:111122223333:cluster/new" || k.Tags["team"] != "navy" ||
		k.AccessConfig.AuthenticationMode != types.AuthenticationModeApi || *k.RoleArn != localtest.RoleARN {
		t.Errorf("created %+v", k)
	}
	// Whoever creates a cluster is its administrator.
	policies, err := c.ListAssociatedAccessPolicies(ctx, &eks.ListAssociatedAccessPoliciesInput{ClusterName: aws.String("new"), PrincipalArn: aws.String(administrator)})
	if err != nil || len(policies.AssociatedAccessPolicies) != 1 || *policies.AssociatedAccessPolicies[0].PolicyArn != policyPrefix+"AmazonEKSClusterAdminPolicy" {
		t.Errorf("%+v %v", policies, err)
	}
	in.ClientRequestToken = nil // another request
	_, err = c.CreateCluster(ctx, in)
	localtest.IsAPIError(t, err, 409, "ResourceInUseException", "Cluster already exists with name: new")
	_, err = client(t, s, localtest.AdaARN).DeleteCluster(ctx, &eks.DeleteClusterInput{Name: aws.String("new")})
	localtest.IsAPIError(t, err, 403, "AccessDeniedException", "eks:DeleteCluster on resource: arn:aws:eks:us-east-1:111122223333:cluster/new because no identity-based policy allows")
	if _, err := c.TagResource(ctx, &eks.TagResourceInput{ResourceArn: made.Cluster.Arn, Tags: map[string]string{"a": "b", "A": "B"}}); err != nil {
		t.Error(err)
	}
	if _, err := c.UntagResource(ctx, &eks.UntagResourceInput{ResourceArn: made.Cluster.Arn, TagKeys: []string{"team"}}); err != nil {
		t.Error(err)
	}
	tags, err := c.ListTagsForResource(ctx, &eks.ListTagsForResourceInput{ResourceArn: made.Cluster.Arn})
	if err != nil || len(tags.Tags) != 2 || tags.Tags["a"] != "b" || tags.Tags["A"] != "B" {
		t.Errorf("%+v %v", tags, err)
	}
	text, err := localtest.World(t, s.Store).YAML()
	if err != nil {
		t.Fatal(err)
	}
	localtest.Parse(t, string(text)) // has both
	// Tags of another region's cluster are not this one's.
	_, err = c.TagResource(ctx, &eks.TagResourceInput{ResourceArn: aws.String("arn:aws:eks:us-west-2:111122223333:cluster/new"), Tags: map[string]string{"a": "c"}})
	localtest.IsAPIError(t, err, 404, "ResourceNotFoundException", "No resource found")
	gone, err := c.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: aws.String("new")})
	if err != nil || gone.Cluster.Status != types.ClusterStatusDeleting {
		t.Errorf("%+v %v", gone, err)
	}
	_, err = c.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: aws.String("new")})
	localtest.IsAPIError(t, err, 404, "ResourceNotFoundException", "No cluster found for name: new.")
	// Whoever may make clusters may not give them any role.
	iamClient := iam.NewFromConfig(s.Of(t, administrator))
	if _, err := iamClient.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("ada.lovelace"), PolicyName: aws.String("eks"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:*","Resource":"*"}}`)}); err != nil {
		t.Fatal(err)
	}
	in.Name = aws.String("hers")
	_, err = client(t, s, localtest.AdaARN).CreateCluster(ctx, in)
	localtest.IsAPIError(t, err, 403, "AccessDeniedException", "iam:PassRole on resource: "+localtest.RoleARN)
	for name, bad := range map[string]*eks.CreateClusterInput{
		"name":                      {Name: aws.String("-x"), RoleArn: in.RoleArn, ResourcesVpcConfig: in.ResourcesVpcConfig},
		"role":                      {Name: aws.String("x"), RoleArn: aws.String("nobody"), ResourcesVpcConfig: in.ResourcesVpcConfig},
		"role of another account":   {Name: aws.String("x"), RoleArn: aws.String("arn:aws:iam::444455556666:role/r"), ResourcesVpcConfig: in.ResourcesVpcConfig},
		"role of another partition": {Name: aws.String("x"), RoleArn: aws.String("arn:aws-cn:iam::111122223333:role/awesome.role"), ResourcesVpcConfig: in.ResourcesVpcConfig},
		"version":                   {Name: aws.String("x"), RoleArn: in.RoleArn, ResourcesVpcConfig: in.ResourcesVpcConfig, Version: aws.String("v1.37")},
		"bootstrap": {Name: aws.String("x"), RoleArn: in.RoleArn, ResourcesVpcConfig: in.ResourcesVpcConfig, AccessConfig: &types.CreateAccessConfigRequest{
			AuthenticationMode: types.AuthenticationModeConfigMap, BootstrapClusterCreatorAdminPermissions: aws.Bool(false),
		}},
		"mode": {Name: aws.String("x"), RoleArn: in.RoleArn, ResourcesVpcConfig: in.ResourcesVpcConfig, AccessConfig: &types.CreateAccessConfigRequest{AuthenticationMode: "X"}},
	} {
		_, err := c.CreateCluster(ctx, bad)
		if err == nil {
			t.Errorf("a bad %s was taken", name)
		}
		localtest.IsAPIError(t, err, 400, "InvalidParameterException", "")
	}
}

// The authentication mode goes only forward.
func TestAuthenticationMode(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	c, ctx := client(t, s, administrator), t.Context()
	set := func(mode types.AuthenticationMode) error {
		_, err := c.UpdateClusterConfig(ctx, &eks.UpdateClusterConfigInput{Name: aws.String("dev"), AccessConfig: &types.UpdateAccessConfigRequest{AuthenticationMode: mode}})
		return err
	}
	_, err := c.CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{ClusterName: aws.String("dev"), PrincipalArn: aws.String(localtest.AdaARN)})
	const wrongMode = "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation."
	localtest.IsAPIError(t, err, 400, "InvalidRequestException", wrongMode)
	_, err = c.ListAccessEntries(ctx, &eks.ListAccessEntriesInput{ClusterName: aws.String("dev")})
	localtest.IsAPIError(t, err, 400, "InvalidRequestException", wrongMode)
	localtest.IsAPIError(t, set("CONFIG_MAP"), 400, "InvalidRequestException", "already")
	if err := set("API"); err != nil {
		t.Error(err)
	}
	localtest.IsAPIError(t, set("API_AND_CONFIG_MAP"), 400, "InvalidParameterException", "Unsupported authentication mode update from API to API_AND_CONFIG_MAP")
	updates, err := c.ListUpdates(ctx, &eks.ListUpdatesInput{Name: aws.String("dev")})
	if err != nil || len(updates.UpdateIds) != 1 {
		t.Fatalf("%+v %v", updates, err)
	}
	if got, err := c.DescribeUpdate(ctx, &eks.DescribeUpdateInput{Name: aws.String("dev"), UpdateId: aws.String(updates.UpdateIds[0])}); err != nil || got.Update.Type != types.UpdateTypeAccessConfigUpdate {
		t.Errorf("%+v %v", got, err)
	}
	_, err = c.DescribeUpdate(ctx, &eks.DescribeUpdateInput{Name: aws.String("dev"), UpdateId: aws.String("no")})
	localtest.IsAPIError(t, err, 404, "ResourceNotFoundException", "No update found")
}

func TestAccessEntries(t *testing.T) {
	t.Parallel()
	_, c := withEntries(t)
	ctx := t.Context()
	create := func(in eks.CreateAccessEntryInput) (*types.AccessEntry, error) {
		in.ClusterName = aws.String("dev")
		out, err := c.CreateAccessEntry(ctx, &in)
		if err != nil {
			return nil, err
		}
		return out.AccessEntry, nil
	}
	made, err := create(eks.CreateAccessEntryInput{PrincipalArn: aws.String(localtest.RoleARN), KubernetesGroups: []string{"viewers"}, Tags: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if *made.Username != "arn:aws:sts::111122223333:assumed-role/awesome.role/{{SessionName}}" || *made.Type != "STANDARD" || !slices.Equal(made.KubernetesGroups, []string{"viewers"}) ||
		!strings.HasPrefix(*made.AccessEntryArn, "arn:aws:eks:us-east-1:111122223333:access-entry/dev/role/111122223333/awesome.role/") || made.Tags["a"] != "b" {
		t.Errorf("made %+v", made)
	}
	if made, err := create(eks.CreateAccessEntryInput{PrincipalArn: aws.String(localtest.AdaARN)}); err != nil || *made.Username != localtest.AdaARN {
		t.Errorf("%+v %v", made, err)
	}
	if made, err := create(eks.CreateAccessEntryInput{PrincipalArn: aws.String("arn:aws:iam::111122223333:role/awesome.app"), Type: aws.String("EC2_LINUX")}); err != nil ||
		*made.Username != "system:node:{{EC2PrivateDNSName}}" || !slices.Equal(made.KubernetesGroups, []string{"system:nodes"}) {
		t.Errorf("%+v %v", made, err)
	}
	const charles = "arn:aws:iam::111122223333:user/charles.babbage"
	for _, tc := range []struct {
		in            eks.CreateAccessEntryInput
		status        int
		code, message string
	}{
		{eks.CreateAccessEntryInput{PrincipalArn: aws.String(localtest.AdaARN)}, 409, "ResourceInUseException", "The specified access entry resource is already in use on this cluster."},
		{eks.CreateAccessEntryInput{PrincipalArn: aws.String("arn:aws:iam::111122223333:user/nobody")}, 400, "InvalidParameterException", "invalid principal"},
		{eks.CreateAccessEntryInput{PrincipalArn: aws.String("arn:aws:iam::111122223333:role/elsewhere/awesome.role")}, 400, "InvalidParameterException", "invalid principal"},
		{eks.CreateAccessEntryInput{PrincipalArn: aws.String("arn:aws:iam::111122223333:root")}, 400, "InvalidParameterException", "invalid principal"},
		{eks.CreateAccessEntryInput{PrincipalArn: aws.String("arn:aws:sts::111122223333:assumed-role/awesome.role/s")}, 400, "InvalidParameterException", "invalid principal"},
		{eks.CreateAccessEntryInput{PrincipalArn: aws.String(charles), Username: aws.String("system:admin")}, 400, "InvalidParameterException", "cannot start with system:"},
		{eks.CreateAccessEntryInput{PrincipalArn: aws.String(charles), KubernetesGroups: []string{"system:masters"}}, 400, "InvalidParameterException", "The kubernetes group name system:masters is invalid"},
		{eks.CreateAccessEntryInput{PrincipalArn: aws.String(charles), Type: aws.String("WINDOWS")}, 400, "InvalidParameterException", "The specified type is invalid"},
		{eks.CreateAccessEntryInput{PrincipalArn: aws.String(charles), Type: aws.String("EC2_LINUX")}, 400, "InvalidParameterException", "is for an IAM role"},
		{eks.CreateAccessEntryInput{PrincipalArn: aws.String("arn:aws:iam::111122223333:role/awesome.role"), Type: aws.String("EC2_LINUX"), Username: aws.String("x")}, 400, "InvalidParameterException", "The parameter username can't be specified"},
	} {
		_, err := create(tc.in)
		localtest.IsAPIError(t, err, tc.status, tc.code, tc.message)
	}
	updated, err := c.UpdateAccessEntry(ctx, &eks.UpdateAccessEntryInput{ClusterName: aws.String("dev"), PrincipalArn: aws.String(localtest.AdaARN), Username: aws.String("ada"), KubernetesGroups: []string{"x"}})
	if err != nil || *updated.AccessEntry.Username != "ada" {
		t.Errorf("%+v %v", updated, err)
	}
	var listed []string
	pages := eks.NewListAccessEntriesPaginator(c, &eks.ListAccessEntriesInput{ClusterName: aws.String("dev"), MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, page.AccessEntries...)
	}
	if !slices.Equal(listed, []string{"arn:aws:iam::111122223333:role/awesome.app", localtest.RoleARN, localtest.AdaARN}) {
		t.Errorf("listed %q", listed)
	}
	if _, err := c.DeleteAccessEntry(ctx, &eks.DeleteAccessEntryInput{ClusterName: aws.String("dev"), PrincipalArn: aws.String(localtest.AdaARN)}); err != nil {
		t.Error(err)
	}
	_, err = c.DescribeAccessEntry(ctx, &eks.DescribeAccessEntryInput{ClusterName: aws.String("dev"), PrincipalArn: aws.String(localtest.AdaARN)})
	localtest.IsAPIError(t, err, 404, "ResourceNotFoundException", "The specified principalArn could not be found.")
}

func TestAccessPolicies(t *testing.T) {
	t.Parallel()
	s, c := withEntries(t)
	ctx := t.Context()
	dev, ada := aws.String("dev"), aws.String(localtest.AdaARN)
	if _, err := c.CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{ClusterName: dev, PrincipalArn: ada}); err != nil {
		t.Fatal(err)
	}
	known, err := c.ListAccessPolicies(ctx, nil)
	if err != nil || len(known.AccessPolicies) != 5 {
		t.Errorf("%+v %v", known, err)
	}
	associate := func(policy string, scope types.AccessScope) error {
		_, err := c.AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{ClusterName: dev, PrincipalArn: ada, PolicyArn: aws.String(policyPrefix + policy), AccessScope: &scope})
		return err
	}
	if err := associate("AmazonEKSViewPolicy", types.AccessScope{Type: types.AccessScopeTypeNamespace, Namespaces: []string{"a", "b-*"}}); err != nil {
		t.Fatal(err)
	}
	if err := associate("AmazonEKSEditPolicy", types.AccessScope{Type: types.AccessScopeTypeCluster}); err != nil {
		t.Fatal(err)
	}
	localtest.IsAPIError(t, associate("NoSuchPolicy", types.AccessScope{Type: types.AccessScopeTypeCluster}), 404, "ResourceNotFoundException", "The specified policyArn could not be found.")
	localtest.IsAPIError(t, associate("AmazonEKSViewPolicy", types.AccessScope{Type: types.AccessScopeTypeNamespace}), 400, "InvalidParameterException", "access scope")
	localtest.IsAPIError(t, associate("AmazonEKSViewPolicy", types.AccessScope{Type: types.AccessScopeTypeCluster, Namespaces: []string{"a"}}), 400, "InvalidParameterException", "access scope")
	localtest.IsAPIError(t, associate("AmazonEKSViewPolicy", types.AccessScope{Type: types.AccessScopeTypeNamespace, Namespaces: []string{"A_B"}}), 400, "InvalidParameterException", "namespace")
	list, err := c.ListAssociatedAccessPolicies(ctx, &eks.ListAssociatedAccessPoliciesInput{ClusterName: dev, PrincipalArn: ada})
	if err != nil || len(list.AssociatedAccessPolicies) != 2 || !slices.Equal(list.AssociatedAccessPolicies[0].AccessScope.Namespaces, []string{"a", "b-*"}) {
		t.Errorf("%+v %v", list, err)
	}
	with, err := c.ListAccessEntries(ctx, &eks.ListAccessEntriesInput{ClusterName: dev, AssociatedPolicyArn: aws.String(policyPrefix + "AmazonEKSEditPolicy")})
	if err != nil || !slices.Equal(with.AccessEntries, []string{localtest.AdaARN}) {
		t.Errorf("%+v %v", with, err)
	}
	for range 2 {
		_, err = c.DisassociateAccessPolicy(ctx, &eks.DisassociateAccessPolicyInput{ClusterName: dev, PrincipalArn: ada, PolicyArn: aws.String(policyPrefix + "AmazonEKSEditPolicy")})
	}
	localtest.IsAPIError(t, err, 404, "ResourceNotFoundException", "is not associated")
	_, err = client(t, s, localtest.AdaARN).AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{ClusterName: dev, PrincipalArn: ada, PolicyArn: aws.String(policyPrefix + "AmazonEKSClusterAdminPolicy"), AccessScope: &types.AccessScope{Type: types.AccessScopeTypeCluster}})
	localtest.IsAPIError(t, err, 403, "AccessDeniedException", "eks:AssociateAccessPolicy on resource: arn:aws:eks:us-east-1:111122223333:access-entry/dev/user/111122223333/ada.lovelace/")

	// All of it is in the exported world, which makes the same again.
	first, err := localtest.World(t, s.Store).YAML()
	if err != nil {
		t.Fatal(err)
	}
	other := localtest.Open(t, t.TempDir())
	localtest.Apply(t, other, localtest.Parse(t, string(first)))
	if second, err := localtest.World(t, other).YAML(); err != nil || string(first) != string(second) || !strings.Contains(string(first), "b-*") {
		t.Errorf("%v:\n%s\nwas\n%s", err, second, first)
	}
}

// Each association of an entry has times of its own.
func TestTimesOfAssociations(t *testing.T) {
	t.Parallel()
	s, c := withEntries(t)
	ctx, dev, ada := t.Context(), aws.String("dev"), aws.String(localtest.AdaARN)
	if _, err := c.CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{ClusterName: dev, PrincipalArn: ada}); err != nil {
		t.Fatal(err)
	}
	associate := func(policy string) {
		t.Helper()
		if _, err := c.AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{
			ClusterName: dev, PrincipalArn: ada, PolicyArn: aws.String(policyPrefix + policy), AccessScope: &types.AccessScope{Type: types.AccessScopeTypeCluster},
		}); err != nil {
			t.Fatal(err)
		}
	}
	associate("AmazonEKSViewPolicy")
	then := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := s.Store.ChangeCluster("111122223333", localtest.Region, "dev", func(k *awslocal.ClusterRecord, _ time.Time) error {
		k.AccessEntries[0].Associated["AmazonEKSViewPolicy"] = awslocal.Times{Created: then, Modified: then}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	times := func() (associated, modified time.Time) {
		t.Helper()
		list, err := c.ListAssociatedAccessPolicies(ctx, &eks.ListAssociatedAccessPoliciesInput{ClusterName: dev, PrincipalArn: ada})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range list.AssociatedAccessPolicies {
			if *p.PolicyArn == policyPrefix+"AmazonEKSViewPolicy" {
				return *p.AssociatedAt, *p.ModifiedAt
			}
		}
		t.Fatal("the policy is gone")
		return
	}
	associate("AmazonEKSEditPolicy")
	if associated, modified := times(); !associated.Equal(then) || !modified.Equal(then) {
		t.Errorf("another policy made it %v, %v", associated, modified)
	}
	associate("AmazonEKSViewPolicy")
	if associated, modified := times(); !associated.Equal(then) || !modified.After(then) {
		t.Errorf("the same again made it %v, %v", associated, modified)
	}
}

func TestPodIdentityAssociations(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	c, ctx, dev := client(t, s, administrator), t.Context(), aws.String("dev")
	in := &eks.CreatePodIdentityAssociationInput{ClusterName: dev, Namespace: aws.String("a"), ServiceAccount: aws.String("b"), RoleArn: aws.String(localtest.RoleARN)}
	made, err := c.CreatePodIdentityAssociation(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	id := made.Association.AssociationId
	if !strings.HasPrefix(*id, "a-") || *made.Association.AssociationArn != "arn:aws:eks:us-east-1:111122223333:podidentityassociation/dev/"+*id {
		t.Errorf("made %+v", made.Association)
	}
	in.ClientRequestToken = nil // another request
	_, err = c.CreatePodIdentityAssociation(ctx, in)
	localtest.IsAPIError(t, err, 409, "ResourceInUseException", "Association already exists: "+*id)
	for _, bad := range []eks.CreatePodIdentityAssociationInput{
		{ClusterName: dev, Namespace: aws.String("A"), ServiceAccount: aws.String("b"), RoleArn: in.RoleArn},
		{ClusterName: dev, Namespace: aws.String("a"), ServiceAccount: aws.String("c"), RoleArn: aws.String("arn:aws:iam::444455556666:role/x")},
		{ClusterName: dev, Namespace: aws.String("a"), ServiceAccount: aws.String("c"), RoleArn: aws.String(localtest.AdaARN)},
	} {
		_, err = c.CreatePodIdentityAssociation(ctx, &bad)
		localtest.IsAPIError(t, err, 400, "InvalidParameterException", "")
	}
	if _, err := c.UpdatePodIdentityAssociation(ctx, &eks.UpdatePodIdentityAssociationInput{ClusterName: dev, AssociationId: id, RoleArn: aws.String("arn:aws:iam::111122223333:role/awesome.app")}); err != nil {
		t.Error(err)
	}
	if same, err := c.UpdatePodIdentityAssociation(ctx, &eks.UpdatePodIdentityAssociationInput{ClusterName: dev, AssociationId: id}); err != nil || *same.Association.RoleArn != "arn:aws:iam::111122223333:role/awesome.app" {
		t.Errorf("%+v %v", same, err)
	}
	got, err := c.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: dev, AssociationId: id})
	if err != nil || *got.Association.RoleArn != "arn:aws:iam::111122223333:role/awesome.app" {
		t.Errorf("%+v %v", got, err)
	}
	for namespace, want := range map[string]int{"a": 1, "x": 0} {
		list, err := c.ListPodIdentityAssociations(ctx, &eks.ListPodIdentityAssociationsInput{ClusterName: dev, Namespace: aws.String(namespace)})
		if err != nil || len(list.Associations) != want {
			t.Errorf("%+v %v", list, err)
		}
	}
	if _, err := c.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: dev, AssociationId: id}); err != nil {
		t.Error(err)
	}
	_, err = c.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: dev, AssociationId: id})
	localtest.IsAPIError(t, err, 404, "ResourceNotFoundException", "No association found for cluster: dev")
}

// Nothing of a body is left unread.
func TestTrailingBody(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	for body, want := range map[string]int{`{"accessConfig":{"authenticationMode":"API"}} {"accessConfig":{}}`: 400, `{"accessConfig":{"authenticationMode":"API"}}x`: 400, `{"accessConfig":{"authenticationMode":"API"}}` + "\n": 200} {
		r := httptest.NewRequest(http.MethodPost, s.URL+"/clusters/dev/update-config", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(body)), localtest.CredentialsOf(t, s.Store, administrator), localtest.Region, "eks", time.Now()); err != nil {
			t.Fatal(err)
		}
		recorder := httptest.NewRecorder()
		server.New(server.Config{Store: s.Store, Now: time.Now, Log: slog.New(slog.DiscardHandler)}).ServeHTTP(recorder, r)
		if recorder.Code != want {
			t.Errorf("%s: %d %s", body, recorder.Code, recorder.Body)
		}
	}
}
