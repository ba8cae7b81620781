package sts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/iam"
)

const (
	minDuration     = 900       // seconds
	maxDuration     = 12 * 3600 // seconds, whatever a role says
	defaultDuration = 3600      // seconds
	// maxChained is how long a session may last that was made with another
	// session's credentials.
	maxChained = time.Hour
)

// assumeRoleInput is the input of AssumeRole, each part within its own bounds.
type assumeRoleInput struct {
	roleARN        string
	sessionName    string
	duration       time.Duration
	externalID     string // "" when not given
	sourceIdentity string // "" when not given
	serialNumber   string
	tokenCode      string
	tags           []Tag
	policy         string // "" when not given
	policyARNs     []string
}

func readAssumeRole(p awsquery.Params) (assumeRoleInput, error) {
	var v awsquery.Violations
	in := assumeRoleInput{
		roleARN:        v.Required(p, "RoleArn", arnShape()),
		sessionName:    v.Required(p, "RoleSessionName", nameShape()),
		duration:       time.Duration(v.Integer(p, "DurationSeconds", minDuration, maxDuration, defaultDuration)) * time.Second,
		externalID:     v.Optional(p, "ExternalId", externalIDShape()),
		sourceIdentity: v.Optional(p, "SourceIdentity", nameShape()),
		serialNumber:   v.Optional(p, "SerialNumber", serialNumberShape()),
		tokenCode:      v.Optional(p, "TokenCode", tokenCodeShape()),
		tags:           newTags(v.Tags(p)),
	}
	in.policy, in.policyARNs = readPolicies(&v, p)
	transitive := v.TagKeys(p, "TransitiveTagKeys")
	if err := v.Err(); err != nil {
		return assumeRoleInput{}, err
	}
	if err := markTransitive(in.tags, transitive); err != nil {
		return assumeRoleInput{}, err
	}
	if err := refuseRest(p); err != nil {
		return assumeRoleInput{}, err
	}
	var err error
	in.policy, err = packPolicy(in.policy)
	return in, err
}

// refuseRest refuses what an operation did not read. To ignore a restriction
// that the caller asked for, or misspelt, would grant more than was asked.
func refuseRest(p awsquery.Params) error {
	p.TakeEmpty("ProvidedContexts")
	left := p.Left()
	if len(left) == 0 {
		return nil
	}
	return awsquery.InvalidParameter("The parameter %s is not known to this operation", awsquery.Clip(left[0]))
}

// assumeRole gives the caller credentials for a role whose trust policy lets
// the caller have them.
//
// Source: "AssumeRole" in the AWS STS API reference.
func (h *Handler) assumeRole(ctx context.Context, q *request) ([]element, error) {
	in, err := readAssumeRole(q.Params)
	if err != nil {
		return nil, err
	}
	asked, err := parseRole(in.roleARN)
	if err != nil {
		return nil, err
	}
	if err := checkCaller(q.caller, in); err != nil {
		return nil, err
	}
	session, err := newRoleSession(q, in)
	if err != nil {
		return nil, err
	}
	role, err := h.trustedRole(ctx, asked, session, petition{
		action: "sts:AssumeRole",
		caller: q.caller.Policy(),
		own: func(ctx context.Context, action, resource string, facts iam.Context) (Permission, error) {
			return h.Auth.Permission(ctx, q.caller, action, resource, facts)
		},
		facts:  q.sessionContext(in, session),
		refuse: q.notAuthorized,
	})
	if err != nil {
		return nil, err
	}
	if in.duration > cmp.Or(role.MaxSessionDuration, defaultDuration*time.Second) {
		return nil, errTooLong()
	}
	if err := h.Auth.checkManaged(ctx, role.Principal.AccountID, session.PolicyARNs); err != nil {
		return nil, err
	}
	return h.issue(q, role, in.sessionName, session)
}

// parseRole reads a role's ARN.
func parseRole(s string) (arn.Principal, error) {
	if _, err := arn.Parse(s); err != nil {
		return arn.Principal{}, errRole(awsquery.Clip(s)+" is invalid", err)
	}
	role, err := arn.ParsePrincipal(s)
	if err == nil && role.Kind != arn.Role {
		err = fmt.Errorf("ARN %q names a %s", s, role.Kind)
	}
	if err != nil {
		return arn.Principal{}, errRole("Request ARN is invalid", err)
	}
	return role, nil
}

// checkCaller refuses what no trust policy can allow.
func checkCaller(c Caller, in assumeRoleInput) error {
	if c.Identity.Kind == arn.Root {
		return errDenied("Roles may not be assumed by root accounts.", "")
	}
	if (in.serialNumber == "") != (in.tokenCode == "") {
		return errDenied("MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.", "")
	}
	if in.serialNumber != "" {
		return errDenied("MultiFactorAuthentication failed, unable to validate MFA code.  "+
			"Please verify your MFA serial number is valid and associated with this user.", "there are no MFA devices here")
	}
	if c.Session != nil && in.duration > maxChained {
		return awsquery.Validation("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	return nil
}

// newRoleSession is the session that the caller asks for, but for the role:
// what was asked, and what the caller's own session passes on.
func newRoleSession(q *request, in assumeRoleInput) (Session, error) {
	now := q.at.UTC().Truncate(time.Second)
	session := Session{
		Issued:         now,
		Expires:        now.Add(in.duration),
		Chained:        q.caller.Session != nil,
		SourceIdentity: in.sourceIdentity,
		Tags:           in.tags,
		Policy:         in.policy,
		PolicyARNs:     in.policyARNs,
	}
	from := q.caller.Session
	if from == nil {
		return session, nil
	}
	if from.SourceIdentity != "" {
		if in.sourceIdentity != "" && in.sourceIdentity != from.SourceIdentity {
			return Session{}, q.notAuthorized("sts:SetSourceIdentity", in.roleARN, "",
				fmt.Sprintf("the caller's session has the source identity %q, which cannot be changed", from.SourceIdentity))
		}
		session.SourceIdentity = from.SourceIdentity
	}
	var err error
	session.Tags, err = inheritTags(from.Tags, in.tags)
	return session, err
}

// issue makes the credentials of a session of the role under a name, and answers
// with them.
func (h *Handler) issue(q *request, role Role, name string, session Session) ([]element, error) {
	issued, err := h.issueRole(q, role, name, session)
	if err != nil {
		return nil, err
	}
	result := []element{
		awsquery.E("AssumedRoleUser", []element{
			awsquery.E("AssumedRoleId", issued.ID),
			awsquery.E("Arn", issued.Principal.String()),
		}),
		issued.element(),
	}
	if len(session.Tags) > 0 || session.Policy != "" || len(session.PolicyARNs) > 0 {
		result = append(result, issued.packed())
	}
	if session.SourceIdentity != "" {
		result = append(result, awsquery.E("SourceIdentity", session.SourceIdentity))
	}
	return result, nil
}

func (h *Handler) issueRole(q *request, role Role, name string, session Session) (Issued, error) {
	session.Role = role.Principal
	session.Expires = h.end(session)
	session.Identity = arn.Identity{
		Principal: arn.Principal{
			Kind:      arn.AssumedRole,
			Partition: role.Principal.Partition,
			AccountID: role.Principal.AccountID,
			Name:      role.Principal.Name,
			Session:   name,
		},
		UserID: role.ID,
	}
	issued, err := h.seal(q, session)
	issued.ID = role.ID + ":" + name
	return issued, err
}

// Issued are temporary credentials. Printed or logged, they keep their secrets to
// themselves.
type Issued struct {
	Principal arn.Principal // whose they are
	ID        string        // AROA…:SESSION; "" for sessions of users

	AccessKeyID     string
	SecretAccessKey string `json:"-"`
	SessionToken    string `json:"-"`
	Expires         time.Time
}

// String names the credentials without giving them away.
func (i Issued) String() string { return i.AccessKeyID + " of " + i.Principal.String() }

// GoString keeps the secrets out of %#v.
func (i Issued) GoString() string { return "sts.Issued(" + i.String() + ")" }

// LogValue keeps the secrets out of logs.
func (i Issued) LogValue() slog.Value { return slog.StringValue(i.String()) }

func (i Issued) element() element {
	return awsquery.E("Credentials", []element{
		awsquery.E("AccessKeyId", i.AccessKeyID),
		awsquery.E("SecretAccessKey", i.SecretAccessKey),
		awsquery.E("SessionToken", i.SessionToken),
		awsquery.E("Expiration", i.Expires),
	})
}

// packed says how much of their room the contents of the session take.
func (i Issued) packed() element {
	return awsquery.E("PackedPolicySize", (100*len(i.SessionToken)+MaxSessionToken-1)/MaxSessionToken)
}

// seal makes the credentials of a session.
func (h *Handler) seal(q *request, session Session) (Issued, error) {
	session.Identity.AccessKeyID = newAccessKeyID(session.Identity.AccountID)
	secret := newSecret()
	token, err := h.Auth.Sessions.Seal(session, secret)
	if errors.Is(err, ErrSessionTooLarge) {
		return Issued{}, errPackedTooLarge(session)
	}
	if err != nil {
		return Issued{}, awsquery.Internal("%v", err)
	}
	q.notes = []slog.Attr{
		slog.String("session", session.Identity.Principal.String()),
		slog.String("sessionAccessKeyId", session.Identity.AccessKeyID),
		slog.Time("expires", session.Expires),
	}
	return Issued{
		Principal: session.Identity.Principal, AccessKeyID: session.Identity.AccessKeyID,
		SecretAccessKey: secret, SessionToken: token, Expires: session.Expires,
	}, nil
}
