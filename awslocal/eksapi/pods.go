package eksapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/oidc"
	"github.com/eksauth/eksauth/sts"
)

const (
	podService  = "pods.eks.amazonaws.com" // as trust policies name it
	podAudience = "pods.eks.amazonaws.com"
	// podSession is how long a pod's credentials are good.
	podSession = 6 * time.Hour
)

// Pods gives pods the roles of their associations. Both fields are needed.
type Pods struct {
	Tokens sts.Tokens   // verifies the tokens of service accounts
	STS    *sts.Handler // gives the credentials
}

// assumeRoleForPodIdentity gives the credentials of a pod's role to the agent on
// its node, who signs and shows the pod's token.
//
// Source: "AssumeRoleForPodIdentity" in the EKS Auth API reference.
func (h *Handler) assumeRoleForPodIdentity(ctx context.Context, q *request) (any, error) {
	var in struct {
		Token string `json:"token"`
	}
	if err := q.read(&in); err != nil {
		return nil, err
	}
	resource := q.clusterARN()
	if err := h.Auth.Authorize(ctx, q.caller, "eks-auth:AssumeRoleForPodIdentity", resource, q.facts); err != nil {
		return nil, err
	}
	c, err := h.Store.ReadCluster(q.caller.Identity.AccountID, q.caller.Region, q.cluster)
	if err != nil {
		return nil, q.noCluster(err)
	}
	pod, err := h.Pods.verify(ctx, c.Issuer(), in.Token)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(c.PodIdentities, func(p awslocal.PodIdentityRecord) bool {
		return p.Namespace == pod.namespace && p.ServiceAccount == pod.serviceAccount
	})
	if at < 0 {
		return nil, errNotFound(fmt.Sprintf("No association found for the service account %s/%s in the cluster %s", pod.namespace, pod.serviceAccount, q.cluster))
	}
	return h.give(ctx, q, c.PodIdentities[at], pod)
}

// podClaims are those of a pod's token that count.
type podClaims struct{ namespace, serviceAccount, pod, uid string }

// verify finds out whose a token is.
func (p *Pods) verify(ctx context.Context, issuer, raw string) (podClaims, error) {
	if issuer == "" {
		return podClaims{}, errToken("the cluster has no issuer")
	}
	claims, err := p.Tokens.Verify(ctx, issuer, raw)
	refused := new(oidc.Error)
	switch {
	case errors.As(err, &refused) && refused.Reason == oidc.Expired:
		return podClaims{}, &awsquery.Error{Code: "ExpiredTokenException", Status: http.StatusBadRequest, Message: "The specified Kubernetes service account token is expired.", Reason: refused.Message}
	case err != nil:
		return podClaims{}, errToken(err.Error())
	case !slices.Contains(claims.Audience, podAudience):
		return podClaims{}, errToken(fmt.Sprintf("its audience is %q, not %s", claims.Audience, podAudience))
	}
	kubernetes, _ := claims.All["kubernetes.io"].(map[string]any)
	name := func(object, field string) string {
		of, _ := kubernetes[object].(map[string]any)
		text, _ := of[field].(string)
		return text
	}
	pod := podClaims{serviceAccount: name("serviceaccount", "name"), pod: name("pod", "name"), uid: name("pod", "uid")}
	pod.namespace, _ = kubernetes["namespace"].(string)
	if pod.namespace == "" || pod.serviceAccount == "" || pod.pod == "" {
		return podClaims{}, errToken("it is not bound to a pod of a service account")
	}
	return pod, nil
}

func errToken(reason string) error {
	return &awsquery.Error{Code: "InvalidTokenException", Status: http.StatusBadRequest, Message: "The specified Kubernetes service account token is invalid.", Reason: reason}
}

func (h *Handler) give(ctx context.Context, q *request, p awslocal.PodIdentityRecord, pod podClaims) (any, error) {
	role, err := arn.ParsePrincipal(p.RoleARN)
	if err != nil {
		return nil, err
	}
	issued, err := h.Pods.STS.AssumeForService(ctx, q.http, sts.ServiceRequest{
		Service: podService, Role: role, SessionName: sessionName(q.cluster, pod.pod), Duration: podSession,
		Tags: []sts.Tag{ // all transitive, as EKS has them
			{Key: "eks-cluster-arn", Value: q.clusterARN(), Transitive: true},
			{Key: "eks-cluster-name", Value: q.cluster, Transitive: true},
			{Key: "kubernetes-namespace", Value: pod.namespace, Transitive: true},
			{Key: "kubernetes-service-account", Value: pod.serviceAccount, Transitive: true},
			{Key: "kubernetes-pod-name", Value: pod.pod, Transitive: true},
			{Key: "kubernetes-pod-uid", Value: pod.uid, Transitive: true},
		},
	})
	if err != nil {
		return nil, err
	}
	type subject struct {
		Namespace      string `json:"namespace"`
		ServiceAccount string `json:"serviceAccount"`
	}
	type associated struct {
		ARN string `json:"associationArn"`
		ID  string `json:"associationId"`
	}
	type user struct {
		ARN string `json:"arn"`
		ID  string `json:"assumeRoleId"`
	}
	type credentials struct {
		SessionToken    string `json:"sessionToken"`
		SecretAccessKey string `json:"secretAccessKey"`
		AccessKeyID     string `json:"accessKeyId"`
		Expiration      int64  `json:"expiration"`
	}
	return struct {
		Subject     subject     `json:"subject"`
		Audience    string      `json:"audience"`
		Association associated  `json:"podIdentityAssociation"`
		User        user        `json:"assumedRoleUser"`
		Credentials credentials `json:"credentials"`
	}{
		subject{pod.namespace, pod.serviceAccount}, podAudience, associated{q.associationARN(p.ID), p.ID},
		user{issued.Principal.String(), issued.ID},
		credentials{issued.SessionToken, issued.SecretAccessKey, issued.AccessKeyID, issued.Expires.Unix()},
	}, nil
}

// sessionName is eks-CLUSTER-POD-UUID, cut to what a session's name may be.
func sessionName(cluster, pod string) string {
	const most, uuid = 64, 36
	name := "eks-" + cluster + "-" + pod
	return name[:min(len(name), most-uuid-1)] + "-" + awslocal.NewUUID()
}
