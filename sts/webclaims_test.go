package sts

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The two forms of the claims are those of "Pass session tags in AWS STS" in
// the IAM user guide.
func TestTokensMayHaveTagsAndASourceIdentity(t *testing.T) {
	t.Parallel()
	const all = `["sts:AssumeRoleWithWebIdentity","sts:TagSession","sts:SetSourceIdentity"]`
	for name, claims := range map[string]map[string]any{
		"nested": {
			"https://aws.amazon.com/tags": map[string]any{
				"principal_tags":      map[string]any{"Project": []string{"Automation"}, "CostCenter": []string{"987654"}},
				"transitive_tag_keys": []string{"Project"},
			},
			"https://aws.amazon.com/source_identity": "ada",
		},
		"flat": {
			"https://aws.amazon.com/tags/principal_tags/Project":    "Automation",
			"https://aws.amazon.com/tags/principal_tags/CostCenter": "987654",
			"https://aws.amazon.com/tags/transitive_tag_keys":       []string{"Project"},
			"https://aws.amazon.com/source_identity":                "ada",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPodWorld(t)
			w.addRole(t, podRoleARN, "AROAPODSPODSPODSPODS", federated(providerARN, all,
				`{"StringEquals":{"aws:RequestTag/Project":"Automation","aws:RequestTag/CostCenter":"987654","sts:SourceIdentity":"ada"},
				  "ForAllValues:StringEquals":{"aws:TagKeys":["Project","CostCenter"],"sts:TransitiveTagKeys":["Project"]}}`))
			answer, c := w.webSession(t, w.web(t, "WebIdentityToken", w.jwt(t, claims)))
			if answer.Source != "ada" || answer.Packed < 1 || answer.Packed > 100 {
				t.Errorf("source identity %q, packed size %d", answer.Source, answer.Packed)
			}
			session, _, err := w.handler.Auth.Sessions.Open(c.SessionToken, c.AccessKeyID)
			if err != nil {
				t.Fatal(err)
			}
			want := []Tag{{Key: "CostCenter", Value: "987654"}, {Key: "Project", Value: "Automation", Transitive: true}}
			if diff := cmp.Diff(want, session.Tags); diff != "" || session.SourceIdentity != "ada" {
				t.Errorf("source identity %q, tags %s", session.SourceIdentity, diff)
			}
		})
	}
}

func TestTokensTagsNeedPermission(t *testing.T) {
	t.Parallel()
	for action, claims := range map[string]map[string]any{
		"sts:TagSession":        {"https://aws.amazon.com/tags/principal_tags/Project": "Automation"},
		"sts:SetSourceIdentity": {"https://aws.amazon.com/source_identity": "ada"},
	} {
		w := newPodWorld(t)
		e := refused(t, w.do(post(w.web(t, "WebIdentityToken", w.jwt(t, claims)))), 403, "AccessDenied", "")
		if e.Message != "Not authorized to perform "+action {
			t.Errorf("message %q", e.Message)
		}
	}
}

func TestBadTagsOfTokensAreRefused(t *testing.T) {
	t.Parallel()
	nested := func(tags any) map[string]any {
		return map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": tags}}
	}
	const invalid = "The web identity token provided could not be validated"
	for name, tc := range map[string]struct {
		claims        map[string]any
		code, message string
	}{
		"two values":               {nested(map[string]any{"team": []string{"a", "b"}}), "InvalidIdentityToken", invalid},
		"no value":                 {nested(map[string]any{"team": []string{}}), "InvalidIdentityToken", invalid},
		"a number":                 {nested(map[string]any{"team": 1}), "InvalidIdentityToken", invalid},
		"no object":                {nested("team"), "InvalidIdentityToken", invalid},
		"claimed in both forms":    {map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"a": "1"}}, "https://aws.amazon.com/tags/principal_tags/a": "2"}, "InvalidIdentityToken", invalid},
		"flat, a number":           {map[string]any{"https://aws.amazon.com/tags/principal_tags/a": 2}, "InvalidIdentityToken", invalid},
		"keys that differ in case": {nested(map[string]any{"team": "a", "TEAM": "b"}), "InvalidParameterValue", "Duplicate tag keys found."},
		"reserved key":             {nested(map[string]any{"aws:team": "a"}), "InvalidParameterValue", "reserved"},
		"long key":                 {nested(map[string]any{strings.Repeat("k", 129): "a"}), "ValidationError", "'tags.1.member.key' failed to satisfy constraint: Member must have length less than or equal to 128"},
		"bad value":                {nested(map[string]any{"team": "<a>"}), "ValidationError", "'tags.1.member.value' failed to satisfy constraint"},
		"too many": {nested(func() map[string]any {
			tags := map[string]any{}
			for i := range 51 {
				tags[strings.Repeat("k", i+1)] = "v"
			}
			return tags
		}()), "ValidationError", "'tags' failed to satisfy constraint: Member must have length less than or equal to 50"},
		"transitive key without its tag": {map[string]any{"https://aws.amazon.com/tags/transitive_tag_keys": []string{"team"}}, "InvalidParameterValue", "must be included in the requested tags"},
		"source identity a number":       {map[string]any{"https://aws.amazon.com/source_identity": 1}, "InvalidIdentityToken", invalid},
		"source identity too short":      {map[string]any{"https://aws.amazon.com/source_identity": "a"}, "ValidationError", "'sourceIdentity' failed to satisfy constraint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPodWorld(t)
			w.addRole(t, podRoleARN, "AROAPODSPODSPODSPODS", federated(providerARN, `"sts:*"`, `{"Null":{"aws:x":"true"}}`))
			refused(t, w.do(post(w.web(t, "WebIdentityToken", w.jwt(t, tc.claims)))), 400, tc.code, tc.message)
		})
	}
}

func FuzzReadExtraClaims(f *testing.F) {
	for _, claims := range []string{
		`{"azp":"app","amr":["pwd"],"aud":"a"}`, `{"amr":"pwd","https://aws.amazon.com/source_identity":null}`,
		`{"https://aws.amazon.com/tags":{"principal_tags":{"a":["b"]},"transitive_tag_keys":["a"]}}`,
		`{"https://aws.amazon.com/tags/principal_tags/a":"b","https://aws.amazon.com/tags/transitive_tag_keys":"a"}`, `{"azp":null}`,
	} {
		f.Add(claims)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var all map[string]any
		if json.Unmarshal([]byte(text), &all) != nil {
			return
		}
		c, err := readExtraClaims(all)
		if err != nil {
			return
		}
		if tags, _, err := c.requested(); err == nil && len(tags) != len(c.tags) {
			t.Errorf("%d tags became %d", len(c.tags), len(tags))
		}
	})
}
