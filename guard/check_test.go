package guard

import (
	"strings"
	"testing"

	"github.com/eksauth/eksauth/awsauth"
)

const (
	admin = "- rolearn: arn:aws:iam::111122223333:role/admin\n  username: admin:{{SessionName}}\n  groups: [system:masters]\n"
	node  = "- rolearn: arn:aws:iam::111122223333:role/node\n  username: system:node:{{EC2PrivateDNSName}}\n  groups: [system:bootstrappers, system:nodes]\n"
	dev   = "- rolearn: arn:aws:iam::111122223333:role/dev\n  username: dev\n  groups: [dev]\n"
	ops   = "- rolearn: arn:aws:iam::111122223333:role/team/ops\n  username: ops\n  groups: [system:masters]\n"
	all   = admin + node + dev
)

func roles(text string) awsauth.Document {
	return awsauth.ParseConfigMap(map[string]string{awsauth.MapRoles: text})
}

// as is a session of a role, signed in under a username.
func as(username, role string) User {
	return User{Username: username, Extra: map[string][]string{
		"arn": {"arn:aws:sts::111122223333:assumed-role/" + role + "/ada"}, "principalId": {"AROAEXAMPLE"}, "accessKeyId": {"ASIAEXAMPLE"},
	}}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	gone := awsauth.Document{Source: awsauth.EKSConfigMap}
	crd := awsauth.Document{Source: awsauth.CRD}
	crd.Add(awsauth.Entry{Key: awsauth.MapRoles, ARN: "arn:aws:iam::111122223333:role/other", Username: "other", Groups: []string{"system:masters"}})
	for name, c := range map[string]struct {
		edit     Edit
		problems []string // a part of each, in order
		warnings []string
	}{
		"nothing":               {Edit{Before: roles(all), After: roles(all), NodesExist: true}, nil, nil},
		"the first":             {Edit{Before: gone, After: roles(all), NodesExist: true}, nil, nil},
		"one more":              {Edit{Before: roles(admin), After: roles(admin + dev)}, nil, nil},
		"one less":              {Edit{Before: roles(all), After: roles(admin + node), NodesExist: true}, nil, nil},
		"not YAML":              {Edit{Before: roles(all), After: roles(admin + "- rolearn: [\n")}, []string{"mapRoles line 4: mapRoles is not YAML", "nobody would be left"}, nil},
		"no list":               {Edit{Before: roles(dev), After: roles("x: y")}, []string{"mapRoles line 1: mapRoles is a mapping, not a list; begin each entry with a dash"}, nil},
		"a bad entry":           {Edit{Before: roles(admin), After: roles(admin + "- rolearn: x\n  username: x\n")}, []string{`mapRoles line 4: "x" does not begin with "arn:"; write it as`}, nil},
		"a bad template":        {Edit{Before: roles(admin), After: roles(admin + strings.Replace(dev, ": dev\n", ": \"{{Nobody}}\"\n", 1))}, []string{"mapRoles line 4: username: {{Nobody}} is not a template"}, nil},
		"a duplicate":           {Edit{Before: roles(all), After: roles(all + dev)}, []string{"mapRoles line 10: the entry is never used: EKSConfigMap mapRoles[2] (line 7) comes first"}, nil},
		"a shadowed wildcard":   {Edit{Before: roles(dev), After: roles(strings.Replace(dev, "/dev", "/d*", 1) + dev)}, []string{"mapRoles line 4: the entry is never used"}, nil},
		"an unknown key":        {Edit{Before: roles(admin), After: roles(admin + dev + "  group: x\n")}, []string{`mapRoles line 7: the key "group" is not known; did you mean groups?`}, nil},
		"an unknown text":       {Edit{Before: roles(admin), After: awsauth.ParseConfigMap(map[string]string{"mapRoles": admin, "notes": "x"})}, []string{`notes: the key "notes" is not read`}, nil},
		"style":                 {Edit{Before: roles(admin), After: roles(admin + ops)}, nil, []string{"sessions do not show the path of a role"}},
		"a bad entry as before": {Edit{Before: roles(admin + "- rolearn: x\n"), After: roles(dev + admin + "- rolearn: x\n")}, nil, []string{`as before: mapRoles line 7: "x" does not begin`}},
		"one bad entry more":    {Edit{Before: roles(admin + "- rolearn: x\n"), After: roles(admin + "- rolearn: x\n- rolearn: x\n")}, []string{`mapRoles line 5: "x" does not begin`}, []string{`as before: mapRoles line 4: "x" does not begin`}},
		"a duplicate as before": {Edit{Before: roles(dev + dev), After: roles(admin + dev + dev)}, nil, []string{"as before: mapRoles line 7: the entry is never used"}},

		"emptied":                     {Edit{Before: roles(dev), After: awsauth.ParseConfigMap(nil)}, []string{"the edit leaves nothing, which looks like an accident; to map nobody write an empty list: []"}, nil},
		"emptied on purpose":          {Edit{Before: roles(dev), After: roles("[]")}, nil, nil},
		"empty before":                {Edit{Before: awsauth.ParseConfigMap(nil), After: awsauth.ParseConfigMap(nil)}, nil, nil},
		"the last administrator":      {Edit{Before: roles(admin + dev), After: roles(dev)}, []string{"mapRoles: nobody would be left in system:masters: arn:aws:iam::111122223333:role/admin was the last; map another administrator first"}, nil},
		"the last one's group":        {Edit{Before: roles(admin), After: roles(strings.Replace(admin, "system:masters", "admins", 1))}, []string{"nobody would be left in system:masters"}, nil},
		"the last, by deletion":       {Edit{Before: roles(admin), After: gone}, []string{"nobody would be left in system:masters"}, nil},
		"the last one but shadowed":   {Edit{Before: roles(admin), After: roles(strings.Replace(admin, "system:masters", "x", 1) + admin)}, []string{"never used", "nobody would be left in system:masters"}, nil},
		"another administrator":       {Edit{Before: roles(admin + ops), After: roles(admin)}, nil, nil},
		"one in another source":       {Edit{Before: roles(admin), After: roles(dev), Others: []awsauth.Document{crd}}, nil, nil},
		"there never was one":         {Edit{Before: roles(dev), After: gone}, nil, nil},
		"a node role":                 {Edit{Before: roles(all), After: roles(admin + dev), NodesExist: true}, []string{"mapRoles: nodes of arn:aws:iam::111122223333:role/node could not sign in any more, and the cluster has nodes; delete its node group first"}, nil},
		"a node role without nodes":   {Edit{Before: roles(all), After: roles(admin + dev)}, nil, nil},
		"a node role's group":         {Edit{Before: roles(node), After: roles(strings.Replace(node, ", system:nodes", "", 1)), NodesExist: true}, []string{"could not sign in any more"}, nil},
		"a node role with a path now": {Edit{Before: roles(node), After: roles(strings.Replace(node, "role/node", "role/eks/Node", 1)), NodesExist: true}, nil, []string{"sessions do not show the path"}},

		"a node role's username":           {Edit{Before: roles(node), After: roles(strings.Replace(node, "system:node:{{EC2PrivateDNSName}}", "node", 1)), NodesExist: true}, []string{"could not sign in any more"}, nil},
		"a node role in a wildcard now":    {Edit{Before: roles(admin + node), After: roles(admin + strings.Replace(node, "role/node", "role/no*", 1)), NodesExist: true}, nil, nil},
		"a wildcard that gives less":       {Edit{Before: roles(node), After: roles(strings.NewReplacer("role/node", "role/no*", ", system:nodes", "").Replace(node)), NodesExist: true}, []string{"could not sign in any more"}, nil},
		"a node role, pinned":              {Edit{Before: roles(node), After: roles(node + "  userid: AROAEXAMPLE\n"), NodesExist: true}, nil, nil},
		"a node role, pinned to another":   {Edit{Before: roles(node + "  userid: AROAEXAMPLE\n"), After: roles(node + "  userid: AROAOTHER\n"), NodesExist: true}, []string{"could not sign in any more"}, nil},
		"a node role, not pinned any more": {Edit{Before: roles(node + "  userid: AROAEXAMPLE\n"), After: roles(node), NodesExist: true}, nil, nil},

		"oneself":                        {Edit{Before: roles(admin + ops + dev), After: roles(admin + ops), Author: as("dev", "dev")}, []string{"mapRoles: the edit would lock you out: arn:aws:iam::111122223333:role/dev signs in by EKSConfigMap mapRoles[2] (line 7)"}, nil},
		"oneself, by a broken key":       {Edit{Before: roles(admin + dev), After: roles(admin + strings.Replace(dev, "username: dev", `username: "{{Nobody}}"`, 1)), Author: as("dev", "dev")}, []string{"is not a template", "lock you out"}, nil},
		"one's administration":           {Edit{Before: roles(admin + ops), After: roles(strings.Replace(admin, "system:masters", "x", 1) + ops), Author: as("admin:ada", "admin")}, []string{"the edit would take system:masters from you"}, nil},
		"oneself, but signed in by else": {Edit{Before: roles(admin + dev), After: roles(admin), Author: as("kubernetes-admin", "dev")}, nil, nil},
		"somebody else":                  {Edit{Before: roles(admin + dev), After: roles(admin), Author: as("admin:ada", "admin")}, nil, nil},
		"by nobody of AWS":               {Edit{Before: roles(admin + dev), After: roles(admin), Author: User{Username: "dev"}}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := Check(c.edit)
			var got []string
			for _, p := range v.Problems {
				got = append(got, p.String())
			}
			same(t, "problems", got, c.problems)
			same(t, "warnings", v.Warnings, c.warnings)
		})
	}
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	ok := len(got) == len(want)
	for i := 0; ok && i < len(got); i++ {
		ok = strings.Contains(got[i], want[i])
	}
	if !ok {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}
