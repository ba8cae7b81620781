package sts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/sigv4"
)

// ErrNotFound is a Directory's answer for what it does not have.
var ErrNotFound = errors.New("not found")

// Directory knows the access keys, the roles, and who may do what. Implementations
// are safe for concurrent use and answer ErrNotFound, wrapped or not, for what does not
// exist; any other error denies the request with InternalFailure.
type Directory interface {
	// AccessKey finds a long-term access key by its id.
	AccessKey(ctx context.Context, id string) (AccessKey, error)
	// Role finds a role by partition, account and name. Whether the path is
	// the one asked for is checked by this package.
	Role(ctx context.Context, role arn.Principal) (Role, error)
	// Policies finds what a user or a role may do.
	Policies(ctx context.Context, principal arn.Principal) (Policies, error)
}

// AccessKey is a long-term access key of a user or of an account's root.
// Printed or logged, it keeps its secret to itself.
type AccessKey struct {
	Secret string `json:"-"`
	Active bool
	Owner  arn.Identity
	Tags   []Tag // of the owner
}

// String names the key without giving it away.
func (k AccessKey) String() string { return k.Owner.AccessKeyID + " of " + k.Owner.Principal.String() }

// GoString keeps the secret out of %#v.
func (k AccessKey) GoString() string { return "sts.AccessKey(" + k.String() + ")" }

// LogValue keeps the secret out of logs.
func (k AccessKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Role is what STS has to know of a role.
type Role struct {
	Principal          arn.Principal // with the path
	ID                 string        // AROA…
	TrustPolicy        *iam.Policy
	MaxSessionDuration time.Duration
	Tags               []Tag
}

// Authenticator verifies the signatures of requests to AWS APIs. The zero
// value is of no use: all fields but Managed are needed.
type Authenticator struct {
	Directory Directory
	Sessions  *Sealer
	Now       func() time.Time
	// Managed finds managed session policies; nil: sessions have none.
	Managed Managed
}

// Authenticate says who signed the request with this body for the service.
//
// All of method, path, query, host, body and x-amz-* headers must be covered
// by the signature, which must be fresh: five minutes for signed requests,
// fifteen for presigned ones. Errors are *Error. Someone without a valid
// secret learns what AWS tells them too: whether a request is well-formed and
// fresh, and whether a key exists; not whether it is inactive or was deleted,
// nor whether a session has expired.
func (a *Authenticator) Authenticate(r *http.Request, body []byte, service string) (Caller, error) {
	now := a.Now()
	signature, err := sigv4.ParseSignature(r)
	if errors.Is(err, sigv4.ErrNoSignature) {
		return Caller{}, errMissingToken()
	}
	if err != nil {
		return Caller{}, errIncomplete(err.Error())
	}
	partition, err := checkScope(signature.Scope, r.Host, service)
	if err != nil {
		return Caller{}, err
	}
	if err := signature.CheckTime(now); err != nil {
		return Caller{}, errSignature(err.Error(), "")
	}
	caller, secret, err := a.lookUp(r.Context(), signature)
	if err != nil {
		return Caller{}, err
	}
	caller.Region = signature.Scope.Region
	if caller.Identity.Partition != partition {
		return Caller{}, errToken("the key is of partition %s and the request of partition %s", caller.Identity.Partition, partition)
	}
	if err := verify(signature, r, body, secret); err != nil {
		return Caller{}, err
	}
	if caller.Session != nil {
		if caller.Tags, err = a.checkSession(r.Context(), caller.Session, now); err != nil {
			return Caller{}, err
		}
	}
	return caller, nil
}

// checkScope finds the partition that a credential scope is for. A real STS
// host takes only signatures for its own region.
func checkScope(scope sigv4.Scope, host, service string) (partition string, err error) {
	p, ok := arn.PartitionOfRegion(scope.Region)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if sts, real := arn.ParseSTSHost(host); real && sts.Region != scope.Region {
		ok = false
	}
	if !ok {
		return "", errSignature("Credential should be scoped to a valid region.",
			fmt.Sprintf("scope is for region %q and the host is %q", scope.Region, awsquery.Clip(host)))
	}
	if scope.Service != service {
		return "", errSignature(fmt.Sprintf("Credential should be scoped to correct service: '%s'.", service),
			fmt.Sprintf("scope is for service %q", scope.Service))
	}
	return p.ID, nil
}

// lookUp finds the secret that the request should have been signed with.
func (a *Authenticator) lookUp(ctx context.Context, s sigv4.Signature) (caller Caller, secret string, err error) {
	if strings.HasPrefix(s.AccessKeyID, sessionKeyPrefix) {
		if s.SessionToken == "" {
			return Caller{}, "", errToken("access key %s is a session's, but there is no session token", s.AccessKeyID)
		}
		session, secret, err := a.Sessions.Open(s.SessionToken, s.AccessKeyID)
		if err != nil {
			return Caller{}, "", errToken("session token with access key %s: %v", s.AccessKeyID, err)
		}
		return Caller{Identity: session.Identity, Session: &session}, secret, nil
	}
	if s.SessionToken != "" {
		return Caller{}, "", errToken("long-term access key %s came with a session token", s.AccessKeyID)
	}
	key, err := a.Directory.AccessKey(ctx, s.AccessKeyID)
	switch {
	case errors.Is(err, ErrNotFound):
		return Caller{}, "", errToken("access key %s does not exist", s.AccessKeyID)
	case err != nil:
		return Caller{}, "", awsquery.Internal("look up access key %s: %v", s.AccessKeyID, err)
	case !key.Active:
		return Caller{}, "", errToken("access key %s is inactive", s.AccessKeyID)
	case key.Secret == "":
		return Caller{}, "", awsquery.Internal("access key %s has no secret", s.AccessKeyID)
	}
	caller = Caller{Identity: key.Owner, Tags: key.Tags}
	caller.Identity.AccessKeyID = s.AccessKeyID
	return caller, key.Secret, nil
}

// verify compares the signature with the one that the secret gives for the
// request as it came in. A hash of the body that the caller claims must be the
// body's own: UNSIGNED-PAYLOAD and the STREAMING ones are none.
func verify(s sigv4.Signature, r *http.Request, body []byte, secret string) error {
	const message = "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	hash := sigv4.PayloadHash(body)
	for _, claimed := range r.Header.Values("X-Amz-Content-Sha256") {
		if claimed != hash {
			return errSignature(message, "X-Amz-Content-Sha256 is not the body's hash")
		}
	}
	err := s.Verify(r, hash, secret)
	var format *sigv4.FormatError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &format):
		return errSignature(format.Error(), "")
	}
	return errSignature(message, fmt.Sprintf("%v: wrong secret for access key %s, or request changed", err, s.AccessKeyID))
}

// checkSession says whether a session is still good, and which tags whoever is
// behind it has. It comes after the signature: only its owner learns that a session
// has ended.
func (a *Authenticator) checkSession(ctx context.Context, session *Session, now time.Time) ([]Tag, error) {
	if !now.Before(session.Expires) {
		return nil, errExpired("session of %s expired at %s", session.Identity.Principal, session.Expires.Format(time.RFC3339))
	}
	switch {
	case session.User.Kind == arn.User:
		if _, err := a.Directory.Policies(ctx, session.User); errors.Is(err, ErrNotFound) {
			return nil, errToken("user %s of the session was deleted", session.User)
		} else if err != nil {
			return nil, awsquery.Internal("look up user %s: %v", session.User, err)
		}
		return nil, nil
	case session.Role.Kind != arn.Role:
		return nil, nil
	}
	role, err := a.Directory.Role(ctx, session.Role)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, awsquery.Internal("look up role %s: %v", session.Role, err)
	}
	// A role that was made anew under the old name has another id, and must
	// not inherit the sessions of the old one.
	if err != nil || role.ID != session.Identity.UserID {
		return nil, errToken("role %s of session %s was deleted", session.Role, session.Identity.Session)
	}
	return role.Tags, nil
}
