package awslocal

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/arn"
)

// people have names as odd as IAM allows, some in two accounts, some no key.
const people = `accounts:
  - id: "111122223333"
    users:
      - name: zoe
      - name: a+b=c,d.e@f-g_h
        path: /staff/
      - name: ada
      - name: keyless
        accessKeys: []
      - name: off
        accessKeys: [{status: Inactive}]
    roles: [{name: r, trustPolicy: &t {Version: "2012-10-17", Statement: {Effect: Allow, Principal: "*", Action: "sts:*"}}}]
  - id: "444455556666"
    users: [{name: ada}]
    roles: [{name: q, path: /team/, trustPolicy: *t}]
`

func arns(principals []arn.Principal) []string {
	var list []string
	for _, p := range principals {
		list = append(list, p.String())
	}
	return list
}

func TestUsersAndRolesAreInOrder(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	apply(t, s, parse(t, people))
	users, err := s.Users()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{
		"arn:aws:iam::111122223333:user/zoe", "arn:aws:iam::111122223333:user/staff/a+b=c,d.e@f-g_h", "arn:aws:iam::111122223333:user/ada",
		"arn:aws:iam::111122223333:user/keyless", "arn:aws:iam::111122223333:user/off",
		"arn:aws:iam::111122223333:user/administrator", // whom the world does not name
		"arn:aws:iam::444455556666:user/ada", "arn:aws:iam::444455556666:user/administrator",
	}, arns(users)); diff != "" {
		t.Error(diff)
	}
	if first, err := s.FirstUser(); err != nil || first != users[0] {
		t.Errorf("the first user is %s (%v)", first, err)
	}
	roles, err := s.Roles()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"arn:aws:iam::111122223333:role/r", "arn:aws:iam::444455556666:role/team/q"}, arns(roles)); diff != "" {
		t.Error(diff)
	}
}

func TestSDKReadsTheCredentialsFile(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	apply(t, s, parse(t, people))
	if err := s.WriteCredentials(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.Dir(), CredentialsFile)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	files := func(o *config.LoadSharedConfigOptions) {
		o.CredentialsFiles, o.ConfigFiles = []string{path}, []string{}
	}
	for profile, user := range map[string]string{
		"zoe":                 "arn:aws:iam::111122223333:user/zoe",
		"a+b=c,d.e@f-g_h":     "arn:aws:iam::111122223333:user/staff/a+b=c,d.e@f-g_h",
		"111122223333.ada":    "arn:aws:iam::111122223333:user/ada",
		"444455556666.ada":    "arn:aws:iam::444455556666:user/ada",
		"keyless":             "",
		"off":                 "",
		"ada":                 "",
		"111122223333.keyles": "",
	} {
		got, err := config.LoadSharedConfigProfile(t.Context(), profile, files)
		if user == "" {
			if err == nil {
				t.Errorf("profile %s is there", profile)
			}
			continue
		}
		want := credentialsOf(t, s, user)
		if err != nil || got.Credentials.AccessKeyID != want.AccessKeyID || got.Credentials.SecretAccessKey != want.SecretAccessKey {
			t.Errorf("profile %s: %v", profile, err)
		}
	}
}
