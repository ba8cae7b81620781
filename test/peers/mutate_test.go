package peers_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/token"
)

// mutator makes tokens out of valid ones, the same for the same seed but for their
// dates.
type mutator struct {
	*rand.Rand
	valid []string // the URLs of good tokens, of all shapes in the field
	now   time.Time
}

var exampleKey = sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}

// stsHosts by partition, each with the region that it takes signatures for.
var stsHosts = map[string][][2]string{
	"aws": {
		{"sts.amazonaws.com", "us-east-1"}, {"sts.us-east-1.amazonaws.com", "us-east-1"}, {"sts.eu-west-1.amazonaws.com", "eu-west-1"},
		{"sts-fips.us-west-2.amazonaws.com", "us-west-2"}, {"sts.eu-central-1.api.aws", "eu-central-1"}, {"sts-fips.us-east-2.api.aws", "us-east-2"},
	},
	"aws-cn":     {{"sts.cn-north-1.amazonaws.com.cn", "cn-north-1"}, {"sts.cn-northwest-1.api.amazonwebservices.com.cn", "cn-northwest-1"}},
	"aws-us-gov": {{"sts.us-gov-west-1.amazonaws.com", "us-gov-west-1"}, {"sts-fips.us-gov-east-1.api.aws", "us-gov-east-1"}},
	"aws-iso":    {{"sts.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"}, {"sts-fips.us-iso-west-1.c2s.ic.gov", "us-iso-west-1"}},
	"aws-eusc":   {{"sts.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"}, {"sts.eusc-de-east-1.api.amazonwebservices.eu", "eusc-de-east-1"}},
}

func newMutator(t *testing.T, seed uint64, partition string) *mutator {
	t.Helper()
	m := &mutator{Rand: rand.New(rand.NewPCG(seed, 2385)), now: time.Now()}
	session := exampleKey
	session.AccessKeyID, session.SessionToken = "ASIAIOSFODNN7EXAMPLE", strings.Repeat("FwoGZXIvYXdzEB/+aq=", 20)
	for _, host := range stsHosts[partition] {
		for _, c := range []sigv4.Credentials{exampleKey, session} {
			for _, age := range []time.Duration{0, 14 * time.Minute, -4 * time.Minute} {
				for _, expires := range []time.Duration{0, time.Minute, 15 * time.Minute} {
					m.valid = append(m.valid, m.presign(t, c, host, age, expires))
				}
			}
		}
	}
	return m
}

func (m *mutator) presign(t *testing.T, c sigv4.Credentials, host [2]string, age, expires time.Duration) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "https://"+host[0]+"/?Action=GetCallerIdentity&Version=2011-06-15", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(token.ClusterIDHeader, "dev")
	u, err := sigv4.Presign(r, sigv4.EmptyPayload, c, host[1], "sts", m.now.Add(-age), expires)
	if err != nil {
		t.Fatal(err)
	}
	return u.String()
}

// next is a token with up to three mutations; one in fifty has none.
func (m *mutator) next() []byte {
	text := m.pick(m.valid)
	if m.IntN(50) == 0 {
		return m.encode(text)
	}
	for range 1 + m.IntN(3) {
		switch m.IntN(6) {
		case 0:
			text = m.bytes(text)
		case 1, 2:
			text = m.query(text)
		case 3:
			text = m.value(text)
		case 4:
			text = m.url(text)
		case 5:
			text = m.escape(text)
		}
	}
	raw := m.encode(text)
	if m.IntN(6) == 0 {
		raw = m.encoding(raw)
	}
	return raw
}

func (m *mutator) pick(list []string) string { return list[m.IntN(len(list))] }

func (m *mutator) encode(text string) []byte {
	return []byte(token.Prefix + base64.RawURLEncoding.EncodeToString([]byte(text)))
}

// bytes alters single bytes of the text.
func (m *mutator) bytes(text string) string {
	b := []byte(text)
	if len(b) == 0 {
		return text
	}
	odd := "\x00\t\r\n %&;=+/?#@:.\\\"'<>[]\x7f\x80\xffAaZz09"
	i := m.IntN(len(b))
	switch m.IntN(6) {
	case 0:
		b[i] ^= 1 << m.IntN(8)
	case 1:
		b[i] = odd[m.IntN(len(odd))]
	case 2:
		return text[:i] + odd[m.IntN(len(odd)):][:1] + text[i:]
	case 3:
		return text[:i] + text[i+1:]
	case 4:
		return text[:i] + text[i:min(len(b), i+1+m.IntN(20))] + text[i:]
	case 5:
		return text[:i]
	}
	return string(b)
}

// query alters the list of parameters.
func (m *mutator) query(text string) string {
	base, query, _ := strings.Cut(text, "?")
	pairs := strings.Split(query, "&")
	i, j := m.IntN(len(pairs)), m.IntN(len(pairs))
	key, value, _ := strings.Cut(pairs[i], "=")
	switch m.IntN(12) {
	case 0:
		pairs = append(pairs, pairs[i])
	case 1:
		pairs = append(pairs[:i], pairs[i+1:]...)
	case 2:
		pairs[i], pairs[j] = pairs[j], pairs[i]
	case 3:
		m.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	case 4:
		pairs[i] = m.caseOf(key) + "=" + value
	case 5: // CVE-2022-2385
		pairs = append(pairs, m.caseOf(key)+"="+m.pick([]string{value, "", "x", "AssumeRole"}))
	case 6:
		pairs[i] = key + m.pick([]string{"", "=", "=" + value + "=", "==" + value, "=" + value + ";", "=" + value + "%00"})
	case 7:
		pairs = append(pairs, m.pick([]string{"", "=", "x=y", "RoleArn=x", "Accept=text%2Fxml", "x-k8s-aws-id=dev", "X-Amz-Meta=1", "ContentType=XML"}))
	case 8:
		sep := m.pick([]string{";", "&&", "%26", "&amp;", "?", "#"})
		return base + "?" + strings.Join(pairs[:i], "&") + sep + strings.Join(pairs[i:], "&")
	case 9:
		if key != "" {
			pairs[i] = fmt.Sprintf("%%%02X", key[0]) + key[1:] + "=" + value
		}
	case 10:
		other, _, _ := strings.Cut(pairs[j], "=")
		pairs[i] = other + "=" + value
	case 11:
		return base + m.pick([]string{"", "??", "/?", "?&"}) + strings.Join(pairs, "&")
	}
	return base + "?" + strings.Join(pairs, "&")
}

func (m *mutator) caseOf(s string) string {
	b := []byte(s)
	for i, c := range b {
		if m.IntN(3) == 0 && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
			b[i] ^= 0x20
		}
	}
	return string(b)
}

// value gives one parameter a value that means something near to its own.
func (m *mutator) value(text string) string {
	date := func(d time.Duration, layout string) string { return m.now.Add(d).UTC().Format(layout) }
	const amz = "20060102T150405Z"
	scope := func(key, region, rest string) string {
		return key + "%2F" + date(0, "20060102") + "%2F" + region + "%2F" + rest
	}
	key := m.pick([]string{"Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-SignedHeaders", "X-Amz-Security-Token", "X-Amz-Signature"})
	values := map[string][]string{
		"Action":          {"getcalleridentity", "GetCallerIdentity%00", "AssumeRole", "GetSessionToken", "", "GetCallerIdentity+", "%47etCallerIdentity"},
		"Version":         {"", "2011-06-15%20", "2010-05-08", "2011%2D06%2D15"},
		"X-Amz-Algorithm": {"aws4-hmac-sha256", "AWS4-HMAC-SHA512", "AWS4-ECDSA-P256-SHA256", ""},
		"X-Amz-Credential": {scope("AKIAI44QH8DHBEXAMPLE", "us-east-1", "sts%2Faws4_request"), scope("AKIA", "us-east-1", "sts%2Faws4_request"),
			scope(exampleKey.AccessKeyID, "eu-west-1", "sts%2Faws4_request"), scope(exampleKey.AccessKeyID, "us-east-1", "s3%2Faws4_request"),
			scope(exampleKey.AccessKeyID, "us-east-1", "sts"), scope(exampleKey.AccessKeyID, "us-east-1", "sts%2Faws4_request%2F"),
			scope("AKIAIOSFODNN7EXAMPLE%0D%0AX:%20y", "us-east-1", "sts%2Faws4_request"), scope(exampleKey.AccessKeyID, "", "sts%2Faws4_request"), ""},
		"X-Amz-Date":    {date(6*time.Minute, amz), date(time.Hour, amz), date(-14*time.Minute, amz), date(-16*time.Minute, amz), date(0, time.RFC3339), date(0, "20060102T150405"), date(0, "20060102T150405.999Z"), date(0, "20060102T150405.5Z"), "99990101T000000Z", ""},
		"X-Amz-Expires": {"-1", "-0", "+60", "060", "00", "901", "900", "6e1", "0x3c", "60%20", "%36%30", "99999999999999999999", ""},
		"X-Amz-SignedHeaders": {"host", "host;x-k8s-aws-id", "X-K8s-Aws-Id", "x-k8s-aws-id%3Bhost", "host%3BX-K8S-AWS-ID", "host%3Bx-k8s-aws-id%3B", "accept%3Bhost%3Bx-k8s-aws-id",
			"host%3Bx-amz-date%3Bx-k8s-aws-id", "host%3Bx-k8s-aws-id2", "host,x-k8s-aws-id", "authorization%3Bhost%3Bx-k8s-aws-id", ""},
		"X-Amz-Security-Token": {"", "forged", "a%0D%0AX-K8s-Aws-Id:%20other", "+", "%C3%A9", strings.Repeat("A", 4000)},
		"X-Amz-Signature":      {"", strings.Repeat("0", 64), strings.Repeat("0", 63), strings.Repeat("F", 64), "%30" + strings.Repeat("0", 63)},
	}
	start := strings.Index(text, key+"=")
	if start < 0 {
		return text + "&" + key + "=" + m.pick(values[key])
	}
	start += len(key) + 1
	end := start + strings.IndexByte(text[start:]+"&", '&')
	return text[:start] + m.pick(values[key]) + text[end:]
}

// url alters what stands before the query, or after it.
func (m *mutator) url(text string) string {
	scheme, rest, _ := strings.Cut(text, "://")
	host, query, _ := strings.Cut(rest, "/")
	switch m.IntN(5) {
	case 0:
		scheme = m.pick([]string{"http", "HTTPS", "ftp", "", "https:https", " https", "javascript"})
	case 1:
		host = m.pick([]string{
			"sts.us-east-1.amazonaws.com", "sts.eu-west-1.amazonaws.com", "sts.cn-north-1.amazonaws.com.cn", "sts.us-gov-west-1.amazonaws.com", "sts.us-moon-9.amazonaws.com", "sts.moon.amazonaws.com",
			"sts.us-iso-east-1.c2s.ic.gov", "sts.eusc-de-east-1.amazonaws.eu", "sts-fips.eu-west-1.amazonaws.com", "sts-fips.us-gov-west-1.amazonaws.com", "sts.xx-north-1.api.aws", "sts.Us-East-1.amazonaws.com",
			"sts.us-east-1.amazonaws.com.evil.example", "evil.example", "sts.evil.example", "sts.us-east-1.amazonaws.com:443", "sts.us-east-1.amazonaws.com.", "STS.us-east-1.amazonaws.com",
			"sts.us-east-1.evil.com", "sts.-.amazonaws.com", "sts.a.b.amazonaws.com", "ec2.us-east-1.amazonaws.com", "169.254.169.254", "[::1]", "localhost", "", "sts.aws-global.amazonaws.com", "sts.us-east-1%2eamazonaws.com",
		})
	case 2:
		host = m.pick([]string{host + ":443", host + ":80", host + ":", host + ".", "user@" + host, "user:pw@" + host, "@" + host, host + "@evil.example", strings.ToUpper(host), host + "%00", host + "\\@evil.example", "evil.example#@" + host, " " + host})
	case 3:
		query = m.pick([]string{"/", "x", "./", "%2e/", "%2F", "..", "\\", ";x=y"}) + query
	case 4:
		return text + m.pick([]string{"#", "#x", "#&Action=AssumeRole", "?", "&", "%", " ", "\x00", "\n"})
	}
	return scheme + "://" + host + "/" + query
}

// escape writes a character in another way that may mean the same.
func (m *mutator) escape(text string) string {
	if text == "" {
		return text
	}
	i := m.IntN(len(text))
	switch m.IntN(4) {
	case 0:
		return text[:i] + fmt.Sprintf("%%%02x", text[i]) + text[i+1:]
	case 1:
		return text[:i] + fmt.Sprintf("%%%02X", text[i]) + text[i+1:]
	case 2:
		return strings.Replace(text, "%2F", m.pick([]string{"/", "%2f", "%252F", "%u002F"}), 1+m.IntN(4))
	}
	return strings.Replace(text, "%3B", m.pick([]string{";", "%3b", "%253B", "&#59;"}), 1)
}

// encoding alters the outer layers: prefix and base64.
func (m *mutator) encoding(raw []byte) []byte {
	s := string(raw)
	body := s[len(token.Prefix):]
	i := m.IntN(len(body) + 1)
	switch m.IntN(9) {
	case 0:
		return []byte(token.Prefix + body + m.pick([]string{"=", "==", "A", "\n", " ", "\x00"}))
	case 1:
		return []byte(token.Prefix + body[:i] + m.pick([]string{"\n", "\r\n", " ", "=", "."}) + body[i:])
	case 2:
		return []byte(m.pick([]string{"", "K8S-AWS-V1.", "k8s-aws-v2.", "k8s-aws-v1", " " + token.Prefix, token.Prefix + token.Prefix}) + body)
	case 3: // the bits that the last character has too many
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		if body == "" {
			return raw
		}
		last := strings.IndexByte(alphabet, body[len(body)-1])
		return []byte(token.Prefix + body[:len(body)-1] + string(alphabet[last^1]))
	case 4:
		return []byte(token.Prefix + strings.NewReplacer("-", "+", "_", "/").Replace(body))
	case 5:
		return []byte(token.Prefix + base64.RawURLEncoding.EncodeToString([]byte(body)))
	case 6:
		return []byte(token.Prefix + body[:i])
	case 7:
		return []byte(m.bytes(s))
	}
	return []byte(token.Prefix + base64.URLEncoding.EncodeToString([]byte("\xef\xbb\xbf"+body)))
}
