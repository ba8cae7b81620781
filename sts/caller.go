package sts

import (
	"net/http"
	"strconv"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/iam"
)

// Caller is who signed a request.
type Caller struct {
	Identity arn.Identity
	// Session is nil when the request was signed with a long-term key.
	Session *Session
	Region  string // that the request was signed for
	// Tags are those of the user, or of the role behind the session. The session's
	// own come before them.
	Tags []Tag
}

// UserID is aws:userid: the unique id, and of a role session its name too.
func (c Caller) UserID() string {
	if c.Identity.Kind == arn.AssumedRole {
		return c.Identity.UserID + ":" + c.Identity.Session
	}
	return c.Identity.UserID
}

// PrincipalARN is the user or the role behind the caller, with its path.
func (c Caller) PrincipalARN() string { return c.principal().String() }

// Policy is the caller as policies see it.
func (c Caller) Policy() iam.Caller {
	caller := iam.Caller{Identity: c.Identity}
	if c.Session != nil {
		caller.RolePath = c.Session.Role.Path
	}
	return caller
}

// Context are the global condition keys of a request of this caller's at a time.
// Keys that AWS leaves out are left out: aws:username of role sessions,
// aws:MultiFactorAuthPresent and aws:TokenIssueTime of long-term keys.
//
// Source: "AWS global condition context keys" in the IAM user guide.
func (c Caller) Context(r *http.Request, now time.Time) iam.Context {
	facts := requestContext(r, now, c.Region)
	facts.SetPrincipal(c.Policy())
	facts.Set("aws:PrincipalIsAWSService", "false")
	for _, t := range c.Tags {
		facts.Set("aws:PrincipalTag/"+t.Key, t.Value)
	}
	if c.Session == nil {
		return facts
	}
	facts.Set("aws:MultiFactorAuthPresent", "false") // no session here is made with MFA
	facts.Set("aws:TokenIssueTime", c.Session.Issued.UTC().Format(time.RFC3339))
	if c.Session.SourceIdentity != "" {
		facts.Set("aws:SourceIdentity", c.Session.SourceIdentity)
	}
	for _, t := range c.Session.Tags {
		facts.Set("aws:PrincipalTag/"+t.Key, t.Value)
	}
	if f := c.Session.Federation; f.Provider != "" {
		facts.Set("aws:FederatedProvider", f.Provider)
		f.setContext(&facts)
	}
	return facts
}

// requestContext are the global condition keys of a request whoever makes it;
// region is "" where it is not known.
func requestContext(r *http.Request, now time.Time, region string) iam.Context {
	var facts iam.Context
	facts.Set("aws:ViaAWSService", "false")
	if region != "" {
		facts.Set("aws:RequestedRegion", region)
	}
	facts.Set("aws:CurrentTime", now.UTC().Format(time.RFC3339))
	facts.Set("aws:EpochTime", strconv.FormatInt(now.Unix(), 10))
	facts.Set("aws:SecureTransport", strconv.FormatBool(r.TLS != nil))
	if ip := sourceIP(r); ip != "" {
		facts.Set("aws:SourceIp", ip)
	}
	return facts
}
