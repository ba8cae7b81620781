// Package eksapi is the EKS API of the local AWS, as an http.Handler over its
// store.
package eksapi

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/internal/awsjson"
	"github.com/eksauth/eksauth/sts"
)

// Handler is the EKS API as far as signing in needs it: DescribeCluster and
// ListClusters, of the caller's account in the region that the request is
// signed for.
//
// Whoever calls needs the permission, as in AWS.
type Handler struct {
	Auth  *sts.Authenticator
	Store *awslocal.Store
	Log   *slog.Logger
}

// maxBody bounds a request's body in bytes; no call here has one.
const maxBody = 64 << 10

// request is one call.
type request struct {
	id        string
	operation string
	cluster   string // of DescribeCluster
	query     url.Values
	caller    sts.Caller // set once the signature is verified
	facts     iam.Context
}

// Serve answers a request for a cleaned path at or below /clusters.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, path string) {
	q := &request{id: awsquery.NewRequestID(), query: r.URL.Query()}
	body, err := h.answer(w, r, q, path)
	if err == nil {
		h.Log.LogAttrs(r.Context(), slog.LevelDebug, "eks answered", q.attrs()...)
		awsjson.Answer(w, q.id, http.StatusOK, body)
		return
	}
	refused := new(awsquery.Error)
	if !errors.As(err, &refused) {
		refused = &awsquery.Error{Code: "ServerException", Status: http.StatusInternalServerError, Message: "The request could not be processed.", Reason: err.Error()}
	}
	level := slog.LevelWarn
	if refused.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	e := &awsquery.Error{Code: eksCode(refused.Code), Status: refused.Status, Message: refused.Message}
	h.Log.LogAttrs(r.Context(), level, "eks refused", append(q.attrs(), slog.String("code", e.Code), slog.String("answer", e.Message), slog.String("reason", cmp.Or(refused.Reason, "as answered")))...)
	awsjson.Refuse(w, q.id, e)
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request, q *request, path string) (answer any, err error) {
	defer func() {
		if v := recover(); v != nil {
			answer, err = nil, fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, &awsquery.Error{Code: "InvalidRequestException", Status: http.StatusBadRequest, Message: "The body cannot be read, or is too large.", Reason: err.Error()}
	}
	if q.caller, err = h.Auth.Authenticate(r, body, "eks"); err != nil {
		return nil, err
	}
	q.facts = q.caller.Context(r, h.Auth.Now())
	name, below := strings.CutPrefix(path, "/clusters/")
	switch {
	case r.Method == http.MethodGet && !below:
		q.operation = "ListClusters"
		return h.listClusters(r.Context(), q)
	case r.Method == http.MethodGet && !strings.Contains(name, "/"):
		q.operation, q.cluster = "DescribeCluster", name
		return h.describeCluster(r.Context(), q)
	}
	return nil, &awsquery.Error{
		Code: "UnknownOperationException", Status: http.StatusNotFound,
		Message: fmt.Sprintf("The EKS API of the local AWS does not have %s %s.", awsquery.Clip(r.Method), awsquery.Clip(path)),
	}
}

// clusterAnswer is a cluster as the API shows it.
//
// Source: botocore's model of EKS, 2017-11-01 (Cluster). createdAt is in seconds.
type clusterAnswer struct {
	Name                 string        `json:"name"`
	ARN                  string        `json:"arn"`
	CreatedAt            int64         `json:"createdAt"`
	Version              string        `json:"version,omitempty"`
	Endpoint             string        `json:"endpoint,omitempty"`
	Identity             *identity     `json:"identity,omitempty"`
	Status               string        `json:"status"`
	CertificateAuthority *certificate  `json:"certificateAuthority,omitempty"`
	AccessConfig         *accessConfig `json:"accessConfig"`
}

type (
	identity struct {
		OIDC struct {
			Issuer string `json:"issuer"`
		} `json:"oidc"`
	}
	certificate struct {
		Data string `json:"data"`
	}
	accessConfig struct {
		AuthenticationMode awslocal.AuthenticationMode `json:"authenticationMode"`
	}
)

// permit asks the policies of the caller.
//
// Source: "Actions, resources, and condition keys for Amazon Elastic Kubernetes
// Service" in the service authorization reference.
func (h *Handler) permit(ctx context.Context, q *request, resource string) error {
	return h.Auth.Authorize(ctx, q.caller, "eks:"+q.operation, resource, q.facts)
}

func (h *Handler) describeCluster(ctx context.Context, q *request) (any, error) {
	who := q.caller.Identity.Principal
	if err := h.permit(ctx, q, awslocal.ClusterARN(who.Partition, q.caller.Region, who.AccountID, q.cluster).String()); err != nil {
		return nil, err
	}
	c, err := h.Store.DescribeCluster(q.caller.Identity.AccountID, q.caller.Region, q.cluster)
	if errors.Is(err, sts.ErrNotFound) {
		return nil, &awsquery.Error{
			Code: "ResourceNotFoundException", Status: http.StatusNotFound,
			Message: fmt.Sprintf("No cluster found for name: %s.", awsquery.Clip(q.cluster)),
			Reason:  fmt.Sprintf("account %s has no cluster %s in region %s", q.caller.Identity.AccountID, strconv.Quote(awsquery.Clip(q.cluster)), q.caller.Region),
		}
	}
	if err != nil {
		return nil, err
	}
	answer := clusterAnswer{
		Name: c.Name, ARN: c.ARN().String(), CreatedAt: c.Created.Unix(), Version: c.Version,
		Endpoint: c.Endpoint, Status: status(c), AccessConfig: &accessConfig{c.AuthenticationMode},
	}
	if c.OIDCIssuer != "" {
		answer.Identity = &identity{}
		answer.Identity.OIDC.Issuer = c.OIDCIssuer
	}
	if c.CertificateAuthority != "" {
		answer.CertificateAuthority = &certificate{base64.StdEncoding.EncodeToString([]byte(c.CertificateAuthority))}
	}
	return struct {
		Cluster clusterAnswer `json:"cluster"`
	}{answer}, nil
}

// maxResults is the largest page of ListClusters, and the one when none is asked.
const maxResults = 100

func (h *Handler) listClusters(ctx context.Context, q *request) (any, error) {
	if err := h.permit(ctx, q, "*"); err != nil {
		return nil, err
	}
	limit := maxResults
	if s := q.query.Get("maxResults"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxResults {
			return nil, errInvalidParameter("maxResults must be a number from 1 to 100")
		}
		limit = n
	}
	after, err := base64.RawURLEncoding.DecodeString(q.query.Get("nextToken"))
	if err != nil {
		return nil, errInvalidParameter("nextToken is not one of this API's")
	}
	names, more, err := h.Store.ListClusters(q.caller.Identity.AccountID, q.caller.Region, string(after), limit)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Clusters  []string `json:"clusters"`
		NextToken string   `json:"nextToken,omitempty"`
	}{Clusters: append([]string{}, names...)}
	if more {
		answer.NextToken = base64.RawURLEncoding.EncodeToString([]byte(names[len(names)-1]))
	}
	return answer, nil
}

func errInvalidParameter(message string) error {
	return &awsquery.Error{Code: "InvalidParameterException", Status: http.StatusBadRequest, Message: message}
}

// eksCode is the name that JSON APIs have for an error of the query APIs.
//
// Source: "Common errors" in the EKS API reference, and answers of the real
// service.
func eksCode(code string) string {
	switch code {
	case "SignatureDoesNotMatch":
		return "InvalidSignatureException"
	case "InvalidClientTokenId":
		return "UnrecognizedClientException"
	case "ExpiredToken":
		return "ExpiredTokenException"
	case "MissingAuthenticationToken":
		return "MissingAuthenticationTokenException"
	case "IncompleteSignature":
		return "IncompleteSignatureException"
	case "AccessDenied":
		return "AccessDeniedException"
	case "InternalFailure":
		return "ServerException"
	}
	return code
}

func (q *request) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("requestId", q.id), slog.String("operation", q.operation)}
	if q.cluster != "" {
		attrs = append(attrs, slog.String("cluster", awsquery.Clip(q.cluster)))
	}
	if q.caller.Identity.Kind != 0 {
		attrs = append(attrs,
			slog.String("principal", q.caller.Identity.Principal.String()),
			slog.String("accessKeyId", q.caller.Identity.AccessKeyID))
	}
	return attrs
}

// status is CREATING for a cluster that nobody runs: the aws CLI then refuses to
// write a kubeconfig for it, rather than one without a server.
func status(c awslocal.PlacedCluster) string {
	if c.Endpoint == "" {
		return "CREATING"
	}
	return "ACTIVE"
}
