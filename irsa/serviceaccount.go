package irsa

import (
	"cmp"
	"context"
	"errors"
)

// The annotations of service accounts, behind the prefix. Of pods there are
// skipContainers and tokenExpiration.
const (
	annotationRole           = "role-arn"
	annotationAudience       = "audience"
	annotationRegionalSTS    = "sts-regional-endpoints"
	annotationExpiration     = "token-expiration"
	annotationSkipContainers = "skip-containers"
)

// ServiceAccount is what counts of a service account: its annotations, as they
// are. There may be 100,000 of them.
type ServiceAccount struct {
	RoleARN         string
	Audience        string
	TokenExpiration string
	RegionalSTS     string
}

// FromAnnotations reads those that begin with the prefix. The result is the zero
// value if there are none that count.
func FromAnnotations(prefix string, annotations map[string]string) ServiceAccount {
	if len(annotations) == 0 {
		return ServiceAccount{}
	}
	return ServiceAccount{
		RoleARN:         annotations[prefix+"/"+annotationRole],
		Audience:        annotations[prefix+"/"+annotationAudience],
		TokenExpiration: annotations[prefix+"/"+annotationExpiration],
		RegionalSTS:     annotations[prefix+"/"+annotationRegionalSTS],
	}
}

// or fills in what the annotations leave open.
func (a ServiceAccount) or(b ServiceAccount) ServiceAccount {
	return ServiceAccount{
		RoleARN:         cmp.Or(a.RoleARN, b.RoleARN),
		Audience:        cmp.Or(a.Audience, b.Audience),
		TokenExpiration: cmp.Or(a.TokenExpiration, b.TokenExpiration),
		RegionalSTS:     cmp.Or(a.RegionalSTS, b.RegionalSTS),
	}
}

// ErrNotFound is ServiceAccounts' answer for one that does not exist.
var ErrNotFound = errors.New("the service account does not exist")

// ServiceAccounts knows the cluster's service accounts. Implementations are safe
// for concurrent use.
type ServiceAccounts interface {
	// Lookup returns ErrNotFound, wrapped or not, for a service account that
	// does not exist. Any other error means that it cannot be known now. It
	// returns soon after ctx ends.
	Lookup(ctx context.Context, namespace, name string) (ServiceAccount, error)
}
