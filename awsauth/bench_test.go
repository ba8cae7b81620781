package awsauth

import (
	"fmt"
	"testing"

	"github.com/eksauth/eksauth/arn"
)

// tableOf makes a table of n roles and n permission sets, and the identities
// that match them.
func tableOf(b testing.TB, n int) (t *Table, exact, sso, miss []arn.Identity) {
	d := Document{Source: "bench"}
	for i := range n {
		name := fmt.Sprintf("role-%06d", i)
		set := fmt.Sprintf("Set-%06d", i)
		d.Add(Entry{Key: MapRoles, Index: i, ARN: acct + "role/" + name, Username: name, Groups: []string{"a", "b"}})
		d.Add(Entry{Key: MapRoles, Index: i, SSO: &SSO{PermissionSetName: set, AccountID: "111122223333"}, Username: set, Groups: []string{"a"}})
	}
	for i := range min(n, 1000) {
		i = i * n / min(n, 1000) // spread over the table
		exact = append(exact, identity(b, fmt.Sprintf("%srole-%06d/s", sess, i), "AROA"))
		sso = append(sso, identity(b, fmt.Sprintf("%sAWSReservedSSO_Set-%06d_0123456789abcdef/s", sess, i), "AROA"))
		miss = append(miss, identity(b, fmt.Sprintf("%snobody-%06d/s", sess, i), "AROA"))
	}
	return NewTable(d), exact, sso, miss
}

func BenchmarkMap(b *testing.B) {
	for _, kind := range []string{"exact", "sso", "miss"} {
		for _, n := range []int{10, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				table, exact, sso, miss := tableOf(b, n)
				ids := map[string][]arn.Identity{"exact": exact, "sso": sso, "miss": miss}[kind]
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, err := table.Map(ids[i%len(ids)]); (err == nil) == (kind == "miss") {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkNewTable(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table, _, _, _ := tableOf(b, n)
			d := Document{Source: "bench", Entries: table.Entries()}
			b.ReportAllocs()
			for b.Loop() {
				NewTable(d)
			}
		})
	}
}

// What Map allocates must not depend on the number of entries; and for entries
// without templates there is nothing to allocate.
func TestMapAllocatesNothingForStaticEntries(t *testing.T) {
	for _, n := range []int{10, 10_000} {
		table, exact, _, miss := tableOf(t, n)
		for name, c := range map[string]struct {
			ids  []arn.Identity
			most float64
		}{"exact": {exact, 0}, "miss": {miss, 1}} {
			i := 0
			got := testing.AllocsPerRun(100, func() {
				_, _ = table.Map(c.ids[i%len(c.ids)])
				i++
			})
			if got > c.most {
				t.Errorf("%s of %d entries: %v allocations, want at most %v", name, n, got, c.most)
			}
		}
	}
}
