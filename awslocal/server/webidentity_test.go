package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/oidc"
)

// issuer is a cluster's issuer that answers over TLS.
type issuer struct {
	*oidc.Issuer
	server *httptest.Server
}

func startIssuer(t testing.TB, algorithm string) *issuer {
	t.Helper()
	key, err := oidc.GenerateKey(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := oidc.NewKeySet(key)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{}
	i.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { i.Handler().ServeHTTP(w, r) }))
	t.Cleanup(i.server.Close)
	if i.Issuer, err = oidc.NewIssuer(i.server.URL+"/id/dev", keys); err != nil {
		t.Fatal(err)
	}
	return i
}

// verifier trusts the issuer's certificate.
func (i *issuer) verifier() *oidc.Verifier { return &oidc.Verifier{Client: i.server.Client()} }

// token is a service account's.
func (i *issuer) token(t testing.TB, namespace, name string, audiences ...string) string {
	t.Helper()
	token, err := i.Mint(oidc.TokenRequest{
		ServiceAccount: oidc.ServiceAccount{Namespace: namespace, Object: oidc.Object{Name: name}},
		Audiences:      audiences, Lifetime: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// podToken is a token file as kubelet writes it.
type podToken string

func (f podToken) GetIdentityToken() ([]byte, error) { return []byte(f + "\n"), nil }

// serveIssuer is the default world with its cluster's issuer running.
func serveIssuer(t testing.TB) (*localtest.Service, *issuer) {
	t.Helper()
	i := startIssuer(t, "ES256")
	store := localtest.Open(t, t.TempDir())
	w, err := awslocal.DefaultWorld()
	if err != nil {
		t.Fatal(err)
	}
	localtest.Apply(t, store, w)
	if err := store.SetClusterIssuer("dev", i.URL()); err != nil {
		t.Fatal(err)
	}
	return localtest.Serve(t, store, i.verifier()), i
}

const appARN = "arn:aws:iam::111122223333:role/awesome.app"

func assumeAsPod(t testing.TB, s *localtest.Service, role, token string) error {
	t.Helper()
	_, err := awssts.NewFromConfig(s.Anonymous()).AssumeRoleWithWebIdentity(t.Context(), &awssts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String(role), RoleSessionName: aws.String("pod-1"), WebIdentityToken: aws.String(token),
	})
	return err
}

func TestServiceAccountBecomesARole(t *testing.T) {
	t.Parallel()
	s, i := serveIssuer(t)
	token := i.token(t, "awesome-app", "awesome-app", "sts.amazonaws.com")
	config := s.Anonymous()
	config.Credentials = stscreds.NewWebIdentityRoleProvider(awssts.NewFromConfig(s.Anonymous()), appARN, podToken(token),
		func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = "pod-1" })
	who, err := awssts.NewFromConfig(config).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.Log)
	}
	if *who.Arn != "arn:aws:sts::111122223333:assumed-role/awesome.app/pod-1" || *who.Account != localtest.Account {
		t.Errorf("it is %s of %s", *who.Arn, *who.Account)
	}
	for part := range strings.SplitSeq(token, ".") {
		if strings.Contains(s.Log.String(), part) {
			t.Error("the log has a part of the token")
		}
	}
}

func TestServiceAccountIsRefused(t *testing.T) {
	t.Parallel()
	s, i := serveIssuer(t)
	stranger := startIssuer(t, "ES256")
	const denied = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
	for name, tc := range map[string]struct {
		role, token   string
		status        int
		code, message string
	}{
		"another namespace":       {appARN, i.token(t, "default", "awesome-app", "sts.amazonaws.com"), 403, "AccessDenied", denied},
		"another service account": {appARN, i.token(t, "awesome-app", "default", "sts.amazonaws.com"), 403, "AccessDenied", denied},
		"another role":            {localtest.RoleARN, i.token(t, "awesome-app", "awesome-app", "sts.amazonaws.com"), 403, "AccessDenied", denied},
		"no such role":            {appARN + "2", i.token(t, "awesome-app", "awesome-app", "sts.amazonaws.com"), 403, "AccessDenied", denied},
		"another account": {strings.Replace(appARN, localtest.Account, "444455556666", 1), i.token(t, "awesome-app", "awesome-app", "sts.amazonaws.com"),
			400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for " + i.URL()},
		"ordinary token":   {appARN, i.token(t, "awesome-app", "awesome-app"), 400, "InvalidIdentityToken", "Missing a required claim: aud"},
		"another audience": {appARN, i.token(t, "awesome-app", "awesome-app", "vault"), 400, "InvalidIdentityToken", "Incorrect token audience"},
		"another cluster": {appARN, stranger.token(t, "awesome-app", "awesome-app", "sts.amazonaws.com"),
			400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for " + stranger.URL()},
	} {
		t.Run(name, func(t *testing.T) {
			localtest.IsAPIError(t, assumeAsPod(t, s, tc.role, tc.token), tc.status, tc.code, tc.message)
		})
	}
	// Registered, but nobody to be reached.
	stranger.server.Close()
	if err := s.Store.SetClusterIssuer("dev", stranger.URL()); err != nil {
		t.Fatal(err)
	}
	localtest.IsAPIError(t, assumeAsPod(t, s, appARN, stranger.token(t, "awesome-app", "awesome-app", "sts.amazonaws.com")),
		400, "InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider")
}

func TestServerWithoutTokensHasNoWebIdentity(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	localtest.IsAPIError(t, assumeAsPod(t, s, appARN, "e30.e30.e30"), 400, "InvalidAction", "Could not find operation AssumeRoleWithWebIdentity")
}

// A provider without client ids is there, and accepts no audience.
func TestProviderWithoutClientIDs(t *testing.T) {
	t.Parallel()
	s, i := serveIssuer(t)
	token := i.token(t, "default", "app", "sts.amazonaws.com")
	iamCall(t, s, "CreateOpenIDConnectProvider", "Url", i.URL())
	localtest.IsAPIError(t, assumeAsPod(t, s, appARN, token), 400, "InvalidIdentityToken", "Incorrect token audience")
	exported(t, s)
	localtest.IsAPIError(t, assumeAsPod(t, s, appARN, token), 400, "InvalidIdentityToken", "Incorrect token audience")
}
