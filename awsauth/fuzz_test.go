package awsauth

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/arn"
)

// fuzzIdentities are asked for in every table that fuzzing makes: those of the
// seeds, and strange ones.
func fuzzIdentities(t testing.TB) []arn.Identity {
	return []arn.Identity{
		identity(t, acct+"user/ada", "AIDAONE"),
		identity(t, acct+"root", "111122223333"),
		identity(t, sess+"r/ada@example.com", "AROAONE"),
		identity(t, sess+"my-role/i-0123456789abcdef0", ""),
		identity(t, sess+"AWSReservedSSO_Admin_0123456789abcdef/ada", ""),
		identity(t, "arn:aws:sts::111122223333:federated-user/Ada", ""),
		{Principal: arn.Principal{Kind: arn.AssumedRole, Partition: "aws", AccountID: "111122223333", Name: "r"}},
		{},
	}
}

// placed reports whether it can be said where an entry stands: in a line, or in an
// object.
func placed(e Entry) bool { return e.Line >= 1 || e.Source == CRD }

// checkDocument holds what must be true of every document, whatever it was
// parsed from.
func checkDocument(t *testing.T, d Document) {
	t.Helper()
	table := NewTable(d)
	if table.Len() != len(d.Entries) || countFaults(table.Faults(), Error) > 0 {
		t.Fatalf("the table did not take what the parser gave: %d of %d, %q", table.Len(), len(d.Entries), lines(table.Faults()))
	}
	for _, f := range d.Faults {
		if f.Source != d.Source || f.Message == "" || f.Line < 0 || f.Severity != Warning && f.Severity != Error {
			t.Fatalf("fault %+v", f)
		}
	}
	if len(d.Rejected) > 0 && countFaults(d.Faults, Error) == 0 {
		t.Fatalf("rejected without an error: %+v", d.Rejected)
	}
	for _, e := range d.Rejected {
		if e.Source != d.Source || e.Key == "" || !placed(e) {
			t.Fatalf("rejected entry %+v", e)
		}
	}
	for _, e := range d.Entries {
		if e.Source != d.Source || e.Key == "" || !placed(e) || e.Subject() == "" {
			t.Fatalf("entry %+v", e)
		}
	}
	for _, id := range fuzzIdentities(t) {
		m, err := table.MapWith(t.Context(), id, &nodeNames{name: "node"})
		if err == nil && (m.Username == "" || strings.Contains(strings.Join(m.Groups, ""), "{{")) {
			t.Fatalf("%v became %+v", id, m)
		}
		if err != nil && (m.Username != "" || m.Groups != nil) {
			t.Fatalf("%v: an error and %+v", id, m)
		}
		if unmapped, ok := err.(*NotMappedError); ok {
			unmapped.Hints()
		}
	}
}

func FuzzParseConfigMap(f *testing.F) {
	for _, c := range conformance() {
		f.Add(yamlList(c.given.roles, ""), yamlList(c.given.users, ""), yamlList(c.given.accounts, ""))
	}
	f.Add(guide, "``", "- 111122223333\n- '012345678901'")
	f.Add("- &a {rolearn: arn:aws:iam::111122223333:role/r, groups: &g [x]}\n- {<<: [*a, *a], groups: *g}", "- <<: *x", "&a [*a]")
	f.Add("- rolearn: x\n - username: {{SessionName}}", "- ? [a]\n  : b", "---\n---\n")
	f.Fuzz(func(t *testing.T, roles, users, accounts string) {
		d := ParseConfigMap(map[string]string{MapRoles: roles, MapUsers: users, MapAccounts: accounts})
		checkDocument(t, d)
		for _, key := range d.Broken {
			for _, e := range d.Entries {
				if e.Key == key {
					t.Fatalf("%s is broken and has %+v", key, e)
				}
			}
		}
	})
}

func FuzzParseDynamicFile(f *testing.F) {
	for _, c := range conformance() {
		text, err := json.Marshal(map[string]any{MapRoles: c.given.roles, MapUsers: c.given.users, MapAccounts: c.given.accounts})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, false)
	}
	f.Add([]byte(`{"mapRoles": [{"rolearn": "arn:aws:iam::111122223333:role/r", "userid": "AROAONE", "username": "r"}]}`), true)
	f.Add([]byte("{\"mapRoles\":\t[{}, {\"userid\": \"\"}],\n\"mapUsers\": [[[[1]]]], \"<<\": {}}"), true)
	f.Add([]byte(`{"mapUsers": null, "mapAccounts": [111122223333, 1e3, true]} {}`), false)
	f.Fuzz(func(t *testing.T, text []byte, strict bool) {
		d := ParseDynamicFile(text, strict)
		if !json.Valid(text) && len(d.Broken) == 0 {
			t.Fatalf("taken for JSON: %q", text)
		}
		checkDocument(t, d)
		for _, e := range d.Entries {
			if e.ByUserID != (strict && e.Account == "") {
				t.Fatalf("strict %v: %+v", strict, e)
			}
		}
	})
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(fullConfig))
	f.Add([]byte("clusterID: dev\nserver:\n  mapUsers:\n  - userarn: arn:aws:iam::111122223333:user/ada\n    username: ada\n"))
	f.Add([]byte(`{"clusterID": "dev", "server": {"mapAccounts": "111122223333,444455556666", "backendMode": "File CRD"}}`))
	f.Add([]byte("server: &a\n  reservedPrefixConfig: [*a]\n  <<: *a\n"))
	f.Add([]byte("server:\n  port: 99999999999999999999\n  backendMode: [[]]\n  scrubbedAccounts: {}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseConfig(text)
		if bad, ok := err.(*ConfigError); err != nil && (!ok || len(bad.Faults) == 0) {
			t.Fatalf("error %v", err)
		}
		if err == nil && len(c.Mappings.Broken) > 0 {
			t.Fatal("broken mappings, and no error")
		}
		if c.Server.Port < 1 || c.Server.Port > 65535 || c.Server.Address == "" || c.Server.Partition == "" {
			t.Fatalf("%+v", c.Server)
		}
		_ = c.Validate()
		checkDocument(t, c.Mappings)
	})
}

// FuzzLiveKeeps holds that nothing is in use that neither the last document
// has nor a faulty entry of it could have replaced, and that an update with the
// same document changes nothing.
func FuzzLiveKeeps(f *testing.F) {
	const bad = "- {userarn: 'arn:aws:iam::111122223333:user/ada', groups: x}\n"
	f.Add(users("ada", "bob"), bad, users("bob"))
	f.Add(users("ada", "bob"), users("bob")+bad+bad, "{")
	f.Add(users("ada", "bob"), users("bob")+"- userarn: x\n-\n- y", "-\n- userarn: x\n- userarn: x")
	f.Add(users("ada")+"- {userarn: 'arn:aws:iam::111122223333:user/ada', userid: A}", bad+"- {userarn: 'arn:aws:iam::111122223333:user/ada', user-id: A}", bad)
	f.Fuzz(func(t *testing.T, first, second, third string) {
		l := NewLive(Source{Name: EKSConfigMap})
		for _, text := range []string{first, second, third} {
			before := l.Table().Entries()
			doc := ParseConfigMap(map[string]string{MapUsers: text})
			update(t, l, EKSConfigMap, doc)
			got, st := l.Table().Entries(), l.State()[0]
			if len(doc.Broken) > 0 || doc.Silent {
				if !reflect.DeepEqual(got, before) {
					t.Fatalf("broken: %+v became %+v", before, got)
				}
				continue
			}
			if len(st.Kept) > len(doc.Rejected) || len(got) != len(doc.Entries)+len(st.Kept) {
				t.Fatalf("%d in use, %d good, %d rejected, %d kept", len(got), len(doc.Entries), len(doc.Rejected), len(st.Kept))
			}
			for _, e := range st.Kept {
				same := func(o Entry) bool { return reflect.DeepEqual(o, e) }
				if !slices.ContainsFunc(before, same) || !slices.ContainsFunc(got, same) {
					t.Fatalf("kept %+v", e)
				}
			}
			s := slices.Clone(l.sources[0].standing.entries())
			l.sources[0].update(doc, time.Time{})
			if again := l.sources[0].standing.entries(); !reflect.DeepEqual(s, again) {
				t.Fatalf("the same once more: %+v became %+v", s, again)
			}
		}
	})
}

// FuzzRender holds that a session name can only ever stand where the template
// has its place for it.
func FuzzRender(f *testing.F) {
	f.Add("{{SessionNameRaw}}", "ada@example.com")
	f.Add("a-{{AccountID}}-{{SessionName}}", "{{AccountID}}")
	f.Add("{{SessionName}}{{SessionNameRaw}}", "@{{@}}")
	f.Add("{{EC2PrivateDNSName}}", "i-0123456789abcdef0")
	f.Add("{{ SessionName }}", "x")
	f.Add("}}{{", "")
	f.Fuzz(func(t *testing.T, username, session string) {
		d := document("fuzz", Entry{Key: MapRoles, ARN: acct + "role/r", Username: username})
		id := arn.Identity{Principal: arn.Principal{Kind: arn.AssumedRole, Partition: "aws", AccountID: "111122223333", Name: "r", Session: session}, AccessKeyID: "AKIA"}
		m, err := NewTable(d).MapWith(t.Context(), id, &nodeNames{name: "node"})
		if err != nil {
			return
		}
		want := acct + "role/r"
		if strings.TrimSpace(username) != "" {
			// The other way to do it: the values of each cut, in one pass.
			want = strings.NewReplacer("{{AccountID}}", "111122223333", "{{AccessKeyID}}", "AKIA", "{{EC2PrivateDNSName}}", "node",
				"{{SessionName}}", strings.ReplaceAll(session, "@", "-"), "{{SessionNameRaw}}", session).Replace(username)
		}
		if m.Username != want || m.Username == "" {
			t.Fatalf("%q with %q: got %q, want %q", username, session, m.Username, want)
		}
	})
}
