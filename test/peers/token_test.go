package peers_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/token"
)

// mutations is how many tokens are compared: EKSAUTH_MUTATIONS, or some thousands.
func mutations(t *testing.T) int {
	text := os.Getenv("EKSAUTH_MUTATIONS")
	if text == "" {
		return 200_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("EKSAUTH_MUTATIONS: %v", err)
	}
	return n
}

// verdict is what a verifier makes of a token that STS would vouch for.
type verdict struct {
	Accepted bool
	Error    string
	Method   string
	URL      string
	Host     string
	Header   http.Header
	reason   token.Reason // ours
}

// vouched is our verifier with an STS that vouches for everybody.
type vouched struct{ asked *http.Request }

func (o *vouched) RoundTrip(r *http.Request) (*http.Response, error) {
	o.asked = r
	const answer = `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"111122223333","Arn":"arn:aws:iam::111122223333:user/ada","UserId":"AIDAADA"}}}`
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader([]byte(answer))), Request: r,
	}, nil
}

func (o *vouched) verify(raw string) verdict {
	v := token.Verifier{ClusterID: "dev", Partition: "aws", Client: &http.Client{Transport: o}}
	o.asked = nil
	_, err := v.Verify(context.Background(), raw)
	said := verdict{Accepted: err == nil}
	var refused *token.Error
	if errors.As(err, &refused) {
		said.Error, said.reason = err.Error(), refused.Reason
	} else if err != nil {
		said.Error = err.Error()
	}
	if r := o.asked; r != nil {
		said.Method, said.URL, said.Host, said.Header = r.Method, r.URL.String(), r.Host, r.Header
	}
	return said
}

// stricter is why we refuse what aws-iam-authenticator accepts, by our reason and the
// beginning of what we say. Each is a decision, told in docs/security.md.
var stricter = []struct {
	reason token.Reason
	says   string
	why    string
}{
	{token.Future, "the token is dated", "a token from the future lives longer than fifteen minutes"},
	{token.Malformed, "", "the form is fixed: nine parameters in exact case, each once, of bounded length, and nothing that an intermediary may read in two ways"},
	{token.Host, "", "STS is asked in the region that the signature is for, and by no name that is another spelling of it"},
	{token.Expired, "", "fifteen minutes from the date, whatever the token says of its life"},
}

// Nothing is accepted that aws-iam-authenticator's own verifier refuses, and STS is
// asked the same as by it. What only it accepts is refused for a reason that is known.
func TestNoTokenIsAcceptedThatThePeerRefuses(t *testing.T) {
	peer, mine := startOracle(t, "verify"), &vouched{}
	n := mutations(t)
	seed := [32]byte{1}
	random := rand.New(rand.NewChaCha8(seed))
	now := time.Now()
	bases := baseURLs(t, now)
	tokens := make(chan string, 1000)
	go func() {
		defer close(tokens)
		encoder := json.NewEncoder(peer.in)
		for i := range n {
			raw := mutated(random, bases, i)
			if err := encoder.Encode(raw); err != nil {
				return
			}
			tokens <- raw
		}
		// The oracle answers in blocks; the last one is pushed out by its end.
		peer.in.Close()
	}()
	counts, differences := map[string]int{}, map[string]int{}
	decoder := json.NewDecoder(peer.out)
	for raw := range tokens {
		var theirs verdict
		if err := decoder.Decode(&theirs); err != nil {
			t.Fatal(err)
		}
		m := mine.verify(raw)
		switch {
		case m.Accepted && !theirs.Accepted:
			t.Errorf("accepted here, refused there (%s):\n%q\n%s", theirs.Error, raw, decoded(raw))
		case m.Accepted:
			counts["accepted by both"]++
			if difference := sameQuestion(m, theirs); difference != "" {
				t.Errorf("STS is asked another question: %s\n%s\n%s", difference, m.URL, theirs.URL)
			}
		case theirs.Accepted:
			counts["accepted by the peer alone"]++
			differences[string(m.reason)+": "+kind(m.Error)]++
			if !slices.ContainsFunc(stricter, func(s struct {
				reason token.Reason
				says   string
				why    string
			}) bool {
				return s.reason == m.reason && strings.HasPrefix(m.Error, s.says)
			}) {
				t.Errorf("refused here for no reason that is known (%s: %s):\n%s", m.reason, m.Error, decoded(raw))
			}
		default:
			counts["refused by both"]++
		}
	}
	t.Logf("%d tokens: %v", n, counts)
	for _, d := range slices.Sorted(maps.Keys(differences)) {
		t.Logf("  %6d  %s", differences[d], d)
	}
	if counts["accepted by both"] < n/50 || counts["refused by both"] < n/50 {
		t.Errorf("too few of one kind to mean anything: %v", counts)
	}
}

// sameQuestion compares what STS is asked: host, and each parameter.
func sameQuestion(a, b verdict) string {
	u, err := url.Parse(a.URL)
	v, err2 := url.Parse(b.URL)
	switch {
	case err != nil || err2 != nil:
		return "no URL"
	case a.Method != b.Method || u.Scheme != v.Scheme || u.Host != v.Host || u.Path != v.Path:
		return "another place"
	case a.Header.Get("X-K8s-Aws-Id") != b.Header.Get("X-K8s-Aws-Id"):
		return "another cluster"
	}
	if q, r := u.Query(), v.Query(); !maps.EqualFunc(q, r, slices.Equal) {
		return "another query"
	}
	return ""
}

func kind(text string) string {
	text, _, _ = strings.Cut(text, "\"")
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return 'N'
		}
		return r
	}, text[:min(len(text), 60)])
}

func decoded(raw string) string {
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(raw, token.Prefix))
	if err != nil {
		return err.Error()
	}
	return strconv.Quote(string(text))
}

// baseURLs are good tokens of all kinds.
func baseURLs(t *testing.T, now time.Time) (urls []string) {
	t.Helper()
	user := sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	session := user
	session.AccessKeyID, session.SessionToken = "ASIAIOSFODNN7EXAMPLE", strings.Repeat("FwoGZXIvYXdzEXAMPLE/+=", 20)
	for _, c := range []sigv4.Credentials{user, session} {
		for _, region := range []string{"us-east-1", "eu-central-1", "ap-southeast-2"} {
			for _, age := range []time.Duration{0, 10 * time.Minute, 14 * time.Minute, 16 * time.Minute, -2 * time.Minute, -10 * time.Minute} {
				raw, _, err := token.New(c, token.Options{ClusterID: "dev", Region: region, Time: now.Add(-age)})
				if err != nil {
					t.Fatal(err)
				}
				text, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(raw, token.Prefix))
				if err != nil {
					t.Fatal(err)
				}
				urls = append(urls, string(text))
			}
		}
	}
	for _, host := range []string{"sts.amazonaws.com", "sts-fips.us-east-1.amazonaws.com", "sts.us-east-1.api.aws", "sts.cn-north-1.amazonaws.com.cn", "sts.us-gov-west-1.amazonaws.com"} {
		urls = append(urls, strings.Replace(urls[0], "sts.us-east-1.amazonaws.com", host, 1))
	}
	return urls
}

// mutated is a token with nothing to four things changed.
func mutated(random *rand.Rand, bases []string, i int) string {
	text := bases[random.IntN(len(bases))]
	for range i % 5 {
		text = changes[random.IntN(len(changes))](random, text)
	}
	raw := token.Prefix + base64.RawURLEncoding.EncodeToString([]byte(text))
	if random.IntN(20) == 0 {
		raw = envelopes[random.IntN(len(envelopes))](random, raw, text)
	}
	return raw
}

func pick(random *rand.Rand, words ...string) string { return words[random.IntN(len(words))] }

// parameters splits the query off and lets it be changed.
func parameters(text string, change func([]string) []string) string {
	before, query, ok := strings.Cut(text, "?")
	if !ok {
		return text
	}
	return before + "?" + strings.Join(change(strings.Split(query, "&")), "&")
}

// changes change the URL of a token.
var changes = []func(*rand.Rand, string) string{
	func(r *rand.Rand, s string) string { // another byte
		b := []byte(s)
		b[r.IntN(len(b))] = byte(r.IntN(256))
		return string(b)
	},
	func(r *rand.Rand, s string) string { // one byte less
		i := r.IntN(len(s))
		return s[:i] + s[min(i+1, len(s)):] + ""
	},
	func(r *rand.Rand, s string) string { // a word more
		i := r.IntN(len(s))
		return s[:i] + pick(r, "%00", "%0a", "%20", "+", "&", ";", "=", "#", "?", "/", "//", "@", ":", "..", "\\", "\t", "\n", " ", "é", "%C3%A9", "%2F", "%26", "\x00") + s[i:]
	},
	func(r *rand.Rand, s string) string { // another case
		i := r.IntN(len(s))
		return s[:i] + strings.ToUpper(s[i:min(i+r.IntN(8)+1, len(s))]) + s[min(i+r.IntN(8)+1, len(s)):]
	},
	func(r *rand.Rand, s string) string { // percent-encoded without need
		i := r.IntN(len(s))
		return s[:i] + fmt.Sprintf("%%%02X", s[i]) + s[i+1:]
	},
	func(_ *rand.Rand, s string) string { // decoded without need
		if d, err := url.QueryUnescape(s); err == nil {
			return d
		}
		return s
	},
	func(r *rand.Rand, s string) string { // parameters in another order
		return parameters(s, func(p []string) []string {
			r.Shuffle(len(p), func(i, j int) { p[i], p[j] = p[j], p[i] })
			return p
		})
	},
	func(r *rand.Rand, s string) string { // a parameter twice, perhaps in another case
		return parameters(s, func(p []string) []string {
			twice := p[r.IntN(len(p))]
			return append(p, pick(r, twice, strings.ToLower(twice), strings.ToUpper(twice), strings.Replace(twice, "X-Amz", "x-amz", 1)))
		})
	},
	func(r *rand.Rand, s string) string { // a parameter less
		return parameters(s, func(p []string) []string {
			i := r.IntN(len(p))
			return slices.Delete(slices.Clone(p), i, i+1)
		})
	},
	func(r *rand.Rand, s string) string { // a parameter more
		return parameters(s, func(p []string) []string {
			return append(p, pick(r, "Action=AssumeRole", "action=GetCallerIdentity", "RoleArn=x", "X-Amz-Foo=1", "x-amz-foo=1", "Version=2011-06-15", "foo", "=", "X-Amz-Security-Token=", "X-Amz-Expires=60", "user=x"))
		})
	},
	func(r *rand.Rand, s string) string { // another value
		return parameters(s, func(p []string) []string {
			i := r.IntN(len(p))
			key, _, _ := strings.Cut(p[i], "=")
			p[i] = key + "=" + pick(r, "", "0", "-1", "60", "899", "900", "901", "604800", "9223372036854775808", "1e3", "+60", "060", "host", "host%3Bx-k8s-aws-id",
				"x-k8s-aws-id%3Bhost", "HOST%3BX-K8S-AWS-ID", "host%3Bx-k8s-aws-id%3Bx-amz-foo", "GetCallerIdentity", "getcalleridentity", "AssumeRole", "2011-06-15", "2010-05-08",
				"AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", "20260101T000000Z", "20360101T000000Z", "2026-01-01T00:00:00Z", strings.Repeat("f", 64), strings.Repeat("F", 64),
				"AKIAIOSFODNN7EXAMPLE%2F20260101%2Fus-east-1%2Fsts%2Faws4_request", "AKIA%2F..%2F..%2Fsts%2Faws4_request", strings.Repeat("a", 5000))
			return p
		})
	},
	func(r *rand.Rand, s string) string { // another host
		_, rest, ok := strings.Cut(s, "://")
		if !ok {
			return s
		}
		host, path, _ := strings.Cut(rest, "/")
		return "https://" + pick(r, "evil.example", "sts.amazonaws.com", "sts.amazonaws.com.evil.example", host+".evil.example", "evil.example@"+host, host+"@evil.example", host+":443", host+":80", host+":",
			host+".", strings.ToUpper(host), "sts.us-east-1.amazonaws.com", "sts.nowhere-1.amazonaws.com", "sts.us-east-1.amazonaws.com%2eevil.example", "[::1]", "127.0.0.1", "xsts.us-east-1.amazonaws.com",
			"sts.us-east-1.amazonaws.com#", "sts.us-east-1.amazonaws.com?", "sts..amazonaws.com", "sts.-.amazonaws.com", "sts.us_east.amazonaws.com", "sts.us-east-1.vpce.amazonaws.com", "") + "/" + path
	},
	func(r *rand.Rand, s string) string { // another path
		return strings.Replace(s, "/?", pick(r, "?", "//?", "/.?", "/..?", "/%2e?", "/a?", "/a/../?", "/;?", "/?#", "/#?", "\\?", "/%2F?"), 1)
	},
	func(r *rand.Rand, s string) string { // another scheme
		_, rest, ok := strings.Cut(s, "://")
		if !ok {
			return s
		}
		return pick(r, "http://", "HTTPS://", "Https://", "//", "", "https:/", "https:///", "file://", "https://https://", " https://") + rest
	},
	func(r *rand.Rand, s string) string { // what hangs on
		return s + pick(r, "#", "#fragment", "&", "&&", "%", "%zz", " ", "\n", "\x00", ";", ";a=b", "&=")
	},
}

// envelopes change how the URL is written as a token.
var envelopes = []func(r *rand.Rand, raw, text string) string{
	func(_ *rand.Rand, raw, _ string) string { return raw + "=" },
	func(_ *rand.Rand, raw, _ string) string { return raw + "\n" },
	func(_ *rand.Rand, raw, _ string) string { return " " + raw },
	func(r *rand.Rand, raw, _ string) string { i := r.IntN(len(raw)); return raw[:i] + "\n" + raw[i:] },
	func(r *rand.Rand, raw, _ string) string { i := r.IntN(len(raw)); return raw[:i] + "\r\n" + raw[i:] },
	func(_ *rand.Rand, _, text string) string {
		return token.Prefix + base64.RawStdEncoding.EncodeToString([]byte(text))
	},
	func(_ *rand.Rand, _, text string) string {
		return token.Prefix + base64.URLEncoding.EncodeToString([]byte(text))
	},
	func(_ *rand.Rand, raw, _ string) string { return strings.TrimPrefix(raw, token.Prefix) },
	func(_ *rand.Rand, raw, _ string) string { return token.Prefix + raw },
	func(_ *rand.Rand, raw, _ string) string { return strings.ToUpper(raw[:3]) + raw[3:] },
	func(r *rand.Rand, raw, _ string) string { return raw[:r.IntN(len(raw))] },
	func(r *rand.Rand, raw, _ string) string { // bits that base64 does not use
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		return raw[:len(raw)-1] + string(alphabet[r.IntN(64)])
	},
	func(_ *rand.Rand, raw, _ string) string { return raw + strings.Repeat("A", 20_000) },
}
