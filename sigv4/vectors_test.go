package sigv4

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// suite is testdata/aws-sig-v4-test-suite.json; its README says where it is from.
type suite struct {
	AccessKeyID, SecretAccessKey, Region, Service, Time string
	Vectors                                             []vector
	LaterEdition                                        []struct{ Name, SignedRequest string }
}

type vector struct{ Name, Request, CanonicalRequest, StringToSign, Authorization string }

func loadSuite(t *testing.T) suite {
	t.Helper()
	data, err := os.ReadFile("testdata/aws-sig-v4-test-suite.json")
	if err != nil {
		t.Fatal(err)
	}
	var s suite
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Vectors) != 28 || len(s.LaterEdition) != 9 {
		t.Fatalf("the corpus has %d and %d vectors, not 28 and 9", len(s.Vectors), len(s.LaterEdition))
	}
	return s
}

func (s suite) scope() Scope { return Scope{s.Time[:dateLength], s.Region, s.Service} }

// readRequest is what a server makes of the text, which may lack its end.
func readRequest(t *testing.T, text string) (r *http.Request, body []byte) {
	t.Helper()
	if !strings.Contains(text, "\n\n") {
		text += "\n\n"
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	body, err = io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, body
}

// contradictory are the tests whose canonical request, as AWS published it, is
// not the one that its string to sign and its signature are of. The latter were
// made without Content-Length among the headers, and one with another charset
// than the request has.
var contradictory = map[string]*strings.Replacer{
	"post-x-www-form-urlencoded":            strings.NewReplacer("content-length:13\n", "", "content-length;", ""),
	"post-x-www-form-urlencoded-parameters": strings.NewReplacer("content-length:13\n", "", "content-length;", "", "utf-8", "utf8"),
}

func TestAWSVectorsStepByStep(t *testing.T) {
	t.Parallel()
	s := loadSuite(t)
	for _, v := range s.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			r, body := readRequest(t, v.Request)
			m, err := newMessage(r, PayloadHash(body))
			if err != nil {
				t.Fatal(err)
			}
			m.query = r.URL.RawQuery
			lines := strings.Split(v.CanonicalRequest, "\n")
			for name := range strings.SplitSeq(lines[len(lines)-2], ";") {
				m.fields = append(m.fields, field{name, received(r, name)})
			}
			canonical, err := m.appendCanonical(nil, s.Service)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.CanonicalRequest, string(canonical)); diff != "" {
				t.Fatalf("canonical request (-AWS +ours):\n%s", diff)
			}
			if fix, ok := contradictory[v.Name]; ok {
				canonical = []byte(fix.Replace(string(canonical)))
			}
			toSign := s.scope().appendStringToSign(nil, s.Time, sha256.Sum256(canonical))
			if diff := cmp.Diff(v.StringToSign, string(toSign)); diff != "" {
				t.Fatalf("string to sign (-AWS +ours):\n%s", diff)
			}
			signature := mac(s.scope().signingKey(s.SecretAccessKey), toSign)
			_, want, _ := strings.Cut(v.Authorization, "Signature=")
			if got := hex.EncodeToString(signature); got != want {
				t.Fatalf("signature = %s, AWS has %s", got, want)
			}
		})
	}
}

func TestAWSVectorsSignedAndVerified(t *testing.T) {
	t.Parallel()
	s := loadSuite(t)
	for _, v := range s.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			text := v.Request
			if fix, ok := contradictory[v.Name]; ok {
				// The signed request that the published signature is of.
				text = fix.Replace(text)
			}
			received, body := readRequest(t, text)
			received.Header.Set("Authorization", v.Authorization)
			if _, ok := contradictory[v.Name]; ok {
				received.Header.Set("Authorization", strings.Replace(v.Authorization, "content-length;", "", 1))
			}
			signature, err := ParseSignature(received)
			if err != nil {
				t.Fatal(err)
			}
			if err := signature.Verify(received, PayloadHash(body), s.SecretAccessKey); err != nil {
				t.Errorf("Verify: %v", err)
			}
			if err := signature.Verify(received, PayloadHash(body), "not the key"); err != ErrMismatch {
				t.Errorf("Verify with another key: %v, want ErrMismatch", err)
			}

			if _, ok := contradictory[v.Name]; ok {
				// Sign covers the Content-Length, the vector does not.
				return
			}
			request, _ := readRequest(t, v.Request)
			c := Credentials{s.AccessKeyID, s.SecretAccessKey, request.Header.Get("X-Amz-Security-Token")}
			if err := Sign(request, PayloadHash(body), c, s.Region, s.Service, signature.Time); err != nil {
				t.Fatal(err)
			}
			if got := request.Header.Get("Authorization"); got != v.Authorization {
				t.Errorf("Sign:\n%s, AWS has\n%s", got, v.Authorization)
			}
		})
	}
}

// unservable are requests that no net/http server would hand on as they were
// signed: a folded header arrives as one value where the suite wants several;
// a raw space in the request line is refused; raw UTF-8 in a path comes out of
// net/url percent-encoded. Their canonicalisation is held here by itself.
var unservable = map[string]message{
	"get-header-value-multiline": {path: "/", fields: []field{
		{"host", []string{"example.amazonaws.com"}},
		{"my-header1", []string{"value1", "  value2", "     value3"}},
		{"x-amz-date", []string{"20150830T123600Z"}},
	}},
	"get-utf8": {path: "/ሴ", fields: []field{
		{"host", []string{"example.amazonaws.com"}}, {"x-amz-date", []string{"20150830T123600Z"}},
	}},
	"get-space-normalized": {path: "/example space/", fields: []field{
		{"host", []string{"example.amazonaws.com"}}, {"x-amz-date", []string{"20150830T123600Z"}},
	}},
}

func TestAWSVectorsOfTheLaterEdition(t *testing.T) {
	t.Parallel()
	s := loadSuite(t)
	left := len(unservable)
	for _, v := range s.LaterEdition {
		if _, ok := unservable[v.Name]; ok {
			left--
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			if m, ok := unservable[v.Name]; ok {
				m.method, m.payload = http.MethodGet, EmptyPayload
				got, err := s.scope().sign(&m, s.Time, s.SecretAccessKey)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(v.SignedRequest, "Signature="+hex.EncodeToString(got[:])+"\n") {
					t.Errorf("signature = %x, AWS has\n%s", got, v.SignedRequest)
				}
				return
			}
			r, body := readRequest(t, v.SignedRequest)
			if strings.HasSuffix(v.Name, "(query)") {
				// It stands in the files, but no signer of URLs sends it.
				r.Header.Del("X-Amz-Date")
			}
			signature, err := ParseSignature(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := signature.Verify(r, PayloadHash(body), s.SecretAccessKey); err != nil {
				t.Error(err)
			}
		})
	}
	if left != 0 {
		t.Errorf("%d of the vectors that need a detour are not in the corpus", left)
	}
}
