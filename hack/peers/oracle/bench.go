package main

import (
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"sigs.k8s.io/aws-iam-authenticator/pkg/config"
	"sigs.k8s.io/aws-iam-authenticator/pkg/mapper/file"
	"sigs.k8s.io/aws-iam-authenticator/pkg/token"
)

const account = "111122223333"

// cost is what one decision takes with so many entries of a kind.
type cost struct {
	Kind        string  `json:"kind"`
	Entries     int     `json:"entries"`
	Nanoseconds float64 `json:"nanoseconds"`
	Allocations int64   `json:"allocations"`
}

// bench measures its mapper of the configuration file, whose entries are found as
// those of its mapper of aws-auth are.
func bench(out io.Writer) error {
	config.SSORoleMatchEnabled = true // a feature gate, off by default
	encoder := json.NewEncoder(out)
	for _, kind := range []string{"exact", "sso"} {
		for _, n := range []int{10, 1_000, 100_000} {
			c, err := measure(kind, n)
			if err != nil {
				return err
			}
			if err := encoder.Encode(c); err != nil {
				return err
			}
		}
	}
	return nil
}

func measure(kind string, n int) (cost, error) {
	entries, who := mappings(kind, n)
	m, err := file.NewFileMapper(config.Config{RoleMappings: entries})
	if err != nil {
		return cost{}, err
	}
	var failure error
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := m.Map(who[i%len(who)]); err != nil {
				failure = err
				b.FailNow()
			}
		}
	})
	if failure != nil {
		return cost{}, fmt.Errorf("%s, %d entries: %w", kind, n, failure)
	}
	return cost{kind, n, float64(result.T.Nanoseconds()) / float64(result.N), result.AllocsPerOp()}, nil
}

// mappings are n roles, or permission sets, and those who come with them, spread
// over all entries.
func mappings(kind string, n int) (entries []config.RoleMapping, who []*token.Identity) {
	for i := range n {
		m := config.RoleMapping{Username: fmt.Sprintf("user-%06d", i), Groups: []string{"team"}}
		role := fmt.Sprintf("role-%06d", i)
		if kind == "sso" {
			set := fmt.Sprintf("Set-%06d", i)
			m.SSO = &config.SSOARNMatcher{PermissionSetName: set, AccountID: account}
			role = "AWSReservedSSO_" + set + "_0123456789abcdef"
		} else {
			m.RoleARN = "arn:aws:iam::" + account + ":role/" + role
		}
		entries = append(entries, m)
		if i%max(1, n/1000) == 0 {
			who = append(who, &token.Identity{CanonicalARN: "arn:aws:iam::" + account + ":role/" + role, AccountID: account})
		}
	}
	return entries, who
}
