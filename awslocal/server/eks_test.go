package server_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/sts"
)

// certificate is some certificate as PEM.
func somePEM(t testing.TB) string {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

const base = `accounts:
  - id: "111122223333"
    users:
      - name: ada
        managedPolicies: ["arn:aws:iam::aws:policy/AdministratorAccess"]
    roles:
      - name: r
        trustPolicy:
          Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Principal: {AWS: "*"}
              Action: sts:AssumeRole
    clusters:
      - name: dev
        region: us-east-1
        mapUsers:
          - userarn: arn:aws:iam::111122223333:user/ada
            username: ada
`

func describe(t testing.TB, config aws.Config, name string) (*types.Cluster, error) {
	t.Helper()
	out, err := eks.NewFromConfig(config).DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: &name})
	if err != nil {
		return nil, err
	}
	return out.Cluster, nil
}

func TestDescribeCluster(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	before := time.Now().Add(-time.Minute)
	c, err := describe(t, s.Of(t, localtest.AdaARN), "dev")
	if err != nil {
		t.Fatal(err)
	}
	if *c.Name != "dev" || *c.Arn != "arn:aws:eks:us-east-1:111122223333:cluster/dev" || c.Status != types.ClusterStatusCreating ||
		*c.Version != "1.37" || c.AccessConfig.AuthenticationMode != types.AuthenticationModeConfigMap ||
		c.Endpoint != nil || c.CertificateAuthority != nil || c.Identity != nil {
		t.Errorf("the cluster is %+v", c)
	}
	if c.CreatedAt.Before(before) || c.CreatedAt.After(time.Now()) {
		t.Errorf("it was created at %v", c.CreatedAt)
	}
}

func TestDescribeClusterWithControlPlane(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := localtest.Open(t, dir)
	localtest.Apply(t, store, localtest.Parse(t, strings.Replace(base, "region: us-east-1", "region: us-east-1\n        authenticationMode: API\n        oidcIssuer: https://127.0.0.1:1/id/A", 1)))
	ca := somePEM(t)
	if err := store.SetClusterEndpoint("dev", "https://127.0.0.1:6443", ca); err != nil {
		t.Fatal(err)
	}
	check := func(store *awslocal.Store) {
		t.Helper()
		c, err := describe(t, localtest.Serve(t, store, nil).Of(t, "arn:aws:iam::111122223333:user/ada"), "dev")
		if err != nil {
			t.Fatal(err)
		}
		data, err := base64.StdEncoding.DecodeString(*c.CertificateAuthority.Data)
		if err != nil || string(data) != ca {
			t.Errorf("the CA is %q (%v)", data, err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(data) {
			t.Error("the CA is no certificate")
		}
		if c.Status != types.ClusterStatusActive || *c.Endpoint != "https://127.0.0.1:6443" || *c.Identity.Oidc.Issuer != "https://127.0.0.1:1/id/A" || c.AccessConfig.AuthenticationMode != types.AuthenticationModeApi {
			t.Errorf("the cluster is %+v", c)
		}
	}
	check(store)
	// It stays over a restart and over a world that does not speak of it.
	store.Close()
	store = localtest.Open(t, dir)
	localtest.Apply(t, store, localtest.Parse(t, strings.Replace(base, "region: us-east-1", "region: us-east-1\n        authenticationMode: API\n        oidcIssuer: https://127.0.0.1:1/id/A", 1)))
	check(store)

	if err := store.SetClusterEndpoint("arn:aws:eks:us-east-1:111122223333:cluster/dev", "", ""); err != nil {
		t.Fatal(err)
	}
	if c, err := store.Cluster("dev"); err != nil || c.Endpoint != "" || c.CertificateAuthority != "" {
		t.Errorf("after the control plane is gone: %+v, %v", c, err)
	}
}

func TestSetClusterEndpointRefuses(t *testing.T) {
	t.Parallel()
	s := localtest.Open(t, t.TempDir())
	localtest.Apply(t, s, localtest.Parse(t, strings.Replace(base, "    clusters:", "    clusters:\n      - {name: dev, region: us-west-2}\n      - {name: only, region: us-west-2}", 1)))
	for _, tc := range []struct{ cluster, endpoint, ca, want string }{
		{"only", "http://127.0.0.1", "", "is not an https URL"},
		{"only", "https://127.0.0.1", "x", "neither PEM nor base64"},
		{"dev", "https://127.0.0.1", "", "there are 2 clusters called \"dev\": name one by its ARN, such as arn:aws:eks:us-west-2:111122223333:cluster/dev"},
		{"prod", "https://127.0.0.1", "", "not found"},
	} {
		if err := s.SetClusterEndpoint(tc.cluster, tc.endpoint, tc.ca); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("SetClusterEndpoint(%s, %s, %s): %v, want %q", tc.cluster, tc.endpoint, tc.ca, err, tc.want)
		}
	}
	if _, err := s.Cluster("prod"); !errors.Is(err, sts.ErrNotFound) {
		t.Errorf("Cluster: %v", err)
	}
	clusters, err := s.Clusters()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range clusters {
		got = append(got, c.Region+"/"+c.Name+c.Endpoint)
	}
	if diff := cmp.Diff([]string{"us-west-2/dev", "us-west-2/only", "us-east-1/dev"}, got); diff != "" {
		t.Errorf("clusters are not as in the file: %s", diff)
	}
}

// Clusters are the account's and the region's, whoever asks.
func TestOnlyClustersOfTheAccountAndTheRegionAreThere(t *testing.T) {
	t.Parallel()
	store := localtest.Open(t, t.TempDir())
	localtest.Apply(t, store, localtest.Parse(t, base+`  - id: "444455556666"
    users: [{name: mei, managedPolicies: ["arn:aws:iam::aws:policy/AdministratorAccess"]}]
    clusters: [{name: dev, region: us-east-1}, {name: mine, region: us-east-1}]
`))
	s := localtest.Serve(t, store, nil)
	const ada, mei = "arn:aws:iam::111122223333:user/ada", "arn:aws:iam::444455556666:user/mei"
	for _, tc := range []struct{ caller, region, name, want string }{
		{ada, "us-east-1", "dev", "arn:aws:eks:us-east-1:111122223333:cluster/dev"},
		{mei, "us-east-1", "dev", "arn:aws:eks:us-east-1:444455556666:cluster/dev"},
		{mei, "us-east-1", "mine", "arn:aws:eks:us-east-1:444455556666:cluster/mine"},
		{ada, "us-east-1", "mine", ""},
		{ada, "us-west-2", "dev", ""},
		{ada, "us-east-1", "DEV", ""},
		{ada, "us-east-1", "de", ""},
	} {
		config := s.Of(t, tc.caller)
		config.Region = tc.region
		c, err := describe(t, config, tc.name)
		if tc.want != "" {
			if err != nil || *c.Arn != tc.want {
				t.Errorf("%s in %s describes %s: %v", tc.caller, tc.region, tc.name, err)
			}
			continue
		}
		var notFound *types.ResourceNotFoundException
		if !errors.As(err, &notFound) {
			t.Errorf("%s in %s describes %s: %v", tc.caller, tc.region, tc.name, err)
			continue
		}
		localtest.IsAPIError(t, err, http.StatusNotFound, "ResourceNotFoundException", "No cluster found for name: "+tc.name+".")
	}
}

func TestListClustersInPages(t *testing.T) {
	t.Parallel()
	store := localtest.Open(t, t.TempDir())
	var want []string
	doc := "    clusters:\n"
	for i := range 205 {
		want = append(want, fmt.Sprintf("c%03d", i))
		doc += fmt.Sprintf("      - {name: c%03d, region: us-east-1}\n      - {name: c%03d, region: us-west-2}\n", 204-i, i)
	}
	localtest.Apply(t, store, localtest.Parse(t, "accounts:\n  - id: \"111122223333\"\n    users: [{name: ada, managedPolicies: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]}]\n"+doc))
	s := localtest.Serve(t, store, nil)
	client := eks.NewFromConfig(s.Of(t, "arn:aws:iam::111122223333:user/ada"))
	for limit, pages := range map[int32]int{0: 3, 100: 3, 50: 5, 1: 205} {
		var got []string
		n := 0
		in := &eks.ListClustersInput{}
		if limit > 0 {
			in.MaxResults = &limit
		}
		for p := eks.NewListClustersPaginator(client, in); p.HasMorePages(); n++ {
			out, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, out.Clusters...)
		}
		if diff := cmp.Diff(want, got); diff != "" || n != pages {
			t.Errorf("in pages of %d: %d pages, want %d: %s", limit, n, pages, diff)
		}
	}
	for _, in := range []*eks.ListClustersInput{{MaxResults: aws.Int32(0)}, {MaxResults: aws.Int32(101)}, {NextToken: aws.String("%%%")}} {
		_, err := client.ListClusters(t.Context(), in)
		var invalid *types.InvalidParameterException
		if !errors.As(err, &invalid) {
			t.Errorf("%+v: %v", in, err)
		}
	}
}

func TestListClustersOfNoneIsAnEmptyList(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	config := s.Of(t, localtest.AdaARN)
	config.Region = "eu-west-1"
	out, err := eks.NewFromConfig(config).ListClusters(t.Context(), &eks.ListClustersInput{})
	if err != nil || out.Clusters == nil || len(out.Clusters) != 0 || out.NextToken != nil {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestSessionsMayDescribe(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	session := mustAssume(t, s, localtest.CredentialsOf(t, s.Store, localtest.AdaARN), localtest.RoleARN)
	if _, err := describe(t, s.Config(session), "dev"); err != nil {
		t.Error(err)
	}
}

func TestEKSRefusesBadSignatures(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	ada := localtest.CredentialsOf(t, s.Store, localtest.AdaARN)
	session := mustAssume(t, s, ada, localtest.RoleARN)
	wrong := ada
	wrong.SecretAccessKey = "x" + wrong.SecretAccessKey
	unknown := ada
	unknown.AccessKeyID = "AKIAUNKNOWNUNKNOWNUN"
	for _, tc := range []struct {
		name   string
		sign   func(r *http.Request) error
		later  time.Duration
		status int
		code   string
	}{
		{"not signed", func(*http.Request) error { return nil }, 0, 403, "MissingAuthenticationTokenException"},
		{"wrong secret", signed(wrong, "eks", 0), 0, 403, "InvalidSignatureException"},
		{"unknown key", signed(unknown, "eks", 0), 0, 403, "UnrecognizedClientException"},
		{"for another path", func(r *http.Request) error {
			r.URL.Path = "/clusters/other"
			err := signed(ada, "eks", 0)(r)
			r.URL.Path = "/clusters/dev"
			return err
		}, 0, 403, "InvalidSignatureException"},
		{"old", signed(ada, "eks", -6*time.Minute), 0, 403, "InvalidSignatureException"},
		{"expired session", signed(session, "eks", 61*time.Minute), 61 * time.Minute, 403, "ExpiredTokenException"},
		{"half a signature", func(r *http.Request) error {
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+ada.AccessKeyID+"/20260101/us-east-1/eks/aws4_request")
			return nil
		}, 0, 400, "IncompleteSignatureException"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.SetClock(tc.later)
			defer s.SetClock(0)
			r, err := http.NewRequest(http.MethodGet, s.URL+"/clusters/dev", nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := tc.sign(r); err != nil {
				t.Fatal(err)
			}
			a := do(t, r)
			if a.status != tc.status || a.header.Get("X-Amzn-Errortype") != tc.code || a.json(t)["message"] == "" {
				t.Errorf("%d %v %s, want %d %s", a.status, a.header, a.body, tc.status, tc.code)
			}
		})
	}
}

// signed signs a request without a body, by a clock that is off.
func signed(c sigv4.Credentials, service string, off time.Duration) func(*http.Request) error {
	return func(r *http.Request) error {
		return sigv4.Sign(r, sigv4.EmptyPayload, c, localtest.Region, service, time.Now().Add(off))
	}
}

// answered is what a client reads.
type answered struct {
	status int
	header http.Header
	body   string
}

func (a answered) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Errorf("%q is not JSON: %v", a.body, err)
	}
	return v
}

func do(t testing.TB, r *http.Request) answered {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{response.StatusCode, response.Header, string(body)}
}
