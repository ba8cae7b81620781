package sts

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/oidc"
)

// Messages of the real STS.
const (
	messageNoJWT   = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
	messageNoKeys  = "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements"
	messageInvalid = "The web identity token provided could not be validated"
)

// errIdentityToken is AWS's answer to whatever is wrong with a token, but that
// it has expired.
func errIdentityToken(message, reason string) *Error {
	return &Error{Code: "InvalidIdentityToken", Status: http.StatusBadRequest, Message: message, Reason: reason}
}

func errMissingClaim(name string) *Error {
	return errIdentityToken("Missing a required claim: "+name, "")
}

func errTokenExpired(now, expiry time.Time) *Error {
	return &Error{
		Code: "ExpiredTokenException", Status: http.StatusBadRequest,
		Message: fmt.Sprintf("Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), expiry.Unix()),
	}
}

func errAudience(p OIDCProvider, audience []string, authorizedParty string) *Error {
	found := fmt.Sprintf("audience %q", audience)
	if authorizedParty != "" {
		found = fmt.Sprintf("authorized party (azp) %q, which stands for its audience", authorizedParty)
	}
	return errIdentityToken("Incorrect token audience", awsquery.Clip(fmt.Sprintf("the token has the %s; the provider accepts %q", found, p.ClientIDs)))
}

// errVerification says in AWS's words why a token is not believed.
//
// An issuer that cannot be asked, or only in vain, is InvalidIdentityToken: so
// the real STS answers, in its own outages too, although its API has
// IDPCommunicationError for the case.
func errVerification(err error) *Error {
	refused := new(oidc.Error)
	if !errors.As(err, &refused) {
		return awsquery.Internal("verify web identity token: %v", err)
	}
	switch refused.Reason {
	case oidc.Malformed, oidc.Algorithm:
		return errIdentityToken(messageNoJWT, refused.Message)
	case oidc.MissingClaim:
		return errMissingClaim(refused.Claim)
	case oidc.Expired:
		return errTokenExpired(refused.Now, refused.Expiry)
	case oidc.Unreachable, oidc.Untrusted, oidc.Document, oidc.Provider:
		return errIdentityToken(messageNoKeys, refused.Message)
	}
	return errIdentityToken(messageInvalid, refused.Message)
}
