package iamapi

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// Quotas are the limits of an account; 0 stands for IAM's own.
//
// Source: "IAM and AWS STS quotas" in the IAM user guide.
type Quotas struct {
	Users, Groups, Roles, Policies, OIDCProviders int

	GroupsPerUser     int
	AccessKeysPerUser int
	AttachedPolicies  int // of a user, a group or a role
	VersionsPerPolicy int
	ClientIDs         int // of an identity provider
	Thumbprints       int // of an identity provider

	// Sizes are in characters without white space.
	TrustPolicySize int
	PolicySize      int // of a managed policy
	// Sizes of all inline policies together, likewise.
	UserPolicySize, GroupPolicySize, RolePolicySize int
}

func (q Quotas) withDefaults() Quotas {
	own := Quotas{
		Users: 5000, Groups: 300, Roles: 1000, Policies: 1500, OIDCProviders: 100,
		GroupsPerUser: 10, AccessKeysPerUser: 2, AttachedPolicies: 10, VersionsPerPolicy: 5,
		ClientIDs: 100, Thumbprints: 5,
		TrustPolicySize: 2048, PolicySize: 6144,
		UserPolicySize: 2048, GroupPolicySize: 5120, RolePolicySize: 10240,
	}
	given, all := reflect.ValueOf(q), reflect.ValueOf(&own).Elem()
	for i := range all.NumField() {
		n := given.Field(i).Int()
		if fixed(all.Type().Field(i).Name) {
			n = min(n, all.Field(i).Int())
		}
		if n != 0 {
			all.Field(i).SetInt(n)
		}
	}
	return own
}

// fixed says which limits AWS raises for nobody. No world may have more either, so
// they can only be lowered.
func fixed(name string) bool {
	return slices.Contains([]string{"AccessKeysPerUser", "VersionsPerPolicy", "ClientIDs", "Thumbprints"}, name)
}

// QuotaNames are the names of the limits.
func QuotaNames() []string {
	var names []string
	t := reflect.TypeFor[Quotas]()
	for i := range t.NumField() {
		names = append(names, t.Field(i).Name)
	}
	return names
}

// Set sets a limit by its name, whatever its case.
func (q *Quotas) Set(name string, n int) error {
	for i, known := range QuotaNames() {
		if !strings.EqualFold(name, known) {
			continue
		}
		if most := reflect.ValueOf(Quotas{}.withDefaults()).Field(i).Int(); fixed(known) && int64(n) > most {
			return fmt.Errorf("AWS raises the limit %s for nobody: it is at most %d", known, most)
		}
		reflect.ValueOf(q).Elem().Field(i).SetInt(int64(n))
		return nil
	}
	return fmt.Errorf("there is no such limit; known: %s", strings.Join(QuotaNames(), ", "))
}

// size of a policy: IAM does not count white space.
func size(document string) int {
	n := 0
	for _, r := range document {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}
