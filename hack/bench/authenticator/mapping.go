package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
)

// cost is what one decision takes with so many entries of a kind.
type cost struct {
	Kind        string  `json:"kind"`
	Entries     int     `json:"entries"`
	Nanoseconds float64 `json:"nanoseconds"`
	Allocations int64   `json:"allocations"`
}

// costs by kind, then by number of entries.
type costs map[string]map[int]cost

func (c costs) add(one cost) {
	if c[one.Kind] == nil {
		c[one.Kind] = map[int]cost{}
	}
	c[one.Kind][one.Entries] = one
}

// The kinds of entries, as the peer's program names them, too.
const (
	exact    = "exact"
	sso      = "sso"
	wildcard = "wildcard"
)

func sizes() []int { return []int{10, 1_000, 100_000} }

// errNoSuchEntry: entries of this kind are refused, or not in this number.
var errNoSuchEntry = errors.New("such entries are not taken")

// ourMapping measures Table.Map, the rendering of usernames included.
func ourMapping() (costs, error) {
	all := costs{}
	for _, kind := range []string{exact, sso, wildcard} {
		for _, n := range sizes() {
			one, err := measureMapping(kind, n)
			switch {
			case errors.Is(err, errNoSuchEntry):
				fmt.Printf("%s, %d entries: left out: %v\n", kind, n, err)
				continue
			case err != nil:
				return nil, err
			}
			all.add(one)
		}
	}
	return all, nil
}

func measureMapping(kind string, n int) (cost, error) {
	table, who, err := mappings(kind, n)
	if err != nil {
		return cost{}, err
	}
	var failure error
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := table.Map(who[i%len(who)]); err != nil {
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

// mappings are a table of n entries of a kind, and those who come with them, spread
// over all entries. Usernames and groups are fixed, as in the peer's.
func mappings(kind string, n int) (*awsauth.Table, []arn.Identity, error) {
	d := awsauth.Document{Source: "bench"}
	var who []arn.Identity
	for i := range n {
		e := awsauth.Entry{Key: awsauth.MapRoles, Index: i, Username: fmt.Sprintf("user-%06d", i), Groups: []string{"team"}}
		role := fmt.Sprintf("role-%06d", i)
		switch kind {
		case exact:
			e.ARN = "arn:aws:iam::" + account + ":role/" + role
		case sso:
			e.SSO = &awsauth.SSO{PermissionSetName: fmt.Sprintf("Set-%06d", i), AccountID: account}
			role = "AWSReservedSSO_" + e.SSO.PermissionSetName + "_0123456789abcdef"
		case wildcard:
			e.ARN = "arn:aws:iam::" + account + ":role/" + role + "-*"
			role += "-blue"
		}
		if d.Add(e); i%max(1, n/1000) != 0 {
			continue
		}
		p, err := arn.ParsePrincipal("arn:aws:sts::" + account + ":assumed-role/" + role + "/ada@example.com")
		if err != nil {
			return nil, nil, err
		}
		who = append(who, arn.Identity{Principal: p, UserID: "AROAEXAMPLEEXAMPLEEX"})
	}
	table := awsauth.NewTable(d)
	if table.Len() < n {
		return nil, nil, fmt.Errorf("%w: %d of %d are", errNoSuchEntry, table.Len(), n)
	}
	return table, who, nil
}

// theirMapping is the same of the peer's mapper, in its own process.
func theirMapping(ctx context.Context, oracle string) (costs, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, oracle, "bench").Output()
	if err != nil {
		return nil, fmt.Errorf("%s bench: %w", oracle, err)
	}
	all := costs{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var one cost
		if err := decoder.Decode(&one); err != nil {
			return nil, err
		}
		all.add(one)
	}
	return all, nil
}
