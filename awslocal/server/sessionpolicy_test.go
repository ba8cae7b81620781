package server_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/eksauth/eksauth/internal/localtest"
)

func TestSessionPolicyNarrowsEKS(t *testing.T) {
	t.Parallel()
	s, i := serveIssuer(t)
	token := i.token(t, "awesome-app", "awesome-app", "sts.amazonaws.com")
	const session = "arn:aws:sts::111122223333:assumed-role/awesome.app/pod-1"
	const cluster = "arn:aws:eks:us-east-1:111122223333:cluster/"
	statement := func(effect, action, resource string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"` + effect + `","Action":"` + action + `","Resource":"` + resource + `"}}`
	}
	for name, tc := range map[string]struct {
		policy         string
		describe, list string // what is wrong; "" if it is allowed
	}{
		"no policy":       {"", "", ""},
		"one cluster":     {statement("Allow", "eks:*", cluster+"dev"), "", " on resource: * because no session policy allows the eks:ListClusters action"},
		"another cluster": {statement("Allow", "eks:*", cluster+"prod"), " on resource: " + cluster + "dev because no session policy allows the eks:DescribeCluster action", " on resource: *"},
		"only lists":      {statement("Allow", "eks:List*", "*"), "eks:DescribeCluster", ""},
		"denied":          {statement("Deny", "eks:DescribeCluster", "*"), " with an explicit deny in a session policy", "because no session policy allows"},
	} {
		t.Run(name, func(t *testing.T) {
			in := &awssts.AssumeRoleWithWebIdentityInput{RoleArn: aws.String(appARN), RoleSessionName: aws.String("pod-1"), WebIdentityToken: aws.String(token)}
			if tc.policy != "" {
				in.Policy = aws.String(tc.policy)
			}
			got, err := awssts.NewFromConfig(s.Anonymous()).AssumeRoleWithWebIdentity(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			config := s.Anonymous()
			c := got.Credentials
			config.Credentials = credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
			check := func(action, want string, err error) {
				t.Helper()
				if want == "" {
					if err != nil {
						t.Errorf("%s: %v", action, err)
					}
					return
				}
				localtest.IsAPIError(t, err, 403, "AccessDeniedException", "User: "+session+" is not authorized to perform: "+action)
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v does not say %q", err, want)
				}
			}
			_, err = describe(t, config, "dev")
			check("eks:DescribeCluster", tc.describe, err)
			_, err = eks.NewFromConfig(config).ListClusters(t.Context(), nil)
			check("eks:ListClusters", tc.list, err)
		})
	}
	if !strings.Contains(s.Log.String(), `explicitly denied: policy \"of the session\": Statement[0]: Deny applies`) {
		t.Errorf("the log does not say which statement denied:\n%s", s.Log)
	}
}
