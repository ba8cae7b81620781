package trustpolicy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/iam"
)

const (
	host  = "oidc.eks.us-east-1.amazonaws.com/id/ABC"
	right = `{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow",
    "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/` + host + `"},
    "Action": "sts:AssumeRoleWithWebIdentity",
    "Condition": {"StringEquals": {"` + host + `:sub": "system:serviceaccount:apps:web", "` + host + `:aud": "sts.amazonaws.com"}}
  }]
}`
)

// admits asks the engine whether a service account gets in.
func admits(t testing.TB, doc []byte, issuerHost, subject, audience string) bool {
	t.Helper()
	policy, err := iam.Parse(doc, iam.TrustPolicy)
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	var facts iam.Context
	facts.Set(issuerHost+":sub", subject)
	facts.Set(issuerHost+":aud", audience)
	return iam.Evaluate(policy, iam.Request{
		Action: "sts:AssumeRoleWithWebIdentity", Caller: iam.Caller{Federated: "arn:aws:iam::111122223333:oidc-provider/" + issuerHost}, Context: facts,
	}).Allowed()
}

func rules(findings []Finding) []string {
	var list []string
	for _, f := range findings {
		list = append(list, f.Rule)
	}
	return list
}

const web = "system:serviceaccount:apps:web"

func TestLint(t *testing.T) {
	t.Parallel()
	if f := Lint([]byte(right)); len(f) > 0 || !admits(t, []byte(right), host, web, "sts.amazonaws.com") {
		t.Fatalf("the right one: %+v", f)
	}
	change := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(right) }
	for name, c := range map[string]struct {
		policy string
		want   []string
		shut   bool   // it keeps out whom it means
		open   string // a subject that it lets in and should not
		mended bool   // Correct lets in whom it means, and the finding is gone
	}{
		"a wildcard":                   {change("apps:web", "apps:*"), []string{"wildcard-equals"}, true, "", false},
		"a wildcard for one":           {change("apps:web", "apps:w?b"), []string{"wildcard-equals"}, true, "", true},
		"https in a key":               {change(`"`+host, `"https://`+host), []string{"scheme-in-key", "scheme-in-key"}, true, "", true},
		"the ARN as a key":             {change(`"`+host, `"arn:aws:iam::111122223333:oidc-provider/`+host), []string{"arn-in-key", "arn-in-key"}, true, "", true},
		"https in the provider":        {change("oidc-provider/", "oidc-provider/https://"), []string{"scheme-in-provider", "other-issuer", "other-issuer"}, true, "", true},
		"a slash behind the provider":  {change(host+`"},`, host+`/"},`), []string{"slash-in-provider", "other-issuer", "other-issuer"}, true, "", true},
		"the host's words":             {change("oidc.eks.us-east-1", "oidc.us-east-1.eks"), []string{"host-order", "host-order", "host-order"}, true, "", true},
		"another issuer":               {change(`"`+host, `"oidc.example.com`), []string{"other-issuer", "other-issuer"}, true, "", false},
		"aud for sub":                  {change(`:sub"`, `:AUD"`, `:aud"`, `:azp"`), []string{"subject-as-audience", "any-service-account"}, true, "", false},
		"sub for aud":                  {change(`:aud"`, `:sub2"`, web, "sts.amazonaws.com"), []string{"audience-as-subject", "no-audience"}, true, "", false},
		"a subject's case":             {change("system:serviceaccount", "System:ServiceAccount"), []string{"subject-case"}, true, "", true},
		"no namespace":                 {change("serviceaccount:apps:web", "serviceaccount:web"), []string{"subject-form"}, true, "", false},
		"sts:AssumeRole":               {change("AssumeRoleWithWebIdentity", "AssumeRole"), []string{"wrong-action"}, true, "", true},
		"a principal of AWS":           {change(`"Federated": "arn:aws:iam::111122223333:oidc-provider/`+host+`"`, `"AWS": "111122223333"`), []string{"not-federated"}, true, "", false},
		"a service":                    {change(`"Federated": "arn:aws:iam::111122223333:oidc-provider/`+host+`"`, `"Service": "ec2.amazonaws.com"`), []string{"not-federated"}, true, "", false},
		"no audience":                  {change(`, "`+host+`:aud": "sts.amazonaws.com"`, ""), []string{"no-audience"}, false, "", false},
		"no subject":                   {change(`"`+host+`:sub": "system:serviceaccount:apps:web", `, ""), []string{"any-service-account"}, false, "system:serviceaccount:evil:evil", false},
		"any service account":          {change("StringEquals", "StringLike", "apps:web", "*"), []string{"any-service-account"}, false, "system:serviceaccount:evil:evil", false},
		"any subject":                  {change("StringEquals", "StringLike", web, "*"), []string{"any-service-account"}, false, "system:serviceaccount:evil:evil", false},
		"any namespace":                {change("StringEquals", "StringLike", "apps:web", "*:web"), []string{"any-namespace"}, false, "system:serviceaccount:evil:web", false},
		"any of the namespace":         {change("StringEquals", "StringLike", "apps:web", "apps:*"), []string{"any-of-namespace"}, false, "system:serviceaccount:apps:evil", false},
		"ForAllValues":                 {change("StringEquals", "ForAllValues:StringEquals"), []string{"for-all-values", "for-all-values"}, false, "", true},
		"malformed":                    {`{"Statement": []`, []string{"malformed"}, false, "", false},
		"too long":                     {change(`"system:serviceaccount:apps:web"`, `["system:serviceaccount:apps:web"`+strings.Repeat(`,"system:serviceaccount:apps:web"`, 150)+`]`), []string{"too-long"}, false, "", false},
		"a role for EC2 is none of it": {`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`, nil, false, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := rules(Lint([]byte(c.policy)))
			for _, rule := range got {
				if !slices.ContainsFunc(Rules(), func(r Rule) bool { return r.ID == rule && r.Description != "" }) {
					t.Errorf("the rule %s is not listed", rule)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Fatalf("%v, want %v", got, c.want)
			}
			if c.shut && admits(t, []byte(c.policy), host, web, "sts.amazonaws.com") {
				t.Error("it lets in whom the finding says it keeps out")
			}
			if c.open != "" && !admits(t, []byte(c.policy), host, c.open, "sts.amazonaws.com") {
				t.Errorf("it does not let in %s", c.open)
			}
			if !c.mended {
				return
			}
			corrected := Correct([]byte(c.policy))
			if !admits(t, corrected, host, web, "sts.amazonaws.com") || len(Lint(corrected)) > 0 {
				t.Errorf("corrected: %v\n%s", rules(Lint(corrected)), corrected)
			}
		})
	}
}

// Correct a wildcard, and the finding becomes that of its reach.
func TestCorrectKeepsWhatWasMeant(t *testing.T) {
	t.Parallel()
	corrected := Correct([]byte(strings.Replace(right, "apps:web", "apps:*", 1)))
	if got := rules(Lint(corrected)); !slices.Equal(got, []string{"any-of-namespace"}) || !admits(t, corrected, host, web, "sts.amazonaws.com") {
		t.Errorf("%v\n%s", got, corrected)
	}
	if got := Correct([]byte("{")); string(got) != "{" {
		t.Errorf("%s", got)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	w := Wanted{
		Partition: "aws", AccountID: "111122223333", Audience: "sts.amazonaws.com",
		Issuers: []string{"https://" + host, "https://oidc.example.com/b"}, ServiceAccounts: []string{"apps/web", "apps/api"},
	}
	text, err := Write(w)
	if err != nil || len(Lint(text)) > 0 {
		t.Fatalf("%v %v\n%s", err, Lint(text), text)
	}
	for _, issuer := range []string{host, "oidc.example.com/b", "oidc.example.com/c"} {
		for _, sa := range []string{"apps:web", "apps:api", "apps:db", "default:web"} {
			for _, audience := range []string{"sts.amazonaws.com", "other"} {
				want := issuer != "oidc.example.com/c" && (sa == "apps:web" || sa == "apps:api") && audience == "sts.amazonaws.com"
				if got := admits(t, text, issuer, subjectPrefix+sa, audience); got != want {
					t.Errorf("%s %s %s: %v", issuer, sa, audience, got)
				}
			}
		}
	}
	w.AllowWildcards = true
	if again, err := Write(w); err != nil || string(again) != string(text) {
		t.Errorf("wildcards allowed, and none there: %v\n%s", err, again)
	}
	wild := w
	wild.ServiceAccounts = []string{"apps/w*", "jobs/nightly"}
	if text, err = Write(wild); err != nil || len(Lint(text)) > 0 {
		t.Errorf("%v %v\n%s", err, Lint(text), text)
	}
	for sa, want := range map[string]bool{"apps:web": true, "apps:w": true, "jobs:nightly": true, "apps:api": false, "jobs:web": false, "other:web": false} {
		if got := admits(t, text, host, subjectPrefix+sa, "sts.amazonaws.com"); got != want || admits(t, text, host, subjectPrefix+sa, "other") {
			t.Errorf("%s: %v", sa, got)
		}
	}
	w.AllowWildcards = false
	for want, change := range map[string]func(*Wanted){
		`AWS has no partition "x"`:               func(w *Wanted) { w.Partition = "x" },
		`"1" is not an account id`:               func(w *Wanted) { w.AccountID = "1" },
		"there is no issuer":                     func(w *Wanted) { w.Issuers = nil },
		"there is no service account":            func(w *Wanted) { w.ServiceAccounts = nil },
		`"*" is not an audience`:                 func(w *Wanted) { w.Audience = "*" },
		"is not an https URL":                    func(w *Wanted) { w.Issuers = []string{"http://x"} },
		"without a slash at its end":             func(w *Wanted) { w.Issuers = []string{"https://x/"} },
		"is there twice":                         func(w *Wanted) { w.Issuers = []string{"https://x", "https://x"} },
		`"apps" is not NAMESPACE/NAME`:           func(w *Wanted) { w.ServiceAccounts = []string{"apps"} },
		"is any service account of the cluster":  func(w *Wanted) { w.ServiceAccounts, w.AllowWildcards = []string{"*/*"}, true },
		`"apps/*" is not NAMESPACE/NAME`:         func(w *Wanted) { w.ServiceAccounts = []string{"apps/*"} },
		"characters, and IAM takes 4096 at most": func(w *Wanted) { w.ServiceAccounts = many(120) },
	} {
		bad := w
		change(&bad)
		if text, err := Write(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\n%s\nwant %s", err, text, want)
		}
	}
}

func many(n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprint("apps/web-", i))
	}
	return list
}

func FuzzLint(f *testing.F) {
	for _, text := range []string{right, strings.Replace(right, "web", "*", 1), `{"Statement":{"Condition":{"StringEquals":{":":[]}}}}`, "[", strings.Replace(right, "StringEquals", "ForAllValues:StringEquals", 1), strings.Replace(right, `"`+host, `"https://`+host, 2), strings.Replace(right, host, "oidc.us-east-1.eks.amazonaws.com/id/ABC", 3), strings.Replace(right, "AssumeRoleWithWebIdentity", "AssumeRole", 1), strings.Replace(right, ":sub", ":aud2", 1), `{"Statement":[1,null,{"Principal":{"Federated":[":oidc-provider/https://"]},"Action":["sts:assumerole"],"Condition":{"x":{"a:sub":{}}}}]}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, finding := range Lint([]byte(text)) {
			if finding.Rule == "" || finding.Message == "" || finding.Hint == "" || finding.Severity == "" {
				t.Fatalf("%+v", finding)
			}
		}
		corrected := Correct([]byte(text))
		before, err := iam.Parse([]byte(text), iam.TrustPolicy)
		if err != nil {
			if string(corrected) != text {
				t.Fatalf("%q is no policy, and became %q", text, corrected)
			}
			return
		}
		after, err := iam.Parse(corrected, iam.TrustPolicy)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, corrected, err)
		}
		for i := range after.Statements {
			for _, p := range providers(&after.Statements[i]) {
				if admitsStranger(after, p) && !admitsStranger(before, p) {
					t.Fatalf("%q became %q, which lets in strangers", text, corrected)
				}
			}
		}
		if again := Correct(corrected); string(again) != string(corrected) {
			t.Fatalf("%q once more is %q", corrected, again)
		}
	})
}

// Beside service accounts a role may be for a CI system, whose subjects are of other forms.
func TestSubjectsOfCISystems(t *testing.T) {
	t.Parallel()
	for ci, subject := range map[string]string{
		"token.actions.githubusercontent.com": "repo:example/app:*", "gitlab.com": "project_path:example/app:*", "app.terraform.io": "organization:example:project:*",
	} {
		doc := changed(host, ci, "StringEquals", "StringLike", web, subject)
		if found := Lint([]byte(doc)); len(found) > 0 {
			t.Errorf("%s: %+v", ci, found)
		}
		open := strings.ReplaceAll(changed(`"`+host+`:sub": "`+web+`", `, ""), host, ci)
		if got := rules(Lint([]byte(open))); !slices.Equal(got, []string{"any-service-account"}) {
			t.Errorf("%s: %v", ci, got)
		}
	}
	for _, subject := range []string{"repo:*", "repo:exa*", "repo:*/app:*"} {
		doc := changed(host, "token.actions.githubusercontent.com", "StringEquals", "StringLike", web, subject)
		if got := rules(Lint([]byte(doc))); !slices.Equal(got, []string{"any-namespace"}) || !admits(t, []byte(doc), "token.actions.githubusercontent.com", "repo:example/app:x", "sts.amazonaws.com") {
			t.Errorf("%s: %v", subject, got)
		}
	}
}
