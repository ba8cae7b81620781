package awsauth

import (
	"encoding/json"
	"testing"
	"time"
)

// FuzzIdentityMappings: objects of any content make a table, in an order that does not
// depend on that of the list, and each of them is an entry or a fault. What is in use
// can be written as objects again.
func FuzzIdentityMappings(f *testing.F) {
	for _, seed := range []string{
		`[{"Name":"a","ARN":"arn:aws:iam::111122223333:user/ada","Username":"ada","Groups":["g"]}]`,
		`[{"Name":"a","ARN":"arn:aws:iam::111122223333:role/*","Username":"{{SessionName}}"},{"Name":"b","ARN":"arn:aws:iam::111122223333:role/path/x"}]`,
		`[{"Name":"","ARN":""},{"Name":"","ARN":"arn:aws:sts::1:assumed-role/a/b","Username":"system:masters","Groups":["{{AccountID}}"]}]`,
		`[{"Name":"a\u0000","ARN":"arn:aws-cn:iam::111122223333:root","Username":"{{","Groups":["",""]}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var list []IdentityMapping
		if json.Unmarshal(raw, &list) != nil || len(list) > 100 {
			t.Skip("no list")
		}
		for i := range list {
			list[i].Created = time.Unix(int64(i%3), 0)
		}
		doc := ParseIdentityMappings(list)
		if n := len(doc.Entries) + len(doc.Faults); n < len(list) {
			t.Errorf("%d objects made %d entries and %d faults", len(list), len(doc.Entries), len(doc.Faults))
		}
		checkDocument(t, doc)
		again, _ := IdentityMappingsOf(NewTable(doc))
		if doc := ParseIdentityMappings(again); countFaults(doc.Faults, Error) > 0 {
			t.Errorf("%q of %+v", lines(doc.Faults), again)
		}
	})
}
