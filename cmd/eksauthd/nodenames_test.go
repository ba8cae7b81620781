package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/sts"
)

const (
	nodesRole    = "arn:aws:iam::111122223333:role/nodes"
	describeRole = "arn:aws:iam::111122223333:role/describe-instances"
	nodeID       = "i-0123456789abcdef0"
)

const nodesConfig = `
clusterID: dev
server:
  ec2DescribeInstancesRoleARN: ` + describeRole + `
  mapRoles:
  - rolearn: ` + nodesRole + `
    username: system:node:{{EC2PrivateDNSName}}
    groups: [system:bootstrappers, system:nodes]
`

// roles is a directory whose user ada may assume any role but one.
type roles struct{ directory }

func (roles) Role(_ context.Context, p arn.Principal) (sts.Role, error) {
	trusted := adaARN
	if p.Name == "untrusting" {
		trusted = describeRole
	}
	trust, err := iam.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+trusted+`"},"Action":"sts:AssumeRole"}]}`), iam.TrustPolicy)
	return sts.Role{Principal: p, ID: "AROA" + strings.ToUpper(strings.ReplaceAll(p.Name, "-", "")), TrustPolicy: trust, MaxSessionDuration: time.Hour}, err
}

// fakeAWS is our own STS, and an EC2 that describes one instance to whoever has
// assumed the role for that.
type fakeAWS struct {
	*httptest.Server
	auth     *sts.Authenticator
	failures chan string // codes of errors to answer with first
}

func newAWS(t *testing.T) *fakeAWS {
	t.Helper()
	sealer, err := sts.NewSealer(bytes.Repeat([]byte{1}, sts.SealKeySize))
	if err != nil {
		t.Fatal(err)
	}
	s := &fakeAWS{failures: make(chan string, 8), auth: &sts.Authenticator{Directory: roles{}, Sessions: sealer, Now: time.Now}}
	tokens := &sts.Handler{Auth: s.auth, Log: slog.New(slog.DiscardHandler)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if form, err := url.ParseQuery(string(body)); err == nil && form.Get("Action") == "DescribeInstances" {
			s.ec2(w, r, body, form)
			return
		}
		tokens.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *fakeAWS) ec2(w http.ResponseWriter, r *http.Request, body []byte, form url.Values) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	refuse := func(code string) {
		w.WriteHeader(400)
		fmt.Fprintf(w, `<Response><Errors><Error><Code>%s</Code></Error></Errors></Response>`, code)
	}
	select {
	case code := <-s.failures:
		refuse(code)
		return
	default:
	}
	caller, err := s.auth.Authenticate(r, body, "ec2")
	switch {
	case err != nil:
		refuse("AuthFailure")
	case caller.Identity.Canonical() != describeRole || caller.Region != "eu-west-1":
		refuse("UnauthorizedOperation")
	case form.Get("Filter.1.Name") == "instance-id" && form.Get("Filter.1.Value.1") == nodeID:
		fmt.Fprintf(w, `<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item><instancesSet><item><instanceId>%s</instanceId><privateDnsName>ip-10-0-0-1.ec2.internal</privateDnsName></item></instancesSet></item></reservationSet></DescribeInstancesResponse>`, nodeID)
	default:
		fmt.Fprint(w, `<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet/></DescribeInstancesResponse>`)
	}
}

// assume is a session of a role: for an instance its id is the name.
func (s *fakeAWS) assume(t *testing.T, role, session string) sigv4.Credentials {
	t.Helper()
	client := awssts.New(awssts.Options{
		Region: "eu-west-1", BaseEndpoint: &s.URL,
		Credentials: credentials.NewStaticCredentialsProvider(ada.AccessKeyID, ada.SecretAccessKey, ""),
	})
	out, err := client.AssumeRole(t.Context(), &awssts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &session})
	if err != nil {
		t.Fatal(err)
	}
	return sigv4.Credentials{
		AccessKeyID: aws.ToString(out.Credentials.AccessKeyId), SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey),
		SessionToken: aws.ToString(out.Credentials.SessionToken),
	}
}

// awsEnvironment is all that the SDK's chain finds.
func awsEnvironment(t *testing.T, variables map[string]string) {
	t.Helper()
	none := filepath.Join(t.TempDir(), "none")
	for _, name := range os.Environ() {
		if name, _, _ = strings.Cut(name, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	for name, value := range map[string]string{"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	for name, value := range variables {
		t.Setenv(name, value)
	}
}

func TestANodeSignsInByItsPrivateDNSName(t *testing.T) {
	cloud := newAWS(t)
	awsEnvironment(t, map[string]string{
		"AWS_ENDPOINT_URL": cloud.URL, "AWS_REGION": "eu-west-1",
		"AWS_ACCESS_KEY_ID": ada.AccessKeyID, "AWS_SECRET_ACCESS_KEY": ada.SecretAccessKey,
	})
	d := start(t, nodesConfig, "--sts-endpoint", cloud.URL)
	node := cloud.assume(t, nodesRole, nodeID)
	for range 3 { // tokens of one node
		status, r := d.review(t, mint(t, node, "dev"))
		if status != 200 || r.Status.User.Username != "system:node:ip-10-0-0-1.ec2.internal" {
			t.Fatalf("%d %+v\n%s", status, r.Status, d.stderr)
		}
		if diff := cmp.Diff([]string{"system:bootstrappers", "system:nodes"}, r.Status.User.Groups); diff != "" {
			t.Error(diff)
		}
	}
	for session, reason := range map[string]string{"i-0fedcba9876543210": "template", "not-an-instance": "template"} {
		status, r := d.review(t, mint(t, cloud.assume(t, nodesRole, session), "dev"))
		if status != 200 || r.Status.Authenticated || !strings.HasPrefix(r.Status.Error, "refused: "+reason) {
			t.Errorf("%s: %d %+v", session, status, r.Status)
		}
	}
	// An error of EC2's is a reason to try again, and throttling to wait.
	other := mint(t, cloud.assume(t, nodesRole, "i-0fedcba9876543211"), "dev")
	cloud.failures <- "UnauthorizedOperation"
	if status, r := d.review(t, other); status != 504 {
		t.Errorf("%d %+v", status, r)
	}
	cloud.failures <- "RequestLimitExceeded"
	if status, r := d.review(t, other); status != 200 || r.Status.Authenticated {
		t.Errorf("%d %+v", status, r)
	}
	_, text := d.get(t, "/metrics")
	for _, want := range []string{
		`aws_iam_authenticator_ec2_describe_instances_calls_total 5`,
		`eksauth_ec2_call_duration_seconds_count{result="ok"} 3`,
		`eksauth_ec2_call_duration_seconds_count{result="throttled"} 1`,
		`eksauth_ec2_call_duration_seconds_count{result="unavailable"} 1`,
		`eksauth_node_name_lookups_total{result="hit"} 2`,
		`eksauth_reviews_total{outcome="failed",reason="ec2_unavailable"} 1`,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("/metrics lacks %s\n%s", want, grep(text, "^(aws_iam|eksauth)"))
		}
	}
	log := d.stderr.String()
	if !strings.Contains(log, "its credentials need ec2:DescribeInstances") || strings.Contains(log, node.SecretAccessKey) || strings.Contains(log, node.SessionToken) {
		t.Errorf("%s", log)
	}
}

// Who has no nodes needs neither credentials nor a region; who has, learns what is
// missing when one signs in.
func TestAWSIsNotNeededBeforeANodeSignsIn(t *testing.T) {
	cloud := newAWS(t)
	awsEnvironment(t, nil)
	d := start(t, nodesConfig+"  mapUsers:\n  - userarn: "+adaARN+"\n    username: ada\n", "--sts-endpoint", cloud.URL)
	if status, r := d.review(t, mint(t, ada, "dev")); r.Status.User.Username != "ada" {
		t.Errorf("%d %+v\n%s", status, r.Status, d.stderr)
	}
	if log := d.stderr.String(); strings.Contains(log, "ERROR") || strings.Contains(log, "EC2") {
		t.Errorf("%s", log)
	}
	node := mint(t, cloud.assume(t, nodesRole, nodeID), "dev")
	if status, r := d.review(t, node); status != 504 {
		t.Errorf("%d %+v", status, r)
	}
	if log := d.stderr.String(); !strings.Contains(log, "EC2 could not be asked: no AWS region is known; set AWS_REGION to that of the nodes") {
		t.Errorf("%s", log)
	}
	t.Setenv("AWS_REGION", "eu-west-1")
	if status, r := d.review(t, node); status != 504 || !strings.Contains(d.stderr.String(), "IMDS") {
		t.Errorf("%d %+v\n%s", status, r, d.stderr)
	}
}

func TestEC2IsAskedWhereTheEnvironmentSays(t *testing.T) {
	cloud := newAWS(t)
	awsEnvironment(t, map[string]string{
		"AWS_ENDPOINT_URL_EC2": cloud.URL, "AWS_ENDPOINT_URL_STS": cloud.URL, "AWS_REGION": "eu-west-1",
		"AWS_ACCESS_KEY_ID": ada.AccessKeyID, "AWS_SECRET_ACCESS_KEY": ada.SecretAccessKey,
	})
	names := newNodeNames(awsauth.Server{EC2DescribeInstancesRoleARN: describeRole}, newMetrics(awsauth.NewLive(), expiry{time.Now, time.Now}))
	if name, err := names.PrivateDNSName(t.Context(), nodeID); err != nil || name != "ip-10-0-0-1.ec2.internal" {
		t.Errorf("%q, %v", name, err)
	}
	itself := newNodeNames(awsauth.Server{}, newMetrics(awsauth.NewLive(), expiry{time.Now, time.Now})) // not as the role
	if name, err := itself.PrivateDNSName(t.Context(), nodeID); !errors.Is(err, awsauth.ErrNamesUnavailable) || !strings.Contains(err.Error(), "UnauthorizedOperation") {
		t.Errorf("%q, %v", name, err)
	}
	denied := newNodeNames(awsauth.Server{EC2DescribeInstancesRoleARN: "arn:aws:iam::111122223333:role/untrusting"}, newMetrics(awsauth.NewLive(), expiry{time.Now, time.Now}))
	if name, err := denied.PrivateDNSName(t.Context(), nodeID); !errors.Is(err, awsauth.ErrNamesUnavailable) ||
		!strings.HasSuffix(err.Error(), `STS answers "AccessDenied"; may its credentials assume the role of server.ec2DescribeInstancesRoleARN?`) {
		t.Errorf("%q, %v", name, err)
	}
}
