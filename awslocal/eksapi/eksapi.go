// Package eksapi is the EKS API of the local AWS, as an http.Handler over its
// store: clusters as records, access entries, access policies, pod identity
// associations, and what pods ask for their role (eks-auth).
//
// What entries mean is package accessentry's to say. Whoever calls needs the
// permission, as in AWS.
package eksapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
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

// Handler is the EKS API, and eks-auth's. Calls are about clusters of the
// caller's account in the region that the request is signed for. Auth, Store and
// Log are needed.
type Handler struct {
	Auth  *sts.Authenticator
	Store *awslocal.Store
	// Pods gives roles to pods; nil: there is no AssumeRoleForPodIdentity.
	Pods *Pods
	Log  *slog.Logger
}

// maxBody bounds a request's body in bytes.
const maxBody = 256 << 10

// request is one call.
type request struct {
	http      *http.Request
	id        string
	operation string
	cluster   string   // "" for the calls that are about none
	rest      []string // of the path, behind the cluster's name
	query     url.Values
	body      []byte
	caller    sts.Caller // set once the signature is verified
	facts     iam.Context
}

// Serve answers a request for a cleaned, escaped path.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, path string) {
	q := &request{http: r, id: awsquery.NewRequestID(), query: r.URL.Query()}
	body, err := h.answer(w, q, path)
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

func (h *Handler) answer(w http.ResponseWriter, q *request, path string) (answer any, err error) {
	defer func() {
		if v := recover(); v != nil {
			answer, err = nil, fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	if q.body, err = io.ReadAll(http.MaxBytesReader(w, q.http.Body, maxBody)); err != nil {
		return nil, &awsquery.Error{Code: "InvalidRequestException", Status: http.StatusBadRequest, Message: "The body cannot be read, or is too large.", Reason: err.Error()}
	}
	run, service, found := h.find(q, path)
	if q.caller, err = h.Auth.Authenticate(q.http, q.body, service); err != nil {
		return nil, err
	}
	if !found {
		return nil, &awsquery.Error{
			Code: "UnknownOperationException", Status: http.StatusNotFound,
			Message: fmt.Sprintf("The EKS API of the local AWS does not have %s %s.", awsquery.Clip(q.http.Method), awsquery.Clip(path)),
		}
	}
	q.facts = q.caller.Context(q.http, h.Auth.Now())
	return run(q.http.Context(), q)
}

// again is what the request is known by when it comes a second time, because its
// answer was lost: it has a token of the client's, and is the same to the last byte.
// Without a token it is "".
//
// Source: "Ensuring idempotency" in the EC2 API reference, and botocore's model of
// EKS (clientRequestToken).
func (q *request) again(clientRequestToken string) string {
	if clientRequestToken == "" {
		return ""
	}
	sum := sha256.Sum256(q.body)
	return hex.EncodeToString(sum[:])
}

// sameAs says whether a request made what another one has made.
func sameAs(request, made string) bool { return request != "" && request == made }

// read takes the JSON of a body, in which nothing may be unknown.
func (q *request) read(into any) error {
	if len(q.body) == 0 {
		return nil
	}
	decoder := json.NewDecoder(strings.NewReader(string(q.body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return errInvalidParameter("The body is not what this operation takes: " + strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errInvalidParameter("The body is not what this operation takes: there is more behind the JSON")
	}
	return nil
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
	RoleARN              string        `json:"roleArn,omitempty"`
	PlatformVersion      string        `json:"platformVersion"`

	Tags map[string]string `json:"tags"`
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

func (h *Handler) describeCluster(ctx context.Context, q *request) (any, error) {
	if err := h.permitOn(ctx, q, onCluster); err != nil {
		return nil, err
	}
	c, err := h.Store.DescribeCluster(q.caller.Identity.AccountID, q.caller.Region, q.cluster)
	if err != nil {
		return nil, q.noCluster(err)
	}
	return clusterOutput{show(c)}, nil
}

type clusterOutput struct {
	Cluster clusterAnswer `json:"cluster"`
}

func show(c awslocal.PlacedCluster) clusterAnswer {
	answer := clusterAnswer{
		Name: c.Name, ARN: c.ARN().String(), CreatedAt: c.Created.Unix(), Version: c.Version,
		Endpoint: c.Endpoint, Status: status(c), AccessConfig: &accessConfig{c.AuthenticationMode},
		RoleARN: c.RoleARN, PlatformVersion: "eks.1", Tags: tagMap(c.Tags),
	}
	if c.OIDCIssuer != "" {
		answer.Identity = &identity{}
		answer.Identity.OIDC.Issuer = c.OIDCIssuer
	}
	if c.CertificateAuthority != "" {
		answer.CertificateAuthority = &certificate{base64.StdEncoding.EncodeToString([]byte(c.CertificateAuthority))}
	}
	return answer
}

func (q *request) clusterARN() string {
	who := q.caller.Identity
	return awslocal.ClusterARN(who.Partition, q.caller.Region, who.AccountID, q.cluster).String()
}

// noCluster words the error of a store that has no such cluster.
func (q *request) noCluster(err error) error {
	if !errors.Is(err, sts.ErrNotFound) {
		return err
	}
	return &awsquery.Error{
		Code: "ResourceNotFoundException", Status: http.StatusNotFound,
		Message: fmt.Sprintf("No cluster found for name: %s.", awsquery.Clip(q.cluster)),
		Reason:  fmt.Sprintf("account %s has no cluster %s in region %s", q.caller.Identity.AccountID, strconv.Quote(awsquery.Clip(q.cluster)), q.caller.Region),
	}
}

// maxResults is the largest page of ListClusters, and the one when none is asked.
const maxResults = 100

func (h *Handler) listClusters(ctx context.Context, q *request) (any, error) {
	if err := h.permit(ctx, q, "*"); err != nil {
		return nil, err
	}
	limit, after, err := q.page()
	if err != nil {
		return nil, err
	}
	names, more, err := h.Store.ListClusters(q.caller.Identity.AccountID, q.caller.Region, after, limit)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Clusters  []string `json:"clusters"`
		NextToken string   `json:"nextToken,omitempty"`
	}{Clusters: append([]string{}, names...)}
	if more {
		answer.NextToken = nextToken(names[len(names)-1])
	}
	return answer, nil
}

// page is how many items of a list the caller wants, and after which.
func (q *request) page() (limit int, after string, err error) {
	limit = maxResults
	if s := q.query.Get("maxResults"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxResults {
			return 0, "", errInvalidParameter("maxResults must be a number from 1 to 100")
		}
		limit = n
	}
	text, err := base64.RawURLEncoding.DecodeString(q.query.Get("nextToken"))
	if err != nil {
		return 0, "", errInvalidParameter("nextToken is not one of this API's")
	}
	return limit, string(text), nil
}

func nextToken(last string) string { return base64.RawURLEncoding.EncodeToString([]byte(last)) }

// cut is the page of a sorted list, and the token of the next page.
func cut[T any](items []T, key func(T) string, limit int, after string) (page []T, next string) {
	page = []T{}
	for _, item := range items {
		switch {
		case after != "" && key(item) <= after:
		case len(page) == limit:
			return page, nextToken(key(page[len(page)-1]))
		default:
			page = append(page, item)
		}
	}
	return page, ""
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
