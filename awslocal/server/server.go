// Package server is the APIs of the local AWS on one listener. It finds out which
// of them a request is for, and answers for those that are not there.
//
// It may import every package of this module except those that need Kubernetes,
// and no AWS SDK (its tests use the SDK as the client).
package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awslocal/eksapi"
	"github.com/eksauth/eksauth/awslocal/iamapi"
	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/sts"
)

// Server is the APIs of a local AWS as one http.Handler: STS and IAM, which have
// the path "/", and EKS below "/clusters". The service that a request is signed for
// decides which it is for; the APIs verify the signature.
//
// Whatever else comes in is answered with an error in the shape of the API that
// the client is speaking.
type Server struct {
	sts *sts.Handler
	iam *iamapi.Handler
	eks *eksapi.Handler
	log *slog.Logger

	auth *sts.Authenticator
}

// Config is what a Server is made of. Store, Now and Log are needed.
type Config struct {
	Store *awslocal.Store
	// Tokens verifies the tokens of web identities. If it is nil, there is no
	// AssumeRoleWithWebIdentity.
	Tokens sts.Tokens
	Now    func() time.Time // by which signatures and sessions expire
	Log    *slog.Logger     // gets a line for each request
	// MaxSession, if it is not 0, is when sessions end, however long was asked
	// for; see sts.Handler.
	MaxSession time.Duration
	// Quotas of IAM; the zero value stands for AWS's own.
	Quotas iamapi.Quotas
}

// New serves a store.
func New(c Config) *Server {
	auth := &sts.Authenticator{Directory: c.Store, Sessions: c.Store.Sessions(), Now: c.Now, Managed: c.Store}
	s := &Server{
		sts: &sts.Handler{Auth: auth, Log: c.Log, MaxSession: c.MaxSession},
		iam: &iamapi.Handler{Auth: auth, Store: c.Store, Quotas: c.Quotas, Log: c.Log},
		eks: &eksapi.Handler{Auth: auth, Store: c.Store, Log: c.Log},
		log: c.Log, auth: auth,
	}
	if c.Tokens != nil {
		s.eks.Pods = &eksapi.Pods{Tokens: c.Tokens, STS: s.sts}
		s.sts.WebIdentity = &sts.WebIdentity{Providers: c.Store, Tokens: c.Tokens}
	}
	return s
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.recover(w, r)
	service := signedFor(r)
	// A signature covers the cleaned path, so that is what must count.
	switch clean := path.Clean("/" + r.URL.Path); {
	case service == "ec2":
		s.refuseEC2(w, r)
	case service != "" && service != "sts" && service != "iam" && service != "eks" && service != "eks-auth":
		s.refuseService(w, r, service)
	case service == "iam" && clean == "/":
		s.iam.ServeHTTP(w, r)
	case (service == "sts" || service == "") && clean == "/":
		s.sts.ServeHTTP(w, r)
	case (service == "eks" || service == "eks-auth" || service == "") && isEKS(clean):
		// Names in the path may have slashes, which are escaped there.
		s.eks.Serve(w, r, path.Clean("/"+r.URL.EscapedPath()))
	default:
		s.refusePath(w, r, service)
	}
}

// isEKS says whether a path is one of the EKS API's.
func isEKS(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first == "clusters" || first == "tags" || first == "access-policies"
}

// recover answers a request that has come to a panic, which the APIs do
// themselves as far as they get.
func (s *Server) recover(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	s.log.LogAttrs(r.Context(), slog.LevelError, "request failed",
		slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
	answerError(w, r, "", awsquery.Internal("panic"))
}

// signedFor is the service that a request claims to be signed for; "" if it
// claims none. It only finds the API, which checks the claim.
//
// Source: "Create a signed AWS API request" in the IAM user guide: the scope is
// KEY/DATE/REGION/SERVICE/aws4_request.
func signedFor(r *http.Request) string {
	_, credential, ok := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	if ok {
		credential, _, _ = strings.Cut(credential, ",")
	} else {
		credential = r.URL.Query().Get("X-Amz-Credential")
	}
	parts := strings.Split(credential, "/")
	if len(parts) != 5 {
		return ""
	}
	return parts[3]
}
