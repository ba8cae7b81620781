package awsauth

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lines shows faults as lines for comparison.
func lines(faults []Fault) []string {
	var list []string
	for _, f := range faults {
		list = append(list, f.String())
	}
	return list
}

// The example of the EKS user guide's shape: a node role, an admin role, users.
const guide = `- groups:
  - system:bootstrappers
  - system:nodes
  rolearn: arn:aws:iam::111122223333:role/my-role
  username: system:node:{{EC2PrivateDNSName}}
- groups:
  - eks-console-dashboard-full-access-group
  rolearn: arn:aws:iam::111122223333:role/my-console-viewer-role
  username: my-console-viewer-role
`

func TestParseConfigMapReadsTheUserGuidesExample(t *testing.T) {
	t.Parallel()
	got := ParseConfigMap(map[string]string{
		"mapRoles":    guide,
		"mapUsers":    "- groups:\n  - system:masters\n  userarn: arn:aws:iam::111122223333:user/admin\n  username: admin\n",
		"mapAccounts": "- \"111122223333\"\n- 012345678901\n",
	})
	want := Document{Source: "EKSConfigMap", Entries: []Entry{
		{Source: "EKSConfigMap", Key: "mapRoles", Index: 0, Line: 1, ARN: "arn:aws:iam::111122223333:role/my-role", Username: "system:node:{{EC2PrivateDNSName}}", Groups: []string{"system:bootstrappers", "system:nodes"}},
		{Source: "EKSConfigMap", Key: "mapRoles", Index: 1, Line: 6, ARN: "arn:aws:iam::111122223333:role/my-console-viewer-role", Username: "my-console-viewer-role", Groups: []string{"eks-console-dashboard-full-access-group"}},
		{Source: "EKSConfigMap", Key: "mapUsers", Index: 0, Line: 1, ARN: "arn:aws:iam::111122223333:user/admin", Username: "admin", Groups: []string{"system:masters"}},
		{Source: "EKSConfigMap", Key: "mapAccounts", Index: 0, Line: 1, Account: "111122223333"},
		{Source: "EKSConfigMap", Key: "mapAccounts", Index: 1, Line: 2, Account: "012345678901"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !got.Entries[0].NeedsNodeNames() || got.Entries[1].NeedsNodeNames() {
		t.Error("NeedsNodeNames does not tell the node role from the other")
	}
}

func TestParseConfigMapTakesTheseForNoEntries(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", " \n", `""`, "''", "``", " '' \n", "null", "~", "[]", "# nobody yet\n", "---\n"} {
		d := ParseConfigMap(map[string]string{"mapRoles": s, "mapUsers": s, "mapAccounts": s})
		if len(d.Entries)+len(d.Faults)+len(d.Broken) > 0 {
			t.Errorf("%q: %+v", s, d)
		}
	}
}

func TestParseConfigMapNamesEachFaultByLine(t *testing.T) {
	t.Parallel()
	const good = "- userarn: arn:aws:iam::111122223333:user/ada\n  username: ada\n"
	for name, c := range map[string]struct {
		text string // of mapUsers, after the good entry
		want []string
	}{
		"not an ARN":         {"- userarn: ada\n  username: x\n", []string{`line 3: error: "ada" does not begin with "arn:"; write it as arn:aws:iam::111122223333:user/NAME`}},
		"no ARN":             {"- username: x\n", []string{`line 3: error: the entry does not say whom it is for; give userarn`}},
		"empty":              {"-\n", []string{`line 3: error: the entry is a value of type null, not a mapping; give userarn, username, groups, userid`}},
		"a text":             {"- ada\n", []string{`line 3: error: the entry is a text, not a mapping; give userarn, username, groups, userid`}},
		"groups a text":      {"- userarn: arn:aws:iam::111122223333:user/b\n  username: b\n  groups: a,b\n", []string{`line 5: error: groups is a text, not a list; begin each group with a dash`}},
		"group a mapping":    {"- userarn: arn:aws:iam::111122223333:user/b\n  username: b\n  groups:\n  - a: b\n", []string{`line 6: error: a group is a mapping, not a text; a text that begins with { needs quotes`}},
		"template no quotes": {"- userarn: arn:aws:iam::111122223333:user/b\n  username: {{AccountID}}\n", []string{`line 4: error: username is a mapping, not a text; a text that begins with { needs quotes`}},
		"unknown template":   {"- userarn: arn:aws:iam::111122223333:user/b\n  username: a-{{AccountId}}\n", []string{`line 3: error: username: {{AccountId}} is not a template; did you mean AccountID?`}},
		"open template":      {"- userarn: arn:aws:iam::111122223333:user/b\n  username: a-{{AccountID\n", []string{`line 3: error: username: "a-{{AccountID" has {{ without }}; close the template, as in {{SessionName}}`}},
		"twice a key":        {"- userarn: arn:aws:iam::111122223333:user/b\n  userARN: arn:aws:iam::111122223333:user/c\n  username: b\n", []string{`line 4: error: the key "userARN" is there twice; keep one of them; case does not tell them apart`}},
		"unknown key":        {"- userarn: arn:aws:iam::111122223333:user/b\n  username: b\n  group: [a]\n", []string{`line 5: warning: the key "group" is not known; did you mean groups?`}},
		"key far from any":   {"- userarn: arn:aws:iam::111122223333:user/b\n  username: b\n  comment: x\n", []string{`line 5: warning: the key "comment" is not known; known here: userarn, username, groups, userid`}},
		"misspelt pin":       {"- userarn: arn:aws:iam::111122223333:user/b\n  username: b\n  user-id: x\n", []string{`line 5: error: the key "user-id" is not known; did you mean userid?`}},
		"role's key":         {"- rolearn: arn:aws:iam::111122223333:user/b\n  username: b\n", []string{`line 3: error: rolearn does not belong into mapUsers; write userarn, or move the entry`}},
		"number as name":     {"- userarn: arn:aws:iam::111122223333:user/b\n  username: 42\n", []string{`line 4: warning: username is a value of type int, and taken as the text "42"; put it in quotes`}},
		"binary":             {"- userarn: arn:aws:iam::111122223333:user/b\n  username: !!binary YQ==\n", []string{`line 4: error: username is a value of type binary, not a text`}},
		"two faults": {"- userarn: ada\n  username: '{{Foo}}'\n", []string{
			`line 3: error: "ada" does not begin with "arn:"; write it as arn:aws:iam::111122223333:user/NAME`,
			`line 3: error: username: {{Foo}} is not a template; known here: AccountID, SessionName, SessionNameRaw, AccessKeyID, EC2PrivateDNSName`}},
		"no username":        {"- userarn: arn:aws:iam::111122223333:user/b\n", []string{`line 3: warning: the entry has no username; the canonical ARN is used; give username`}},
		"wrong indentation":  {"- userarn: arn:aws:iam::111122223333:user/b\n  username: b\n  groups:\n  - a\n   - b\n", []string{`line 3: warning: group "a - b" contains white space; is a list indented wrongly?`}},
		"root":               {"- userarn: arn:aws:iam::111122223333:root\n  username: b\n", []string{`line 3: warning: "arn:aws:iam::111122223333:root" is the root user alone, not its account; for every principal of the account, use mapAccounts`}},
		"role":               {"- userarn: arn:aws:iam::111122223333:role/b\n  username: b\n", []string{`line 3: warning: "arn:aws:iam::111122223333:role/b" is not a user; list it under mapRoles, as rolearn`}},
		"session":            {"- userarn: arn:aws:iam::111122223333:user/b\n  username: 'b-{{SessionName}}'\n", []string{`line 3: error: a template needs a session name, and "arn:aws:iam::111122223333:user/b" has none; only the sessions of roles have one`}},
		"two documents":      {"---\n- userarn: arn:aws:iam::111122223333:user/b\n", []string{`line 3: warning: only the first YAML document of mapUsers is read; remove the line ---`}},
		"white space in ARN": {"- userarn: 'arn:aws:iam::111122223333:user/b '\n  username: b\n", []string{`line 3: error: "arn:aws:iam::111122223333:user/b " contains white space or a control character; write it as arn:aws:iam::111122223333:user/NAME`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := ParseConfigMap(map[string]string{"mapUsers": good + c.text})
			for i := range c.want {
				c.want[i] = "EKSConfigMap mapUsers " + c.want[i]
			}
			if diff := cmp.Diff(c.want, lines(d.Faults)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			if len(d.Entries) == 0 || d.Entries[0].Username != "ada" || len(d.Broken) > 0 {
				t.Errorf("the good entry is gone: %+v", d)
			}
			if used := len(d.Entries) == 2; used != (countFaults(d.Faults, Error) == 0 && name != "two documents") {
				t.Errorf("entry used: %v", used)
			}
		})
	}
}

func TestParseConfigMapWarnsOfWhatItPutsRightInRoles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"rolearn: arn:aws:iam::111122223333:role/team/r":                                                                           `"arn:aws:iam::111122223333:role/team/r" matches without it; write arn:aws:iam::111122223333:role/r; whoever may create roles`,
		"rolearn: arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_A_0123456789abcdef":       `write arn:aws:iam::111122223333:role/AWSReservedSSO_A_0123456789abcdef, or an sso mapping`,
		"rolearn: arn:aws:sts::111122223333:assumed-role/r/ada":                                                                    `is one session; every session of the role matches; write arn:aws:iam::111122223333:role/r`,
		"rolearn: ARN:aws:IAM::111122223333:role/R":                                                                                `is not written as AWS writes it; write "arn:aws:iam::111122223333:role/R"`,
		"rolearn: arn:aws:iam::111122223333:role/r\n  groups: ['team-{{SessionName}}']":                                            `group "team-{{SessionName}}" depends on the session name; whoever assumes the role chooses`,
		"sso: {permissionSetName: A, accountID: 111122223333, region: x}":                                                          `the key "region" is not known in sso`,
		"rolearn: arn:aws:iam::111122223333:role/r\n  groups: ['']":                                                                `a group without a name is ignored`,
		"rolearn: arn:aws:iam::111122223333:user/u":                                                                                `is not a role; list it under mapUsers, as userarn`,
		"rolearn: arn:aws:iam::111122223333:role/r\n  <<: {userid: AROAX}\n  groups: [a b]":                                        `contains white space`,
		"rolearn: arn:aws:iam::111122223333:role/r\n  groups:\n  - system:bootstrappers\n   - system:nodes # space out of place\n": `contains white space; is a list indented wrongly?`,
	} {
		d := ParseConfigMap(map[string]string{"mapRoles": "- username: x\n  " + text})
		if len(d.Entries) != 1 || len(d.Faults) != 1 || d.Faults[0].Severity != Warning {
			t.Errorf("%s: %+v", text, d)
			continue
		}
		if !strings.Contains(d.Faults[0].String(), want) {
			t.Errorf("%s:\n got %s\nwant %s", text, d.Faults[0], want)
		}
	}
}

func TestParseConfigMapRefusesRolesThatCannotMatch(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"rolearn: arn:aws:iam::1111:role/r":                     `has no account id of twelve digits`,
		"rolearn: arn:aws:s3:::bucket":                          `has no account id`,
		"rolearn: arn:aws-moon:iam::111122223333:role/r":        `names the partition aws-moon, which AWS does not have`,
		"rolearn: arn:aws:iam::111122223333:instance-profile/r": `is an instance profile; give the ARN of its role`,
		"rolearn: [a]":                   `rolearn is a list, not a text`,
		"rolearn: ''":                    `the entry does not say whom it is for; give rolearn, or sso`,
		"sso: x":                         `sso is a text, not a mapping; give permissionSetName, accountID, partition`,
		"sso: {accountID: 111122223333}": `sso has no valid permissionSetName, but ""`,
		"sso: {permissionSetName: A*, accountID: 111122223333}":                       `sso has no valid permissionSetName, but "A*"`,
		"sso: {permissionSetName: A}":                                                 `sso has no valid accountID, but ""; give the account's twelve digits`,
		"sso: {permissionSetName: A, accountID: 1, accountId: 2}":                     `the key "accountId" is there twice`,
		"sso: {permissionSetName: A, accountID: 111122223333, partition: aws-us-gob}": `AWS has no partition "aws-us-gob"; did you mean aws-us-gov?`,
		"rolearn: arn:aws:iam::111122223333:role/r\n  userid: AROA1:x":                `userid "AROA1:x" has a session name, which differs each time; write "AROA1"`,
		"? [a, b]\n  : c": `a key is not a text`,
		"<<: text":        `this is not a mapping, or one that is too large`,
	} {
		d := ParseConfigMap(map[string]string{"mapRoles": "- username: x\n  " + text})
		if len(d.Entries) > 0 || len(d.Broken) > 0 || countFaults(d.Faults, Error) == 0 {
			t.Errorf("%s: %+v", text, d)
		}
		if all := strings.Join(lines(d.Faults), "\n"); !strings.Contains(all, want) {
			t.Errorf("%s:\n got %s\nwant %s", text, all, want)
		}
	}
}

func TestParseConfigMapRefusesAccountsThatAreNone(t *testing.T) {
	t.Parallel()
	d := ParseConfigMap(map[string]string{"mapAccounts": "- 123\n- '111122223333'\n- [a]\n- 1.2345e11\n"})
	want := []string{
		`EKSConfigMap mapAccounts line 1: error: "123" is not an account id; an account id has twelve digits; put it in quotes, or YAML may change it`,
		`EKSConfigMap mapAccounts line 3: error: the account is a list, not a text`,
		`EKSConfigMap mapAccounts line 4: error: "1.2345e11" is not an account id; an account id has twelve digits; put it in quotes, or YAML may change it`,
	}
	if diff := cmp.Diff(want, lines(d.Faults)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if len(d.Entries) != 1 || d.Entries[0].Account != "111122223333" || d.Entries[0].Index != 1 {
		t.Errorf("entries: %+v", d.Entries)
	}
}

func TestParseConfigMapBreaksOneKeyOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"a mapping":        {"rolearn: x\n", "line 1: error: mapRoles is a mapping, not a list; begin each entry with a dash"},
		"a text":           {"hello", "line 1: error: mapRoles is a text, not a list; begin each entry with a dash"},
		"bad indentation":  {guide + " - rolearn: x\n", "line 10: error: mapRoles is not YAML: "},
		"an open quote":    {guide + "- rolearn: \"x\n  username: y\n- rolearn: z\n", "line 10: error: mapRoles is not YAML: "},
		"a tab":            {"- rolearn: x\n\tusername: y\n", "line 2: error: mapRoles is not YAML: "},
		"a bare template":  {"- rolearn: x\n  username: {{SessionName}}@example.com\n", `line 2: error: mapRoles is not YAML: found character that cannot start any token; a text that begins with {{ needs quotes`},
		"garbage after it": {"[]\n- rolearn: x\n", "line 2: error: mapRoles is not YAML: "},
		"unknown alias":    {"- *nobody\n", "error: mapRoles is not YAML: "},
		"not UTF-8":        {"- rolearn: \xff\n", "line 1: error: mapRoles is not YAML: "},
		"too long":         {strings.Repeat("#", 1<<20+1), "error: mapRoles is longer than 1048576 bytes"},
		"too many":         {strings.Repeat("- x\n", 100_001), "line 1: error: mapRoles has 100001 entries, more than can be read"},
		"too deep":         {strings.Repeat("[", 20_000), "line 1: error: mapRoles is not YAML: exceeded max depth"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := ParseConfigMap(map[string]string{"mapRoles": c.text, "mapAccounts": "- '111122223333'"})
			if !slices.Equal(d.Broken, []string{"mapRoles"}) || len(d.Entries) != 1 || d.Entries[0].Key != "mapAccounts" {
				t.Errorf("broken %v, entries %+v", d.Broken, d.Entries)
			}
			if got := strings.Join(lines(d.Faults), "\n"); !strings.HasPrefix(strings.TrimPrefix(got, "EKSConfigMap mapRoles "), c.want) && !strings.Contains(got, ": "+c.want) {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestParseConfigMapTakesAMisspeltKeyForABrokenOne(t *testing.T) {
	t.Parallel()
	d := ParseConfigMap(map[string]string{"maproles": guide, "mapAccounts": "", "mapAccount": "", "notes": "x"})
	want := []string{
		`EKSConfigMap mapAccount: warning: the key "mapAccount" is not read; known here: mapRoles, mapUsers, mapAccounts`,
		`EKSConfigMap mapRoles: error: the ConfigMap has no key mapRoles, but "maproles"; rename it to mapRoles`,
		`EKSConfigMap notes: warning: the key "notes" is not read; known here: mapRoles, mapUsers, mapAccounts`,
	}
	if diff := cmp.Diff(want, lines(d.Faults)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if !slices.Equal(d.Broken, []string{"mapRoles"}) || len(d.Entries) > 0 {
		t.Errorf("%+v", d)
	}
}

func TestParseConfigMapFollowsAliasesAndMerges(t *testing.T) {
	t.Parallel()
	d := ParseConfigMap(map[string]string{"mapUsers": `
- &ada
  userarn: arn:aws:iam::111122223333:user/ada
  username: ada
  groups: &admins [a, b]
- <<: *ada
  userarn: arn:aws:iam::111122223333:user/bob
- userarn: arn:aws:iam::111122223333:user/cid
  username: cid
  groups: *admins
- <<: [{username: first, groups: [c]}, {username: second, userarn: 'arn:aws:iam::111122223333:user/dan'}, *ada, *ada]
- *ada
`})
	var got []string
	for _, e := range d.Entries {
		got = append(got, fmt.Sprintf("%d %s %s %v", e.Line, strings.TrimPrefix(e.ARN, acct+"user/"), e.Username, e.Groups))
	}
	want := []string{"2 ada ada [a b]", "6 bob ada [a b]", "8 cid cid [a b]", "11 dan first [c]", "12 ada ada [a b]"}
	if diff := cmp.Diff(want, got); diff != "" || len(d.Faults) > 0 {
		t.Errorf("-want +got:\n%s\n%v", diff, d.Faults)
	}
}

// Small documents that would be large without their aliases, or that are
// faults through and through, must cost little.
func TestParseConfigMapIsBounded(t *testing.T) {
	t.Parallel()
	groups := "[" + strings.TrimSuffix(strings.Repeat("a,", 100_000), ",") + "]"
	merges := "- &m0 {a: b}\n"
	for i := range 12 {
		merges += fmt.Sprintf("- &m%d {<<: [%s]}\n", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*m%d,", i), 50), ","))
	}
	for name, c := range map[string]struct{ text, want string }{
		"groups":       {"- {userarn: 'arn:aws:iam::111122223333:user/a', username: a, groups: &g " + groups + "}\n" + strings.Repeat("- {userarn: 'arn:aws:iam::111122223333:user/a', username: a, groups: *g}\n", 5_000), "more groups than can be read"},
		"merges":       {merges, "too large"},
		"merged list":  {"- {<<: &l [" + strings.Repeat("{},", 100_000) + "]}\n" + strings.Repeat("- {<<: *l}\n", 10_000), "too large"},
		"self merge":   {"- &a {<<: *a}\n- &b {<<: [*b, *b, *b, *b]}\n", "does not say whom"},
		"faults":       {strings.Repeat("- x\n", 90_000), "more faults than are listed"},
		"keys":         {"- {" + strings.Repeat("a,", 100_000) + "}", "too large"},
		"line at end":  {strings.Repeat("- {userarn: a}\n", 60_000) + " - b", "not YAML"},
		"empty groups": {"- {userarn: 'arn:aws:iam::111122223333:user/a', groups: [" + strings.Repeat("'',", 200_000) + "]}", "a group without a name"},
	} {
		t.Run(name, func(t *testing.T) {
			d := ParseConfigMap(map[string]string{"mapUsers": c.text})
			NewTable(d)
			n := 0
			for _, e := range d.Entries {
				n += 1 + len(e.Groups)
			}
			if n > maxValues || len(d.Faults) > maxFaults+1 {
				t.Errorf("%d values, %d faults", n, len(d.Faults))
			}
			if all := strings.Join(lines(d.Faults), "\n"); !strings.Contains(all, c.want) {
				t.Errorf("no fault says %q", c.want)
			}
		})
	}
}
