package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/oidc"
	"github.com/eksauth/eksauth/sigv4"
)

// mintPod is a pod's token, as kubelet gives it to the agent.
func (i *issuer) mintPod(t testing.TB, name, audience string, pod *oidc.Object, lifetime time.Duration) string {
	t.Helper()
	token, err := i.Mint(oidc.TokenRequest{
		ServiceAccount: oidc.ServiceAccount{Namespace: "shop", Object: oidc.Object{Name: name}}, Audiences: []string{audience}, Lifetime: lifetime, Pod: pod,
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// asAgent asks as the Pod Identity agent of a node does.
func asAgent(t testing.TB, s *localtest.Service, c sigv4.Credentials, cluster, token string) answered {
	t.Helper()
	body := `{"token":"` + token + `"}`
	r, err := http.NewRequest(http.MethodPost, s.URL+"/clusters/"+cluster+"/assume-role-for-pod-identity", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(body)), c, localtest.Region, "eks-auth", time.Now()); err != nil {
		t.Fatal(err)
	}
	return do(t, r)
}

func TestPodIdentity(t *testing.T) {
	t.Parallel()
	s, i := serveIssuer(t)
	ctx := t.Context()
	trust := func(actions string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":` + actions + `}}`
	}
	administrator := iam.NewFromConfig(s.Of(t, administratorARN))
	clusters := eks.NewFromConfig(s.Of(t, administratorARN))
	for name, document := range map[string]string{"pod": trust(`["sts:AssumeRole","sts:TagSession"]`), "untagged": trust(`"sts:AssumeRole"`)} {
		if _, err := administrator.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(name), AssumeRolePolicyDocument: aws.String(document)}); err != nil {
			t.Fatal(err)
		}
	}
	// The role's rights depend on where the pod is, by the tags of its session.
	if _, err := administrator.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("pod"), PolicyName: aws.String("p"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:ListClusters","Resource":"*","Condition":{"StringEquals":{
			"aws:PrincipalTag/kubernetes-namespace":"shop","aws:PrincipalTag/kubernetes-service-account":"api","aws:PrincipalTag/eks-cluster-name":"dev",
			"aws:PrincipalTag/eks-cluster-arn":"arn:aws:eks:us-east-1:111122223333:cluster/dev","aws:PrincipalTag/kubernetes-pod-name":"api-1","aws:PrincipalTag/kubernetes-pod-uid":"u-1"}}}}`)}); err != nil {
		t.Fatal(err)
	}
	for serviceAccount, role := range map[string]string{"api": "pod", "untagged": "untagged", "untrusted": "awesome.role"} {
		if _, err := clusters.CreatePodIdentityAssociation(ctx, &eks.CreatePodIdentityAssociationInput{
			ClusterName: aws.String("dev"), Namespace: aws.String("shop"), ServiceAccount: aws.String(serviceAccount), RoleArn: aws.String("arn:aws:iam::111122223333:role/" + role),
		}); err != nil {
			t.Fatal(err)
		}
	}
	const audience = "pods.eks.amazonaws.com"
	pod := &oidc.Object{Name: "api-1", UID: "u-1"}
	node := localtest.CredentialsOf(t, s.Store, administratorARN)
	good := i.mintPod(t, "api", audience, pod, time.Hour)
	a := asAgent(t, s, node, "dev", good)
	var out struct {
		Subject                struct{ Namespace, ServiceAccount string }
		Audience               string
		PodIdentityAssociation struct{ AssociationArn, AssociationID string }
		AssumedRoleUser        struct{ ARN, AssumeRoleID string }
		Credentials            struct {
			SessionToken, SecretAccessKey, AccessKeyID string
			Expiration                                 float64
		}
	}
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != 200 {
		t.Fatalf("%d %s %v", a.status, a.body, err)
	}
	if out.Subject.Namespace != "shop" || out.Subject.ServiceAccount != "api" || out.Audience != audience || !strings.HasPrefix(out.PodIdentityAssociation.AssociationID, "a-") ||
		!strings.HasPrefix(out.AssumedRoleUser.ARN, "arn:aws:sts::111122223333:assumed-role/pod/eks-dev-api-1-") || !strings.HasPrefix(out.AssumedRoleUser.AssumeRoleID, "AROA") {
		t.Errorf("%+v", out)
	}
	session := sigv4.Credentials{AccessKeyID: out.Credentials.AccessKeyID, SecretAccessKey: out.Credentials.SecretAccessKey, SessionToken: out.Credentials.SessionToken}
	if _, who, err := whoami(t, s, session); err != nil || who != out.AssumedRoleUser.ARN {
		t.Errorf("%s %v", who, err)
	}
	if _, err := eks.NewFromConfig(s.Config(session)).ListClusters(ctx, nil); err != nil {
		t.Error(err)
	}
	for _, part := range []string{good, session.SecretAccessKey, session.SessionToken} {
		if strings.Contains(s.Log.String(), part) {
			t.Error("the log has a secret")
		}
	}

	stranger := startIssuer(t, "ES256")
	i.Now = func() time.Time { return time.Now().Add(-2 * time.Hour) }
	expired := i.mintPod(t, "api", audience, pod, time.Hour)
	i.Now = nil
	for name, tc := range map[string]struct {
		cluster, token string
		by             string
		status         int
		code, reason   string
	}{
		"another audience":         {"dev", i.mintPod(t, "api", "sts.amazonaws.com", pod, time.Hour), administratorARN, 400, "InvalidTokenException", "audience"},
		"no association":           {"dev", i.mintPod(t, "other", audience, pod, time.Hour), administratorARN, 404, "ResourceNotFoundException", ""},
		"no pod":                   {"dev", i.mintPod(t, "api", audience, nil, time.Hour), administratorARN, 400, "InvalidTokenException", "not bound to a pod"},
		"another cluster's":        {"dev", stranger.mintPod(t, "api", audience, pod, time.Hour), administratorARN, 400, "InvalidTokenException", ""},
		"no token":                 {"dev", "garbage", administratorARN, 400, "InvalidTokenException", ""},
		"no such cluster":          {"prod", good, administratorARN, 404, "ResourceNotFoundException", ""},
		"untrusted":                {"dev", i.mintPod(t, "untrusted", audience, pod, time.Hour), administratorARN, 403, "AccessDeniedException", "Principal: want"},
		"without sts:TagSession":   {"dev", i.mintPod(t, "untagged", audience, pod, time.Hour), administratorARN, 403, "AccessDeniedException", "sts:TagSession"},
		"a node without the right": {"dev", good, localtest.AdaARN, 403, "AccessDeniedException", "eks-auth:AssumeRoleForPodIdentity"},
		"altered":                  {"dev", good[:len(good)-4] + "AAAA", administratorARN, 400, "InvalidTokenException", ""},
		"expired":                  {"dev", expired, administratorARN, 400, "ExpiredTokenException", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := asAgent(t, s, localtest.CredentialsOf(t, s.Store, tc.by), tc.cluster, tc.token)
			if code := a.header.Get("X-Amzn-Errortype"); a.status != tc.status || tc.code != "" && code != tc.code {
				t.Errorf("%d %s %s, want %d %s", a.status, code, a.body, tc.status, tc.code)
			}
			if !strings.Contains(s.Log.String(), tc.reason) {
				t.Errorf("the log does not say %q", tc.reason)
			}
		})
	}
}
