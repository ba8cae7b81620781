package trustpolicy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/iam"
)

// Wanted is what a trust policy shall let in, and nothing else.
type Wanted struct {
	Partition, AccountID string   // of the role and its OIDC providers
	Issuers              []string // https URLs, one for each cluster
	ServiceAccounts      []string // NAMESPACE/NAME
	Audience             string
	// AllowWildcards takes * and ? in names. All subjects stand under StringLike then
	// if one has a wildcard, because the conditions of a statement hold together.
	AllowWildcards bool
}

// Write writes it: one statement for each issuer, with a list of subjects. Errors say
// what is wrong with the request, or that the policy is longer than IAM takes.
func Write(w Wanted) ([]byte, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	subjects := make([]string, len(w.ServiceAccounts))
	for i, sa := range w.ServiceAccounts {
		subjects[i] = subjectPrefix + strings.Replace(sa, "/", ":", 1)
	}
	subjectOperator := "StringEquals"
	if slices.ContainsFunc(subjects, hasWildcard) {
		subjectOperator = "StringLike"
	}
	var statements []any
	for _, issuer := range w.Issuers {
		host := strings.TrimPrefix(issuer, "https://")
		condition := map[string]map[string]any{"StringEquals": {host + ":aud": w.Audience}}
		if condition[subjectOperator] == nil {
			condition[subjectOperator] = map[string]any{}
		}
		condition[subjectOperator][host+":sub"] = oneOrAll(subjects)
		statements = append(statements, inOrder{
			"Effect":    "Allow",
			"Principal": map[string]string{"Federated": "arn:" + w.Partition + ":iam::" + w.AccountID + providerMarker + host},
			"Action":    "sts:AssumeRoleWithWebIdentity",
			"Condition": condition,
		})
	}
	text, err := marshal(inOrder{"Version": iam.Version2012, "Statement": statements})
	if err != nil {
		return nil, err
	}
	if n := sizeOf(text); n > maxQuota {
		return nil, &TooLongError{n}
	}
	return text, nil
}

// TooLongError is a policy that IAM would not take.
type TooLongError struct{ Characters int }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("the policy would have %d characters, and IAM takes %d at most", e.Characters, maxQuota)
}

func oneOrAll(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func (w Wanted) check() error {
	if _, ok := arn.PartitionByID(w.Partition); !ok {
		return fmt.Errorf("AWS has no partition %s", quote(w.Partition))
	}
	switch {
	case !arn.IsAccountID(w.AccountID):
		return fmt.Errorf("%s is not an account id of twelve digits", quote(w.AccountID))
	case len(w.Issuers) == 0:
		return errors.New("there is no issuer")
	case len(w.ServiceAccounts) == 0:
		return errors.New("there is no service account")
	case w.Audience == "" || strings.ContainsAny(w.Audience, "*?"):
		return fmt.Errorf("%s is not an audience", quote(w.Audience))
	}
	for i, issuer := range w.Issuers {
		host, ok := strings.CutPrefix(issuer, "https://")
		if !ok || host == "" || strings.HasSuffix(host, "/") || strings.ContainsAny(host, "*?#\"\\ ") {
			return fmt.Errorf("the issuer %s is not an https URL without a slash at its end", quote(issuer))
		}
		if slices.Contains(w.Issuers[:i], issuer) {
			return fmt.Errorf("the issuer %s is there twice", quote(issuer))
		}
	}
	for _, sa := range w.ServiceAccounts {
		namespace, name, ok := strings.Cut(sa, "/")
		switch {
		case hasWildcard(sa) && !w.AllowWildcards:
			return fmt.Errorf("%s is not NAMESPACE/NAME: wildcards are not allowed", quote(sa))
		case !ok || !isName(fill(namespace)) || !isName(fill(name)):
			return fmt.Errorf("%s is not NAMESPACE/NAME%s", quote(sa), wrongCharacter(strings.Replace(sa, "/", "", 1)))
		case reach(subjectPrefix+namespace+":"+name) == "any-service-account":
			return fmt.Errorf("%s is any service account of the cluster", quote(sa))
		}
	}
	return nil
}

// wrongCharacter names the first character that no name has; "" if none is wrong.
func wrongCharacter(names string) string {
	for _, c := range fill(names) {
		if isName(string(c)) {
			continue
		}
		switch {
		case c == ' ':
			return ": there is a blank in it"
		case c >= 'A' && c <= 'Z':
			return fmt.Sprintf(": %q is a capital letter, and names have none", c)
		}
		return fmt.Sprintf(": %q stands in no name", c)
	}
	return ""
}

// isName: of the characters that Kubernetes takes in names (RFC 1123), which a
// wildcard is not.
func isName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}
