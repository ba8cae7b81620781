package irsa

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Fallbacks stand in for annotations: the ConfigMap pod-identity-webhook. A nil
// *Fallbacks has none.
type Fallbacks struct {
	accounts map[string]ServiceAccount // by "namespace/name"; "*" is any namespace
	faulty   []string                  // keys of entries that cannot be used
}

// fallback is a value of the document. The keys are
// amazon-eks-pod-identity-webhook's.
type fallback struct {
	RoleARN         string
	Audience        string
	UseRegionalSTS  bool
	TokenExpiration int64
}

// ParseFallbacks reads the value of the ConfigMap's key "config": a JSON object
// whose keys are "namespace/name", or "*/name" for any namespace. What is good
// of it is used, and each entry that is not is named by an error. Of a document
// that is no JSON object nothing is: the result is nil then. An empty one has no
// entries.
func ParseFallbacks(config string) (*Fallbacks, []error) {
	f := &Fallbacks{accounts: map[string]ServiceAccount{}}
	if strings.TrimSpace(config) == "" {
		return f, nil
	}
	var entries map[string]json.RawMessage
	if err := json.Unmarshal([]byte(config), &entries); err != nil {
		return nil, []error{fmt.Errorf("the key config is not a JSON object: %w", err)}
	}
	var faults []error
	for key, raw := range entries {
		account, err := readFallback(key, raw)
		if err != nil {
			faults = append(faults, fmt.Errorf("entry %.120q: %w", key, err))
			f.faulty = append(f.faulty, key)
			continue
		}
		f.accounts[key] = account
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return f, faults
}

func readFallback(key string, raw json.RawMessage) (ServiceAccount, error) {
	namespace, name, ok := strings.Cut(key, "/")
	if !ok || namespace != "*" && !isName(namespace) || !isName(name) {
		return ServiceAccount{}, fmt.Errorf("the key is not NAMESPACE/NAME or */NAME")
	}
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.DisallowUnknownFields()
	var v fallback
	if err := decoder.Decode(&v); err != nil {
		return ServiceAccount{}, err
	}
	if v.RoleARN == "" {
		return ServiceAccount{}, fmt.Errorf("it has no RoleARN")
	}
	account := ServiceAccount{RoleARN: v.RoleARN, Audience: v.Audience}
	if v.UseRegionalSTS {
		account.RegionalSTS = "true"
	}
	if v.TokenExpiration != 0 {
		account.TokenExpiration = strconv.FormatInt(v.TokenExpiration, 10)
	}
	return account, nil
}

// isName reports whether an object of Kubernetes can have this name; a key of any
// other would never match.
func isName(s string) bool {
	return s != "" && strings.Trim(s, "-.") == s && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '.')
	})
}

// Keep takes from an earlier document the entries that are faulty in this one, and says
// how many those were. It is for before f is in use.
func (f *Fallbacks) Keep(earlier *Fallbacks) (kept int) {
	if earlier == nil {
		return 0
	}
	for _, key := range f.faulty {
		if account, ok := earlier.accounts[key]; ok {
			f.accounts[key] = account
			kept++
		}
	}
	return kept
}

// Len is how many entries there are.
func (f *Fallbacks) Len() int {
	if f == nil {
		return 0
	}
	return len(f.accounts)
}

// For is what stands in for a service account's annotations. An entry for
// exactly this namespace comes before one for any.
func (f *Fallbacks) For(namespace, name string) (ServiceAccount, bool) {
	if f.Len() == 0 {
		return ServiceAccount{}, false
	}
	if account, ok := f.accounts[namespace+"/"+name]; ok {
		return account, true
	}
	account, ok := f.accounts["*/"+name]
	return account, ok
}
