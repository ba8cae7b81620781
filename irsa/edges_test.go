package irsa

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func unreachable(string, string) (ServiceAccount, error) {
	return ServiceAccount{}, errors.New("no answer")
}

// kube-apiserver forbids a mirror pod to have a service account's token, after
// the webhooks: the default service account's role would hide static pods.
func TestMirrorPodsAreLeftAlone(t *testing.T) {
	mirror := strings.Replace(creation(""), `"generateName"`, `"annotations":{"kubernetes.io/config.mirror":"abc"},"generateName"`, 1)
	for name, accounts := range map[string]lookup{"granted": annotated, "unknown": unreachable} {
		r := newRig(Config{Accounts: accounts, OnLookupFailure: Refuse})
		if response := r.review(t, mirror); !response.Allowed || response.Patch != nil || len(response.Warnings) != 0 {
			t.Errorf("%s: %+v", name, response)
		}
	}
	if m := (Settings{}).Mutate(parse(t, `{"metadata":{"annotations":{"kubernetes.io/config.mirror":""}},"spec":{"containers":[{"name":"a"}]}}`), granted()); m.Patch != nil {
		t.Errorf("%s", m.Patch)
	}
}

// What is no pod may have a spec of any form.
func TestOtherResourcesAreNotRead(t *testing.T) {
	r := newRig(Config{Accounts: lookup(annotated), OnLookupFailure: Refuse})
	body := strings.Replace(creation(""), `"resource":"pods"`, `"resource":"widgets"`, 1)
	body = strings.Replace(body, `"containers":[`, `"os":"linux","containers":3,"x":[`, 1)
	if response := r.review(t, body); !response.Allowed || response.Patch != nil || r.counted[0] != "untouched" {
		t.Errorf("%+v, %q", response, r.counted)
	}
}

// A pod that cannot be read is one of which nothing is known, and no part of it
// is told.
func TestUnreadablePods(t *testing.T) {
	for _, policy := range []Policy{Admit, Refuse} {
		for _, fault := range []string{`"containers":"hunter2","x":[`, `"nodeSelector":{"hunter2":1},"containers":[`, `"securityContext":{"runAsUser":"hunter2"},"containers":[`} {
			r := newRig(Config{Accounts: lookup(annotated), OnLookupFailure: policy})
			response := r.review(t, strings.Replace(creation(""), `"containers":[`, fault, 1))
			if response.Allowed != (policy == Admit) || response.Patch != nil || !strings.HasSuffix(r.counted[0], ":unreadable") {
				t.Errorf("%s: %+v, %q", fault, response, r.counted)
			}
			if told := fmt.Sprint(response, r.events, r.log); strings.Contains(told, "hunter2") {
				t.Errorf("%s", told)
			}
		}
	}
}

// A pod may have as many containers as fit into it; the log gets no more of them
// than its author.
func TestLogIsBounded(t *testing.T) {
	containers := strings.Repeat(`{"name":"c","env":[{"name":"AWS_ACCESS_KEY_ID","value":"x"}]},`, 20_000)
	r := newRig(Config{Accounts: lookup(annotated)})
	r.review(t, strings.Replace(creation(""), `"containers":[`, `"containers":[`+containers, 1))
	if n := len(r.log.String()); n == 0 || n > 8<<10 {
		t.Errorf("a line of %d bytes", n)
	}
}

// EKS Pod Identity knows all that it needs from its own file.
func TestPodIdentityNeedsNoLookup(t *testing.T) {
	identities, err := ParseIdentities([]byte(`{"identities":[{"namespace":"apps","serviceAccount":"web"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(Config{Accounts: lookup(unreachable), OnLookupFailure: Refuse, Identities: func() *Identities { return identities }})
	if response := r.review(t, creation("")); !strings.Contains(string(response.Patch), "AWS_CONTAINER_CREDENTIALS_FULL_URI") {
		t.Errorf("%+v", response)
	}
}

// kubectl debug must work where there is nothing for this webhook to do.
func TestDebuggingOtherPodsNeedsNoLookup(t *testing.T) {
	r := newRig(Config{OnLookupFailure: Refuse, Accounts: lookup(func(namespace, name string) (ServiceAccount, error) {
		t.Errorf("asked about %s/%s", namespace, name)
		return unreachable(namespace, name)
	})})
	if response := r.review(t, golden(t, "ephemeral.json")); !response.Allowed {
		t.Errorf("%+v", response.Result)
	}
}

// Annotations win over a fallback one by one.
func TestAnnotationsFillInFallbacks(t *testing.T) {
	fallbacks, faults := ParseFallbacks(`{"apps/web":{"RoleARN":"` + role + `","Audience":"fallback","TokenExpiration":3600}}`)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	r := newRig(Config{
		Settings:  Settings{KnownAudiences: []string{"annotated"}},
		Fallbacks: func() *Fallbacks { return fallbacks },
		Accounts:  lookup(func(string, string) (ServiceAccount, error) { return ServiceAccount{Audience: "annotated"}, nil }),
	})
	response := r.review(t, creation(""))
	for _, want := range []string{role, `"audience":"annotated"`, `"expirationSeconds":3600`} {
		if !strings.Contains(string(response.Patch), want) {
			t.Errorf("no %s: %s", want, response.Patch)
		}
	}
}

// A key that no service account can have would stand there in silence.
func TestFallbackKeysThatMatchNothing(t *testing.T) {
	for _, key := range []string{"team-*/web", "apps/*", "*/*", "apps/ web", " apps/web", "Apps/web", "-/web"} {
		if f, faults := ParseFallbacks(`{"` + key + `":{"RoleARN":"a"}}`); f.Len() != 0 || len(faults) != 1 {
			t.Errorf("%q: %d entries, %v", key, f.Len(), faults)
		}
	}
}

// A device and a mount may not have the same path (Kubernetes API, validation).
func TestDevicesKeepTheirPath(t *testing.T) {
	m := Settings{}.Mutate(parse(t, `{"metadata":{},"spec":{"containers":[{"name":"a","volumeDevices":[{"name":"d","devicePath":"/var/run/secrets/eks.amazonaws.com/serviceaccount"}]}]}}`), granted())
	if strings.Contains(string(m.Patch), "volumeMounts") || len(m.Warnings) != 1 || !strings.Contains(m.Warnings[0], `device "d"`) {
		t.Errorf("%s %q", m.Patch, m.Warnings)
	}
}

// Whatever goes into a pod's variables unescaped is checked at the start.
func TestValidateRefusesWhatPodsCannotHave(t *testing.T) {
	for want, s := range map[string]Settings{
		"region":      {Region: "$(X)"},
		"mount path":  {MountPath: "/a/$(X)"},
		"the mount":   {MountPath: "/"},
		"agent's URL": {ContainerCredentials: ContainerCredentials{FullURI: "169.254.170.23"}},
		"volume name": {ContainerCredentials: ContainerCredentials{VolumeName: "a.b"}},
		"file name":   {ContainerCredentials: ContainerCredentials{TokenPath: ".."}},
		"prefix":      {AnnotationPrefix: "-.-"},
	} {
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// FuzzSkipContainers: whatever the list says, a container that it does not name
// is served, and one that it names alone is not.
func FuzzSkipContainers(f *testing.F) {
	for _, seed := range []string{"", "app", " app ,", "app,,x", `"app"`, "a,b\nc", "\x00", strings.Repeat("a,", 2000), strings.Repeat("\x1b", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		pod := parse(t, onePod)
		pod.Metadata.Annotations = map[string]string{"eks.amazonaws.com/skip-containers": list}
		m := Settings{}.Mutate(pod, granted())
		if named := strings.Contains(list, "app"); !named && m.Patch == nil || strings.TrimSpace(list) == "app" && m.Patch != nil {
			t.Errorf("%q: %s", list, m.Patch)
		}
		for _, w := range m.Warnings {
			if len(w) > maxWarning || strings.ContainsFunc(w, func(r rune) bool { return r < ' ' }) {
				t.Errorf("%q", w)
			}
		}
	})
}
