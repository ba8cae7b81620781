package peers_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/token"
)

type (
	batch struct {
		Partition string   `json:"partition"`
		Tokens    [][]byte `json:"tokens"`
		Answers   [][]byte `json:"answers"`
	}
	// verdict is what a verifier makes of a token: what it asked, whom it accepted.
	verdict struct {
		Error                                      string
		Method, URL, Host                          string
		Header                                     http.Header
		ARN, Account, UserID, Session, AccessKeyID string
	}
)

// believer is an STS that says yes to whatever it is asked, and keeps it.
type believer struct {
	canned
	asked *http.Request
}

func (b *believer) RoundTrip(r *http.Request) (*http.Response, error) {
	b.asked = r
	return b.canned.RoundTrip(r)
}

// judge is our verifier's verdict.
func judge(partition, raw string, answer []byte) verdict {
	sts := &believer{canned: canned{answer}}
	v := &token.Verifier{ClusterID: "dev", Partition: partition, Client: &http.Client{Transport: sts}}
	var is verdict
	got, err := v.Verify(context.Background(), raw)
	if r := sts.asked; r != nil {
		is.Method, is.URL, is.Host, is.Header = r.Method, r.URL.String(), r.Host, r.Header
	}
	if err != nil {
		is.Error = err.Error()
		return is
	}
	id := got.Identity
	is.ARN, is.Account, is.UserID, is.Session, is.AccessKeyID = id.String(), id.AccountID, id.UserID, id.Session, id.AccessKeyID
	return is
}

// parsed is a token as aws-iam-authenticator reads it before it asks STS.
type parsed struct {
	partition    string
	body, text   string // the base64, and what is in it
	url          *url.URL
	rawQuery     [][2]string
	query        url.Values
	now          time.Time
	region, date string // of the credential's scope
}

func parseLikeThePeer(partition, raw string, now time.Time) (p parsed, err error) {
	p.partition, p.now, p.body = partition, now, strings.TrimPrefix(raw, token.Prefix)
	text, err := base64.RawURLEncoding.DecodeString(p.body)
	if err != nil {
		return p, err
	}
	p.text = string(text)
	if p.url, err = url.Parse(p.text); err != nil {
		return p, err
	}
	for _, pair := range strings.Split(p.url.RawQuery, "&") {
		k, v, _ := strings.Cut(pair, "=")
		p.rawQuery = append(p.rawQuery, [2]string{k, v})
	}
	p.query, err = url.ParseQuery(p.url.RawQuery)
	if scope := strings.Split(p.query.Get("X-Amz-Credential"), "/"); len(scope) > 2 {
		p.date, p.region = scope[1], scope[2]
	}
	return p, err
}

// readable is the URL in a token, if it has one.
func readable(raw string) string {
	if text, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(raw, token.Prefix)); err == nil {
		return string(text)
	}
	return raw
}

var (
	keys       = []string{"Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Security-Token", "X-Amz-Signature"}
	credential = regexp.MustCompile(`^\w{16,128}/\d{8}/[^/]+/sts/aws4_request$`)
	awsTime    = regexp.MustCompile(`^\d{8}T\d{6}Z$`)
	seconds    = regexp.MustCompile(`^(0|[1-9]\d*)$`)
	hexDigits  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	printable  = regexp.MustCompile(`^[!-~]*$`)
	hosts      = map[string]*regexp.Regexp{
		"aws":        regexp.MustCompile(`^sts(-fips)?\.((?:us|eu|ap|sa|ca|me|af|il|mx)-[a-z0-9]+-\d+)\.(amazonaws\.com|api\.aws)$`),
		"aws-cn":     regexp.MustCompile(`^sts(-fips)?\.(cn-[a-z0-9]+-\d+)\.(amazonaws\.com\.cn|api\.amazonwebservices\.com\.cn)$`),
		"aws-us-gov": regexp.MustCompile(`^sts(-fips)?\.(us-gov-[a-z0-9]+-\d+)\.(amazonaws\.com|api\.aws)$`),
		"aws-iso":    regexp.MustCompile(`^sts(-fips)?\.(us-iso-[a-z0-9]+-\d+)\.c2s\.ic\.gov$`),
		"aws-eusc":   regexp.MustCompile(`^sts(-fips)?\.(eusc-de-[a-z0-9]+-\d+)\.(amazonaws\.eu|api\.amazonwebservices\.eu)$`),
	}
)

// hostRegion is the region of an STS of the partition, "" if the host is none.
func (p parsed) hostRegion() string {
	if p.partition == "aws" && p.url.Host == "sts.amazonaws.com" {
		return "us-east-1"
	}
	if p.partition == "aws-us-gov" && strings.HasPrefix(p.url.Host, "sts-fips.") && strings.HasSuffix(p.url.Host, ".amazonaws.com") {
		return "" // its regional hosts are the FIPS ones
	}
	if found := hosts[p.partition].FindStringSubmatch(p.url.Host); found != nil {
		return found[2]
	}
	return ""
}

// stricter is a rule that a token must keep here and need not keep there. The rules
// are written down a second time, so that the parser is not asked about itself.
type stricter struct {
	name   string
	breaks func(p parsed) bool
}

// stricterRules are in docs/migrating.md by these names.
var stricterRules = []stricter{
	{"one spelling", func(p parsed) bool {
		return p.body != base64.RawURLEncoding.EncodeToString([]byte(p.text)) ||
			slices.ContainsFunc(p.rawQuery, func(kv [2]string) bool { return !slices.Contains(keys, kv[0]) })
	}},
	{"printable values", func(p parsed) bool {
		return slices.ContainsFunc(p.rawQuery, func(kv [2]string) bool {
			v, err := url.PathUnescape(kv[1])
			return err != nil || strings.Contains(kv[1], "+") || !printable.MatchString(v)
		})
	}},
	{"nothing but a host and a query", func(p parsed) bool {
		return p.url.User != nil || p.url.Fragment != "" || p.url.RawPath != ""
	}},
	{"the parameters of a signature", func(p parsed) bool {
		return p.query.Get("Version") != "2011-06-15" || p.query.Get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256" ||
			!credential.MatchString(p.query.Get("X-Amz-Credential")) || !strings.HasPrefix(p.query.Get("X-Amz-Date"), p.date+"T") ||
			!hexDigits.MatchString(p.query.Get("X-Amz-Signature")) || p.query.Has("X-Amz-Security-Token") && p.query.Get("X-Amz-Security-Token") == ""
	}},
	{"two signed headers", func(p parsed) bool { return p.query.Get("X-Amz-SignedHeaders") != "host;x-k8s-aws-id" }},
	{"plain numbers and dates", func(p parsed) bool {
		return !seconds.MatchString(p.query.Get("X-Amz-Expires")) || !awsTime.MatchString(p.query.Get("X-Amz-Date"))
	}},
	{"no dates ahead", func(p parsed) bool {
		date, err := time.Parse("20060102T150405Z", p.query.Get("X-Amz-Date"))
		return err == nil && date.After(p.now.Add(5*time.Minute))
	}},
	{"the region of the host", func(p parsed) bool { return p.hostRegion() != p.region }},
}

// signedRight reports whether STS would find the signature of a request right.
func signedRight(v verdict) bool {
	r, err := http.NewRequest(v.Method, v.URL, nil)
	if err != nil {
		return false
	}
	r.Host, r.Header = v.Host, v.Header
	s, err := sigv4.ParseSignature(r)
	return err == nil && s.Verify(r, sigv4.EmptyPayload, exampleKey.SecretAccessKey) == nil
}

// sameQuestion says how two requests to STS differ, if they do.
func sameQuestion(theirs, ours verdict) string {
	a, errA := url.Parse(theirs.URL)
	b, errB := url.Parse(ours.URL)
	if errA != nil || errB != nil {
		return "a URL that does not parse"
	}
	switch {
	case theirs.Method != ours.Method || theirs.Host != ours.Host:
		return "method or Host"
	case a.Scheme != b.Scheme || a.Host != b.Host || a.Path != b.Path || a.User.String() != b.User.String():
		return "URL"
	case !reflect.DeepEqual(a.Query(), b.Query()):
		return "query"
	case !reflect.DeepEqual(theirs.Header, ours.Header):
		return "headers"
	}
	return ""
}

// tally counts what came of the tokens.
type tally struct {
	tokens, refused, asked, good, stricter, stricterGood int
	by                                                   map[string]int
}

// compare holds the verdicts on one token against each other.
func (c *tally) compare(t *testing.T, partition, raw string, theirs, ours verdict) {
	c.tokens++
	now := time.Now()
	fail := func(what string) {
		t.Errorf("%s: %q\ntheirs %+v\nours   %+v", what, readable(raw), theirs, ours)
	}
	if theirs.URL == "" {
		c.refused++
		if ours.URL != "" || ours.Error == "" {
			fail("refused there without a question, not so here")
		}
		return
	}
	p, err := parseLikeThePeer(partition, raw, now)
	if err != nil {
		t.Fatal(err)
	}
	broken := slices.IndexFunc(stricterRules, func(r stricter) bool { return r.breaks(p) })
	if ours.URL == "" {
		c.stricter++
		if signedRight(theirs) {
			c.stricterGood++
		}
		if broken < 0 {
			fail("refused here, asked there, and no rule says why")
			return
		}
		c.by[stricterRules[broken].name]++
		return
	}
	c.asked++
	if broken >= 0 {
		fail("it breaks the rule of " + stricterRules[broken].name + " and STS is asked")
	}
	if how := sameQuestion(theirs, ours); how != "" {
		fail("the questions differ in " + how)
	}
	if signedRight(ours) {
		c.good++
	}
	theirs.URL, theirs.Header, ours.URL, ours.Header = "", nil, "", nil
	if !reflect.DeepEqual(theirs, ours) {
		fail("asked the same, concluded otherwise")
	}
}

// Mutated tokens, EKSAUTH_MUTATIONS of them (make differential has a million), to
// aws-iam-authenticator's own verifier and to ours, with an STS that says yes to
// all. What is refused there without a question is refused here. What is asked
// here is the same question, to the letter, and leads to the same identity, so
// that STS decides the same for both. What only we refuse breaks a rule that
// docs/migrating.md names, and whatever breaks one is refused.
func TestTokensLikeThePeer(t *testing.T) {
	n := 30_000
	if s := os.Getenv("EKSAUTH_MUTATIONS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(1)
	if s := os.Getenv("EKSAUTH_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	o := startOracle(t, "verify")
	answers := map[string][]byte{}
	for partition := range stsHosts {
		answers[partition] = fmt.Appendf(nil, `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"111122223333","Arn":"arn:%s:sts::111122223333:assumed-role/awesome.role/ada","UserId":"AROAAWESOMEAWESOMEAW:ada"}}}`, partition)
	}
	c := tally{by: map[string]int{}}
	const size = 2_000
	for i := 0; c.tokens < n && !t.Failed(); i++ {
		partition := []string{"aws", "aws", "aws-cn", "aws", "aws-us-gov", "aws", "aws-iso", "aws-eusc"}[i%8]
		m := newMutator(t, seed+uint64(i), partition) // anew: its dates are those of now
		b := batch{Partition: partition, Answers: [][]byte{answers[partition]}}
		for range min(size, n-c.tokens) {
			b.Tokens = append(b.Tokens, m.next())
		}
		var theirs []verdict
		o.ask(t, b, &theirs)
		for j, raw := range b.Tokens {
			// Ours is asked later, so that a token which ends in between is
			// refused here, if anywhere.
			c.compare(t, partition, string(raw), theirs[j], judge(partition, string(raw), answers[partition]))
			if t.Failed() {
				break
			}
		}
	}
	t.Logf("%d tokens, seed %d: %d refused by both without a question, %d asked about alike (%d of them signed right), %d refused only here (%d of them signed right)",
		c.tokens, seed, c.refused, c.asked, c.good, c.stricter, c.stricterGood)
	guide, err := os.ReadFile("../../docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range stricterRules {
		t.Logf("%7d  %s", c.by[r.name], r.name)
		if !strings.Contains(string(guide), "**"+strings.ToUpper(r.name[:1])+r.name[1:]+"**") {
			t.Errorf("docs/migrating.md does not have %q", r.name)
		}
		if c.by[r.name] == 0 {
			t.Errorf("no token shows the rule %q", r.name)
		}
	}
	if c.good == 0 || c.stricterGood == 0 {
		t.Error("no mutation left a signature right")
	}
}
