package irsa

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const role = "arn:aws:iam::111122223333:role/awesome.app"

func parse(t *testing.T, raw string) *Pod {
	t.Helper()
	pod, err := ParsePod([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

func granted(annotations ...string) Grant {
	a := ServiceAccount{RoleARN: role}
	for i, field := range []*string{&a.RoleARN, &a.Audience, &a.TokenExpiration, &a.RegionalSTS} {
		if i < len(annotations) {
			*field = annotations[i]
		}
	}
	return Grant{ServiceAccount: a}
}

const onePod = `{"metadata":{},"spec":{"containers":[{"name":"app"}]}}`

func TestExpirationHasJitterOnlyWhereNobodySaysOne(t *testing.T) {
	for _, tc := range []struct {
		name       string
		settings   Settings
		pod, sa    string
		low, high  string // with the least and the most jitter
		wantInWarn string
	}{
		{name: "the default", low: "79200", high: "86400"},
		{name: "another default", settings: Settings{Expiration: time.Hour}, low: "3300", high: "3600"},
		{name: "the least default", settings: Settings{Expiration: 10 * time.Minute}, low: "600", high: "600"},
		{name: "the service account's", sa: "7200", low: "7200", high: "7200"},
		{name: "the pod's wins", pod: "3600", sa: "7200", low: "3600", high: "3600"},
		{name: "too short", sa: "60", low: "600", high: "600", wantInWarn: "no token for less than 600 seconds"},
		{name: "negative", sa: "-1", low: "600", high: "600", wantInWarn: "600"},
		{name: "long", sa: "90000", low: "90000", high: "90000", wantInWarn: "may make it shorter"},
		{name: "too long", sa: "99999999999", low: "4294967296", high: "4294967296", wantInWarn: "no more than"},
		{name: "no number", sa: "1h", low: "79200", high: "86400", wantInWarn: "not a number"},
		{name: "the pod's is no number", pod: "x", sa: "7200", low: "7200", high: "7200", wantInWarn: "not a number"},
		{name: "an overflow", sa: "9223372036854775808", low: "79200", high: "86400", wantInWarn: "not a number"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pod := parse(t, onePod)
			if tc.pod != "" {
				pod.Metadata.Annotations = map[string]string{"eks.amazonaws.com/token-expiration": tc.pod}
			}
			for want, jitter := range map[string]func(int64) int64{tc.high: func(int64) int64 { return 0 }, tc.low: func(n int64) int64 { return n - 1 }} {
				s := tc.settings
				s.Jitter = jitter
				m := s.Mutate(pod, granted(role, "", tc.sa))
				if !strings.Contains(string(m.Patch), `"expirationSeconds":`+want+`,`) {
					t.Errorf("want %s: %s", want, m.Patch)
				}
				if got := strings.Join(m.Warnings, "\n"); (got == "") != (tc.wantInWarn == "") || !strings.Contains(got, tc.wantInWarn) {
					t.Errorf("warnings %q", got)
				}
			}
		})
	}
}

func TestRealJitterStaysInBounds(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		patch := string(Settings{}.Mutate(parse(t, onePod), granted()).Patch)
		_, rest, _ := strings.Cut(patch, `"expirationSeconds":`)
		var seconds int
		if _, err := fmt.Sscanf(rest, "%d", &seconds); err != nil || seconds < 79_200 || seconds > 86_400 {
			t.Fatalf("%d, %v", seconds, err)
		}
		seen[rest] = true
	}
	if len(seen) < 50 {
		t.Errorf("only %d different lifetimes", len(seen))
	}
}

// Annotations are text that somebody wrote.
func TestHostileAnnotations(t *testing.T) {
	long := strings.Repeat("x", maxValue+1)
	for _, tc := range []struct {
		name, role, audience string
		want, unwanted       string // in the patch
		warning              string
	}{
		{name: "kubelet's expansion", role: "$(SECRET)", want: `"$$(SECRET)"`, warning: "not the ARN"},
		{name: "escaped already", role: "$$(SECRET)", want: `"$$$$(SECRET)"`, warning: "not the ARN"},
		{name: "quotes", role: `"},{"op":"remove`, want: `"\"},{\"op\":\"remove"`, warning: "not the ARN"},
		{name: "a line break", role: role + "\n", unwanted: "AWS", warning: "cannot be used"},
		{name: "too long", role: long, unwanted: "AWS", warning: "cannot be used"},
		{name: "a long audience", role: role, audience: long, want: `"audience":"sts.amazonaws.com"`, warning: "cannot be used"},
		{name: "an odd audience", role: role, audience: "https://a/?b=<c>", want: `"audience":"https://a/?b=`, warning: "none that STS is known to accept"},
		{name: "a user", role: "arn:aws:iam::111122223333:user/ada", want: ":user/ada", warning: "not the ARN of an IAM role"},
		{name: "a short account", role: "arn:aws:iam::1111:role/x", want: ":1111:", warning: "not the ARN of an IAM role"},
		{name: "only a name", role: "awesome.app", want: `"awesome.app"`, warning: "not the ARN of an IAM role"},
		{name: "a session", role: "arn:aws:sts::111122223333:assumed-role/x/y", want: "assumed-role", warning: "not the ARN of an IAM role"},
		{name: "spaces around it", role: " " + role, want: `" arn:`, warning: "not the ARN of an IAM role"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := Settings{}.Mutate(parse(t, onePod), granted(tc.role, tc.audience))
			if m.Patch != nil && !json.Valid(m.Patch) {
				t.Fatalf("not JSON: %s", m.Patch)
			}
			if !strings.Contains(string(m.Patch), tc.want) || tc.unwanted != "" && strings.Contains(string(m.Patch), tc.unwanted) {
				t.Errorf("%s", m.Patch)
			}
			if len(m.Warnings) != 1 || !strings.Contains(m.Warnings[0], tc.warning) || len(m.Warnings[0]) > maxWarning {
				t.Errorf("%q", m.Warnings)
			}
		})
	}
}

func TestRoleNamesAreComposed(t *testing.T) {
	s := Settings{AccountID: "444455556666", Partition: "aws-cn"}
	for value, want := range map[string]string{
		"app":       "arn:aws-cn:iam::444455556666:role/app",
		"/app":      "arn:aws-cn:iam::444455556666:role/app",
		"team/app":  "arn:aws-cn:iam::444455556666:role/team/app",
		"/team/app": "arn:aws-cn:iam::444455556666:role/team/app",
		role:        role,
	} {
		m := s.Mutate(parse(t, onePod), granted(value))
		if m.RoleARN != want || len(m.Warnings) != 0 {
			t.Errorf("%s: %s %q", value, m.RoleARN, m.Warnings)
		}
	}
	if m := s.Mutate(parse(t, onePod), granted("a b")); len(m.Warnings) != 1 {
		t.Errorf("%q", m.Warnings)
	}
}

func TestRegionalSTS(t *testing.T) {
	for _, tc := range []struct {
		flag       bool
		annotation string
		want       bool
		warnings   int
	}{{false, "", false, 0}, {true, "", true, 0}, {true, "false", false, 0}, {false, "true", true, 0}, {true, "yes", true, 1}} {
		m := Settings{RegionalSTS: tc.flag}.Mutate(parse(t, onePod), granted(role, "", "", tc.annotation))
		if strings.Contains(string(m.Patch), "AWS_STS_REGIONAL_ENDPOINTS") != tc.want || len(m.Warnings) != tc.warnings {
			t.Errorf("%+v: %s %q", tc, m.Patch, m.Warnings)
		}
	}
}

// A huge list of names to skip costs no more than a small one.
func TestSkipListIsBounded(t *testing.T) {
	pod := parse(t, onePod)
	pod.Metadata.Annotations = map[string]string{"eks.amazonaws.com/skip-containers": strings.Repeat("a,", 100_000) + "app"}
	if m := (Settings{}).Mutate(pod, granted()); m.Patch != nil || len(m.Warnings) != 1 {
		t.Errorf("a name that comes again counts once: %s %q", m.Patch, m.Warnings)
	}
	var names []string
	for i := range 2 * maxSkips {
		names = append(names, fmt.Sprintf("c%04d", i))
	}
	pod.Metadata.Annotations["eks.amazonaws.com/skip-containers"] = strings.Join(names, ",")
	if m := (Settings{}).Mutate(pod, granted()); m.Patch == nil || len(m.Warnings) != 1 || len(m.Warnings[0]) > maxWarning {
		t.Errorf("%q", m.Warnings)
	}
}

func TestEphemeralContainersGetWhatThePodHas(t *testing.T) {
	with := `"volumes":[{"name":"aws-iam-token","projected":{"sources":[{"serviceAccountToken":{"path":"token"}}]}}],`
	pod := func(volumes, containers string) *Pod {
		return parse(t, `{"metadata":{},"spec":{`+volumes+`"containers":[{"name":"app"}],"ephemeralContainers":[`+containers+`]}}`)
	}
	old := pod(with, `{"name":"first"}`)
	m := Settings{}.MutateEphemeral(pod(with, `{"name":"first"},{"name":"second"},null`), old, granted())
	text := string(m.Patch)
	if !strings.Contains(text, "/spec/ephemeralContainers/1/env") || strings.Contains(text, "Containers/0") || strings.Contains(text, "/spec/volumes") || strings.Contains(text, "/spec/containers") {
		t.Errorf("%s", text)
	}
	for name, m := range map[string]Mutation{
		"a pod without the volume": Settings{}.MutateEphemeral(pod("", `{"name":"x"}`), pod("", ""), granted()),
		"nothing granted":          Settings{}.MutateEphemeral(pod(with, `{"name":"x"}`), pod(with, ""), Grant{}),
		"nothing new":              Settings{}.MutateEphemeral(pod(with, `{"name":"first"}`), old, granted()),
		"no old pod":               Settings{}.MutateEphemeral(pod(with, `{"name":"x"}`), nil, granted()),
		"a volume of its own":      Settings{}.MutateEphemeral(pod(`"volumes":[{"name":"aws-iam-token"}],`, `{"name":"x"}`), pod(`"volumes":[{"name":"aws-iam-token"}],`, ""), granted()),
	} {
		if m.Patch != nil {
			t.Errorf("%s: %s", name, m.Patch)
		}
	}
}

// Keys count in exact case, as for the API server: "Env" is no env.
func TestKeysInExactCase(t *testing.T) {
	raw := []byte(`{"metadata":{},"Spec":{},"spec":{"containers":[{"name":"app","Env":[{"name":"AWS_ROLE_ARN","value":"x"}],"env":[{"name":"A","NAME":"AWS_ROLE_ARN"}]}],"Volumes":null}}`)
	m := mutateTwice(t, Settings{}, raw, granted())
	patched, err := applyPatch(raw, m.Patch)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(patched), role); n != 1 {
		t.Errorf("%s", patched)
	}
	if !slices.Contains(m.Containers[0].Added, "AWS_ROLE_ARN") {
		t.Errorf("%+v", m.Containers)
	}
}

func TestValidateSaysAllAtOnce(t *testing.T) {
	if err := (Settings{}).Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	err := Settings{
		AnnotationPrefix: "a/b", Audience: "a\nb", Expiration: time.Minute, MountPath: "token", AccountID: "1", Partition: "aws-moon", FSGroup: -1,
		ContainerCredentials: ContainerCredentials{TokenPath: "a/b", VolumeName: "aws-iam-token", MountPath: "c:/x"},
	}.Validate()
	for _, want := range []string{"prefix", "audience", "expiration", `mount path "token"`, `mount path "c:/x"`, "account", "partition", "fsGroup", "file name", "volume"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %s in %v", want, err)
		}
	}
	if err := (Settings{MountPath: "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"}).Validate(); err == nil {
		t.Error("both tokens in one place")
	}
}
