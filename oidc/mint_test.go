package oidc

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// The RS256 signature is deterministic, so with the same key, time and jti the
// whole token must be the one that kube-apiserver made.
func TestMintedTokenIsKubeAPIServers(t *testing.T) {
	t.Parallel()
	issuer := goldenIssuerOf(t, "rsa.pem", "ec.pem")
	issuer.Now = func() time.Time { return time.Unix(1795467816, 999_999_999) }
	got, err := issuer.sign(issuer.payload(request(), "4a2fe874-710e-4336-8bc2-7ca64f102834"))
	if err != nil {
		t.Fatal(err)
	}
	if want := string(golden(t, "token-rs256.jwt")); got != want {
		t.Errorf("minted\n%s\nkube-apiserver\n%s", got, want)
	}
}

// An ES256 signature is random: only header and claims can be compared.
func TestMintedES256TokenIsKubeAPIServers(t *testing.T) {
	t.Parallel()
	issuer := goldenIssuerOf(t, "ec.pem", "rsa.pem")
	issuer.Now = func() time.Time { return time.Unix(1795467809, 0) }
	r := request()
	r.Audiences = []string{"sts.amazonaws.com"}
	got, err := issuer.sign(issuer.payload(r, "7230cd55-3988-464d-8a24-d427f4b95ad7"))
	if err != nil {
		t.Fatal(err)
	}
	unsigned := func(raw string) string { return raw[:strings.LastIndex(raw, ".")] }
	if want := string(golden(t, "token-es256.jwt")); unsigned(got) != unsigned(want) {
		t.Errorf("minted\n%s\nkube-apiserver\n%s", got, want)
	}
}

func TestEachTokenHasItsOwnID(t *testing.T) {
	t.Parallel()
	s := newSite(t, goldenKey(t, "ec.pem"))
	uuid4 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 20 {
		c, err := s.verifier.Verify(t.Context(), s.URL(), s.mint(t))
		if err != nil {
			t.Fatal(err)
		}
		if !uuid4.MatchString(c.ID) || seen[c.ID] {
			t.Fatalf("jti %q, after %d others", c.ID, len(seen))
		}
		seen[c.ID] = true
	}
}

func TestWithoutAudiencesThereIsNoClaim(t *testing.T) {
	t.Parallel()
	s := newSite(t, goldenKey(t, "ec.pem"))
	r := request()
	r.Audiences = nil
	raw, err := s.Mint(r)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.verifier.Verify(t.Context(), s.URL(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if aud, ok := c.All["aud"]; ok {
		t.Errorf("aud is %v", aud)
	}
}

func TestMissingUIDsAreStableAndDistinct(t *testing.T) {
	t.Parallel()
	issuer := goldenIssuerOf(t, "ec.pem", "rsa.pem")
	same := &Object{Name: "same"}
	r := TokenRequest{ServiceAccount: ServiceAccount{"ns", *same}, Lifetime: time.Hour, Pod: same, Node: same}
	first, second := issuer.payload(r, "").Kubernetes, issuer.payload(r, "").Kubernetes
	if first.ServiceAccount != second.ServiceAccount || *first.Pod != *second.Pod || *first.Node != *second.Node {
		t.Errorf("not stable: %v, %v", first, second)
	}
	r.ServiceAccount.Namespace = "other"
	third := issuer.payload(r, "").Kubernetes
	uids := map[string]bool{}
	for _, o := range []Object{first.ServiceAccount, *first.Pod, *first.Node, third.ServiceAccount, *third.Pod} {
		uids[o.UID] = true
	}
	if len(uids) != 5 || uids[""] {
		t.Errorf("not distinct: %v", uids)
	}
	if same.UID != "" {
		t.Error("the caller's object was changed")
	}
}

func TestMintRefuses(t *testing.T) {
	t.Parallel()
	issuer := goldenIssuerOf(t, "ec.pem", "rsa.pem")
	for name, change := range map[string]func(*TokenRequest){
		"no namespace":          func(r *TokenRequest) { r.ServiceAccount.Namespace = "" },
		"no name":               func(r *TokenRequest) { r.ServiceAccount.Name = "" },
		"colon in name":         func(r *TokenRequest) { r.ServiceAccount.Name = "api:admin" },
		"colon in namespace":    func(r *TokenRequest) { r.ServiceAccount.Namespace = "a:b" },
		"dot in namespace":      func(r *TokenRequest) { r.ServiceAccount.Namespace = "a.b" },
		"capitals":              func(r *TokenRequest) { r.ServiceAccount.Name = "API" },
		"dash at the end":       func(r *TokenRequest) { r.ServiceAccount.Name = "api-" },
		"empty label":           func(r *TokenRequest) { r.ServiceAccount.Name = "a..b" },
		"long namespace":        func(r *TokenRequest) { r.ServiceAccount.Namespace = strings.Repeat("a", 64) },
		"long name":             func(r *TokenRequest) { r.ServiceAccount.Name = strings.Repeat("a", 254) },
		"pod without name":      func(r *TokenRequest) { r.Pod = &Object{} },
		"node with a slash":     func(r *TokenRequest) { r.Node = &Object{Name: "a/b"} },
		"no lifetime":           func(r *TokenRequest) { r.Lifetime = 0 },
		"less than a second":    func(r *TokenRequest) { r.Lifetime = time.Second - 1 },
		"longer than 136 years": func(r *TokenRequest) { r.Lifetime = maxLifetime + 1 },
	} {
		r := request()
		change(&r)
		if raw, err := issuer.Mint(r); err == nil {
			t.Errorf("%s: minted %s", name, raw)
		}
	}
	r := request()
	r.ServiceAccount.Name, r.ServiceAccount.Namespace = "my.api-1", "0-9"
	if _, err := issuer.Mint(r); err != nil {
		t.Errorf("a good name: %v", err)
	}
}
