package server_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/internal/require"
)

// The aws CLI, as people have it, in the environment that is written for them.
func TestAWSCLI(t *testing.T) {
	if testing.Short() {
		t.Skip("each run of the aws CLI takes half a second")
	}
	t.Parallel()
	aws := require.Program(t, "aws")
	s := localtest.ServeDefault(t)
	if err := s.Store.SetClusterEndpoint("dev", "https://127.0.0.1:6443", somePEM(t)); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	e := awslocal.Environment{Endpoint: s.URL, Credentials: localtest.CredentialsOf(t, s.Store, localtest.AdaARN), Region: localtest.Region, Kubeconfig: filepath.Join(home, "kubeconfig")}
	for _, tc := range []struct {
		args string
		ok   bool
		want string
	}{
		{"sts get-caller-identity --query Arn --output text", true, localtest.AdaARN},
		{"eks describe-cluster --name no", false, "An error occurred (ResourceNotFoundException) when calling the DescribeCluster operation: No cluster found for name: no."},
		{"eks update-kubeconfig --name dev", true, "Added new context arn:aws:eks:us-east-1:111122223333:cluster/dev"},
		{"iam list-users", false, "An error occurred (AccessDenied) when calling the ListUsers operation: User: " + localtest.AdaARN + " is not authorized to perform: iam:ListUsers on resource: "},
		{"s3api list-buckets", false, "An error occurred (NotImplemented) when calling the ListBuckets operation: The local AWS has STS, IAM and EKS; it does not have the service s3."},
		{"dynamodb list-tables", false, "An error occurred (UnknownOperationException) when calling the ListTables operation: The local AWS"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			cmd := exec.Command(aws, strings.Fields(tc.args)...)
			cmd.Env = append(e.Environ(os.Environ()), "HOME="+home, "AWS_PAGER=")
			out, err := cmd.CombinedOutput()
			if (err == nil) != tc.ok || !strings.Contains(string(out), tc.want) {
				t.Errorf("%v: %s\nwant %q", err, out, tc.want)
			}
		})
	}
	written, err := os.ReadFile(e.Kubeconfig)
	if err != nil || !strings.Contains(string(written), "server: https://127.0.0.1:6443") {
		t.Errorf("the kubeconfig is %s (%v)", written, err)
	}
}
