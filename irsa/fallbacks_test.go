package irsa

import (
	"strings"
	"testing"
)

func TestFallbacks(t *testing.T) {
	f, faults := ParseFallbacks(`{
		"apps/web": {"RoleARN": "a", "Audience": "b", "UseRegionalSTS": true, "TokenExpiration": 3600},
		"*/web": {"RoleARN": "any"},
		"no-slash": {"RoleARN": "a"}, "/x": {"RoleARN": "a"}, "x/": {"RoleARN": "a"}, "a/b/c": {"RoleARN": "a"},
		"apps/none": {}, "apps/typo": {"RoleArm": "a"}, "apps/text": "a", "apps/number": {"RoleARN": "a", "TokenExpiration": "3600"}
	}`)
	if f.Len() != 2 || len(faults) != 8 {
		t.Errorf("%d entries, faults %v", f.Len(), faults)
	}
	if a, ok := f.For("apps", "web"); !ok || a != (ServiceAccount{RoleARN: "a", Audience: "b", TokenExpiration: "3600", RegionalSTS: "true"}) {
		t.Errorf("%+v", a)
	}
	if a, ok := f.For("other", "web"); !ok || a.RoleARN != "any" {
		t.Errorf("%+v", a)
	}
	for _, key := range [][2]string{{"apps", "x"}, {"no-slash", ""}, {"*", "x"}, {"a", "b/c"}} {
		if a, ok := f.For(key[0], key[1]); ok {
			t.Errorf("%v: %+v", key, a)
		}
	}
	for _, fault := range faults {
		if !strings.Contains(fault.Error(), "entry ") {
			t.Errorf("it names no entry: %v", fault)
		}
	}
	for _, text := range []string{"{", "[]", `"x"`, "x"} {
		if f, faults := ParseFallbacks(text); f != nil || len(faults) != 1 {
			t.Errorf("%s: %v, %v", text, f, faults)
		}
	}
	for _, text := range []string{"", " \n", "{}", "null"} {
		if f, faults := ParseFallbacks(text); f == nil || f.Len() != 0 || len(faults) != 0 {
			t.Errorf("%q: %v, %v", text, f, faults)
		}
	}
	var none *Fallbacks
	if _, ok := none.For("apps", "web"); ok {
		t.Error("nil has one")
	}
}

func TestIdentities(t *testing.T) {
	i, err := ParseIdentities([]byte(`{"identities": [{"namespace": "apps", "serviceAccount": "web", "more": 1}], "more": 2}`))
	if err != nil || !i.Has("apps", "web") || i.Has("apps", "x") || i.Has("x", "web") {
		t.Errorf("%+v, %v", i, err)
	}
	for _, text := range []string{"", "[]", `{"identities": [{"namespace": "apps"}]}`, `{"identities": [{"serviceAccount": "web"}]}`, `{"identities": {}}`} {
		if i, err := ParseIdentities([]byte(text)); err == nil {
			t.Errorf("%s: %+v", text, i)
		}
	}
	var none *Identities
	if none.Has("apps", "web") {
		t.Error("nil has one")
	}
}

func FuzzParseFallbacks(f *testing.F) {
	for _, seed := range []string{`{"apps/web":{"RoleARN":"a"}}`, `{"*/web":{}}`, `{"x":1}`, "", "null"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fallbacks, faults := ParseFallbacks(text)
		if fallbacks == nil && len(faults) == 0 {
			t.Error("nothing, and nobody to blame")
		}
		fallbacks.For("apps", "web")
	})
}

func FuzzParseIdentities(f *testing.F) {
	for _, seed := range []string{`{"identities":[{"namespace":"a","serviceAccount":"b"}]}`, `{}`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if i, err := ParseIdentities(data); err == nil && i.Has("", "") {
			t.Error("it has nobody")
		}
	})
}
