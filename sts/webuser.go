package sts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/oidc"
)

// webUser is a web identity whose token is verified.
type webUser struct {
	provider OIDCProvider
	claims   oidc.Claims
	extra    extraClaims
	audience string // the one that the provider accepts
}

// verify says who holds a token, if an identity provider of the account
// vouches for them. The steps are in AWS's order, so that of several faults
// the same one is told.
func (w *WebIdentity) verify(ctx context.Context, q *request, accountID, raw string) (webUser, error) {
	said, err := oidc.Inspect(raw, q.at)
	if err != nil {
		return webUser{}, errIdentityToken(messageNoJWT, err.Error())
	}
	q.about = append(q.about,
		slog.String("issuer", awsquery.Clip(said.Issuer)),
		slog.String("subject", awsquery.Clip(said.Subject)),
		slog.String("audience", awsquery.Clip(fmt.Sprintf("%q", said.Audience))))
	// The ordinary token of a service account lacks more than its aud, which
	// is what AWS complains of.
	switch {
	case said.Issuer == "":
		return webUser{}, errMissingClaim("iss")
	case len(said.Audience) == 0:
		return webUser{}, errMissingClaim("aud")
	}
	provider, err := w.provider(ctx, accountID, said.Issuer)
	if err != nil {
		return webUser{}, err
	}
	if _, err := provider.audience(said.Audience, said.Claims); err != nil {
		return webUser{}, err
	}
	claims, err := w.Tokens.Verify(ctx, provider.URL, raw)
	if err != nil {
		return webUser{}, errVerification(err)
	}
	return newWebUser(provider, claims)
}

// newWebUser takes from verified claims alone.
func newWebUser(provider OIDCProvider, claims oidc.Claims) (webUser, error) {
	audience, err := provider.audience(claims.Audience, claims.All)
	switch {
	case err != nil:
		return webUser{}, err
	case claims.Subject == "":
		return webUser{}, errMissingClaim("sub")
	case claims.IssuedAt.IsZero():
		return webUser{}, errMissingClaim("iat")
	}
	extra, err := readExtraClaims(claims.All)
	if err != nil {
		return webUser{}, errIdentityToken(messageInvalid, err.Error())
	}
	return webUser{provider, claims, extra, audience}, nil
}

func (w *WebIdentity) provider(ctx context.Context, accountID, issuer string) (OIDCProvider, error) {
	provider, err := w.Providers.OIDCProvider(ctx, accountID, issuer)
	if errors.Is(err, ErrNotFound) {
		return OIDCProvider{}, errIdentityToken("No OpenIDConnect provider found in your account for "+awsquery.Clip(issuer),
			fmt.Sprintf("the role's account %s has no such provider", accountID))
	}
	if err != nil {
		return OIDCProvider{}, awsquery.Internal("look up provider %q of account %s: %v", awsquery.Clip(issuer), accountID, err)
	}
	return provider, nil
}

// newSession is the session that the token asks for, but for the role.
func (u webUser) newSession(at time.Time, duration time.Duration) (Session, error) {
	tags, sourceIdentity, err := u.extra.requested()
	if err != nil {
		return Session{}, err
	}
	now := at.UTC().Truncate(time.Second)
	return Session{
		Issued:         now,
		Expires:        now.Add(duration),
		SourceIdentity: sourceIdentity,
		Tags:           tags,
		Federation: Federation{
			Provider: u.provider.ARN, Prefix: u.provider.conditionPrefix(),
			Subject: u.claims.Subject, Audience: u.audience, Methods: u.extra.methods,
		},
	}, nil
}
