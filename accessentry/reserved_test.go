package accessentry

import (
	"slices"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
)

// Whoever may make entries but not associate policies cannot take a policy by the
// name of its group, not even where EKS itself, which does not know that name, has
// taken the entry.
func TestPoliciesAreNotTakenByName(t *testing.T) {
	t.Parallel()
	e := Entry{PrincipalARN: user, Groups: []string{"ops", GroupPrefix + "AmazonEKSClusterAdminPolicy"}}
	if problem := e.Check(account); !strings.Contains(problem, "cannot start with") {
		t.Errorf("the problem is %q", problem)
	}
	p, err := arn.ParsePrincipal(user)
	if err != nil {
		t.Fatal(err)
	}
	got, err := awsauth.NewTable(Document([]Entry{e})).Map(arn.Identity{Principal: p})
	if err != nil || !slices.Equal(got.Groups, []string{"ops"}) {
		t.Errorf("in the groups %q, %v", got.Groups, err)
	}
}
