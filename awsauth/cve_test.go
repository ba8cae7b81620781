package awsauth

import (
	"strings"
	"testing"
)

// CVE-2019-11253: kube-apiserver took a small YAML of aliases within aliases for
// the billions of values that it stands for. aws-auth holds YAML in its texts.
func TestCVE_2019_11253(t *testing.T) {
	t.Parallel()
	laughs := "- &a {userarn: 'arn:aws:iam::111122223333:user/a', username: lol, groups: &g0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]}\n"
	for i := range 9 {
		last := "*g" + string(rune('0'+i))
		laughs += "- {userarn: 'arn:aws:iam::111122223333:user/a', username: lol, groups: &g" + string(rune('1'+i)) +
			" [" + strings.Join([]string{last, last, last, last, last, last, last, last, last}, ",") + "]}\n"
	}
	for _, key := range []string{"mapUsers", "mapRoles", "mapAccounts"} {
		d := ParseConfigMap(map[string]string{key: laughs})
		n := 0
		for _, e := range d.Entries {
			n += 1 + len(e.Groups)
		}
		if n > 11 || len(d.Faults) == 0 {
			t.Errorf("%s: %d values, %d faults", key, n, len(d.Faults))
		}
	}
}

// CVE-2022-28948: yaml.v3 before 3.0.1 panicked on this text.
func TestCVE_2022_28948(t *testing.T) {
	t.Parallel()
	const text = "0: [:!00 \xef"
	for _, key := range []string{"mapUsers", "mapRoles", "mapAccounts"} {
		if d := ParseConfigMap(map[string]string{key: text}); len(d.Faults) == 0 || len(d.Entries) > 0 {
			t.Errorf("%s: %+v", key, d)
		}
	}
}
