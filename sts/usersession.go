package sts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/sigv4"
)

const (
	maxUserSession     = 36 * 3600 // seconds
	defaultUserSession = 12 * 3600 // seconds
	maxRootSession     = time.Hour
)

// getSessionToken gives a user credentials that end.
//
// Source: "GetSessionToken" in the AWS STS API reference.
func (h *Handler) getSessionToken(ctx context.Context, q *request) ([]element, error) {
	var v awsquery.Violations
	seconds := v.Integer(q.Params, "DurationSeconds", minDuration, maxUserSession, defaultUserSession)
	serial, code := v.Optional(q.Params, "SerialNumber", serialNumberShape()), v.Optional(q.Params, "TokenCode", tokenCodeShape())
	if err := v.Err(); err != nil {
		return nil, err
	}
	if err := refuseRest(q.Params); err != nil {
		return nil, err
	}
	if err := q.noSession("GetSessionToken"); err != nil {
		return nil, err
	}
	if serial != "" || code != "" {
		return nil, errDenied("MultiFactorAuthentication failed, unable to validate MFA code.  "+
			"Please verify your MFA serial number is valid and associated with this user.", "there are no MFA devices here")
	}
	issued, err := h.seal(q, q.userSession(q.caller.Identity, seconds))
	return []element{issued.element()}, err
}

// noSession refuses a caller who has temporary credentials.
func (q *request) noSession(operation string) error {
	if q.caller.Session != nil {
		return errDenied("Cannot call "+operation+" with session credentials", "")
	}
	return nil
}

// userSession is a session of the caller, who is a user or the root.
func (q *request) userSession(identity arn.Identity, seconds int) Session {
	duration := time.Duration(seconds) * time.Second
	if q.caller.Identity.Kind == arn.Root {
		duration = min(duration, maxRootSession)
	}
	now := q.at.UTC().Truncate(time.Second)
	return Session{Identity: identity, Issued: now, Expires: now.Add(duration), User: q.caller.Identity.Principal, Tags: q.caller.Tags}
}

// getFederationToken gives credentials to somebody whom a user vouches for. They
// may do what both the user and the policies of the session may.
//
// Source: "GetFederationToken" in the AWS STS API reference.
func (h *Handler) getFederationToken(ctx context.Context, q *request) ([]element, error) {
	var v awsquery.Violations
	name := v.Required(q.Params, "Name", awsquery.Shape{Min: 2, Max: 32, Allowed: awsquery.WordOr("+=,.@-"), Pattern: `[\w+=,.@-]*`})
	seconds := v.Integer(q.Params, "DurationSeconds", minDuration, maxUserSession, defaultUserSession)
	policy, arns := readPolicies(&v, q.Params)
	tags := newTags(v.Tags(q.Params))
	if err := v.Err(); err != nil {
		return nil, err
	}
	if err := markTransitive(tags, nil); err != nil {
		return nil, err
	}
	if err := refuseRest(q.Params); err != nil {
		return nil, err
	}
	if err := q.noSession("GetFederationToken"); err != nil {
		return nil, err
	}
	who := q.caller.Identity
	federated := arn.Principal{Kind: arn.FederatedUser, Partition: who.Partition, AccountID: who.AccountID, Name: name}
	session := q.userSession(arn.Identity{Principal: federated, UserID: who.AccountID + ":" + name}, seconds)
	session.Tags, session.PolicyARNs = tags, arns
	var err error
	if session.Policy, err = packPolicy(policy); err != nil {
		return nil, err
	}
	facts := q.caller.Context(q.HTTP, q.at)
	session.setRequested(&facts)
	for _, action := range neededActions("sts:GetFederationToken", session) {
		if err := h.Auth.Authorize(ctx, q.caller, action, federated.String(), facts); err != nil {
			return nil, err
		}
	}
	if err := h.Auth.checkManaged(ctx, who.AccountID, arns); err != nil {
		return nil, err
	}
	issued, err := h.seal(q, session)
	return []element{
		issued.element(),
		awsquery.E("FederatedUser", []element{
			awsquery.E("FederatedUserId", session.Identity.UserID), awsquery.E("Arn", federated.String()),
		}),
		issued.packed(),
	}, err
}

// getAccessKeyInfo says whose account an access key is of.
//
// Source: "GetAccessKeyInfo" in the AWS STS API reference.
func (h *Handler) getAccessKeyInfo(ctx context.Context, q *request) ([]element, error) {
	var v awsquery.Violations
	id := v.Required(q.Params, "AccessKeyId", awsquery.Shape{Min: 16, Max: 128, Allowed: awsquery.WordOr(""), Pattern: `[\w]*`})
	if err := v.Err(); err != nil {
		return nil, err
	}
	if err := refuseRest(q.Params); err != nil {
		return nil, err
	}
	if err := h.Auth.Authorize(ctx, q.caller, "sts:GetAccessKeyInfo", "*", q.caller.Context(q.HTTP, q.at)); err != nil {
		return nil, err
	}
	if strings.HasPrefix(id, sessionKeyPrefix) {
		if account, ok := accountOf(id); ok {
			return []element{awsquery.E("Account", account)}, nil
		}
		return nil, awsquery.InvalidParameter("The access key %s is not one of a session's", awsquery.Clip(id))
	}
	key, err := h.Auth.Directory.AccessKey(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, awsquery.InvalidParameter("The access key %s does not exist", awsquery.Clip(id))
	}
	if err != nil {
		return nil, awsquery.Internal("look up access key %s: %v", id, err)
	}
	return []element{awsquery.E("Account", key.Owner.AccountID)}, nil
}

// checkKind refuses what the sessions of users may not do: they ask STS only who
// they are and, but for federated users, for a role.
//
// Source: "Compare AWS STS credentials" in the IAM user guide.
func checkKind(c Caller, operation string) error {
	if c.Session == nil || c.Session.User.Kind == 0 || operation == "GetCallerIdentity" ||
		operation == "AssumeRole" && c.Identity.Kind != arn.FederatedUser {
		return nil
	}
	return errDenied(fmt.Sprintf("Cannot call %s with session credentials", operation), "the session is of "+c.Session.User.String())
}

// Issue makes the credentials of any session, for whoever holds the key: nobody is
// asked whether it may be. The access key id is made here.
func (s *Sealer) Issue(session Session) (sigv4.Credentials, error) {
	session.Identity.AccessKeyID = newAccessKeyID(session.Identity.AccountID)
	secret := newSecret()
	token, err := s.Seal(session, secret)
	return sigv4.Credentials{AccessKeyID: session.Identity.AccessKeyID, SecretAccessKey: secret, SessionToken: token}, err
}
