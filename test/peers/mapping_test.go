package peers_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	authentication "k8s.io/api/authentication/v1"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/token"
	"github.com/eksauth/eksauth/tokenreview"
)

type (
	question struct {
		Data    map[string]string `json:"data"`
		Callers []caller          `json:"callers"`
	}
	caller struct {
		Token  string          `json:"token"`
		Answer json.RawMessage `json:"answer"`
	}
	reply struct {
		Malformed string
		Refused   bool
		Reviews   []authentication.TokenReviewStatus
	}
)

// canned is an STS that answers with one text.
type canned struct{ answer []byte }

func (c *canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(c.answer)))}, nil
}

// ours asks eksauth's handler the same.
func ours(t *testing.T, q question) []authentication.TokenReviewStatus {
	t.Helper()
	live := awsauth.NewLive(awsauth.Source{Name: awsauth.EKSConfigMap})
	if err := live.Update(awsauth.EKSConfigMap, awsauth.ParseConfigMap(q.Data)); err != nil {
		t.Fatal(err)
	}
	sts := &canned{}
	h := tokenreview.New(tokenreview.Config{
		Verifier: &token.Verifier{ClusterID: "dev", Partition: "aws", Client: &http.Client{Transport: sts}},
		Mappings: live, Log: slog.New(slog.DiscardHandler),
	})
	var reviews []authentication.TokenReviewStatus
	for _, who := range q.Callers {
		sts.answer = who.Answer
		body, err := json.Marshal(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": map[string]string{"token": who.Token}})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/authenticate", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, r)
		var review authentication.TokenReview
		if err := json.Unmarshal(recorder.Body.Bytes(), &review); err != nil {
			t.Fatal(err)
		}
		reviews = append(reviews, review.Status)
	}
	return reviews
}

// principal is one whom STS knows.
type principal struct{ arn, account, userID string }

var principals = []principal{
	{"arn:aws:iam::111122223333:user/ada.lovelace", "111122223333", "AIDAADAADAADAADAADAA"},
	{"arn:aws:iam::111122223333:user/staff/charles.babbage", "111122223333", "AIDACHARLESCHARLESCH"},
	{"arn:aws:iam::111122223333:user/Ada.Lovelace", "111122223333", "AIDAADAADAADAADAADAB"},
	{"arn:aws:iam::111122223333:root", "111122223333", "111122223333"},
	{"arn:aws:sts::111122223333:assumed-role/awesome.role/ada@example.com", "111122223333", "AROAAWESOMEAWESOMEAW:ada@example.com"},
	{"arn:aws:sts::111122223333:assumed-role/other/i-0123456789abcdef0", "111122223333", "AROAOTHEROTHEROTHERO:i-0123456789abcdef0"},
	{"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/ada", "111122223333", "AROASSOSSOSSOSSOSSOS:ada"},
	{"arn:aws:sts::111122223333:federated-user/bob", "111122223333", "111122223333:bob"},
	{"arn:aws:iam::444455556666:user/mei", "444455556666", "AIDAMEIMEIMEIMEIMEIM"},
	{"arn:aws:sts::444455556666:assumed-role/awesome.role/s", "444455556666", "AROAFARFARFARFARFARF:s"},
}

// callers are all principals, each with a token of their own.
func callers(t *testing.T) []caller {
	t.Helper()
	var list []caller
	for i, p := range principals {
		c := sigv4.Credentials{AccessKeyID: fmt.Sprintf("AKIAIOSFODNN7EXAMP%02d", i), SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
		raw, _, err := token.New(c, token.Options{ClusterID: "dev", Region: "us-east-1", Time: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		answer := fmt.Sprintf(`{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":%q,"Arn":%q,"UserId":%q},"ResponseMetadata":{"RequestId":"x"}}}`, p.account, p.arn, p.userID)
		list = append(list, caller{raw, json.RawMessage(answer)})
	}
	return list
}

// generate makes a ConfigMap of principals, usernames and groups that collide.
func generate(r *rand.Rand) map[string]string {
	arns := []string{
		"arn:aws:iam::111122223333:user/ada.lovelace", "arn:aws:iam::111122223333:user/staff/charles.babbage", "arn:aws:iam::111122223333:user/charles.babbage",
		"arn:aws:iam::111122223333:user/Ada.Lovelace", "arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:user/mei",
	}
	roles := []string{
		"arn:aws:iam::111122223333:role/awesome.role", "arn:aws:iam::111122223333:role/other", "arn:aws:iam::111122223333:role/team/awesome.role",
		"arn:aws:iam::111122223333:role/Awesome.Role", "arn:aws:iam::444455556666:role/awesome.role",
		"arn:aws:iam::111122223333:role/AWSReservedSSO_Admin_0123456789abcdef", "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef",
	}
	names := []string{"ada", "{{AccountID}}", "{{SessionName}}", "{{SessionNameRaw}}", "{{AccessKeyID}}", "aws:{{AccountID}}:{{SessionName}}", "x-{{SessionName}}-y", "system:node:n"}
	groups := []string{"admins", "system:masters", "{{AccountID}}-team", "s-{{SessionName}}"}
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	list := func(key string, from []string) string {
		var b strings.Builder
		for range r.IntN(4) {
			fmt.Fprintf(&b, "- %s: %s\n  username: %q\n", key, pick(from), pick(names))
			if n := r.IntN(3); n > 0 {
				b.WriteString("  groups:\n")
				for range n {
					fmt.Fprintf(&b, "  - %q\n", pick(groups))
				}
			}
		}
		return b.String()
	}
	data := map[string]string{}
	if s := list("userarn", arns); s != "" {
		data["mapUsers"] = s
	}
	if s := list("rolearn", roles); s != "" {
		data["mapRoles"] = s
	}
	if r.IntN(3) == 0 {
		data["mapAccounts"] = "- \"" + []string{"111122223333", "444455556666"}[r.IntN(2)] + "\"\n"
	}
	return data
}

// difference is a deliberate one: docs/migrating.md lists them by these names.
type difference struct {
	name string
	is   func(data map[string]string, p principal, theirs, ours authentication.TokenReviewStatus) bool
}

func differences() []difference {
	return []difference{
		{"role paths", func(data map[string]string, p principal, theirs, ours authentication.TokenReviewStatus) bool {
			entries := blocksFor(data, p)
			return ours.Authenticated && (strings.Contains(entries, "role/team/") || strings.Contains(entries, "role/aws-reserved/"))
		}},
		{"the first of two entries", func(data map[string]string, p principal, theirs, ours authentication.TokenReviewStatus) bool {
			return theirs.Authenticated && ours.Authenticated && entriesFor(data, p) > 1
		}},
		{"session names of users", func(data map[string]string, p principal, theirs, ours authentication.TokenReviewStatus) bool {
			return strings.Contains(p.arn, ":iam::") && theirs.Authenticated && strings.Contains(blocksFor(data, p), "{{SessionName") && len(ours.User.Groups) == 0
		}},
	}
}

// entriesFor counts the entries of a principal as aws-iam-authenticator finds them.
func entriesFor(data map[string]string, p principal) int {
	text := strings.ToLower(data["mapUsers"] + data["mapRoles"])
	n := 0
	for line := range strings.Lines(text) {
		_, arn, ok := strings.Cut(strings.TrimSpace(line), "arn: ")
		if ok && sameFold(arn, p) {
			n++
		}
	}
	return n
}

// blocksFor is the text of the entries of a principal.
func blocksFor(data map[string]string, p principal) string {
	var b strings.Builder
	for _, entry := range strings.Split("\n"+data["mapUsers"]+data["mapRoles"], "\n- ") {
		line, _, _ := strings.Cut(entry, "\n")
		if _, arn, ok := strings.Cut(strings.ToLower(line), "arn: "); ok && sameFold(arn, p) {
			b.WriteString(entry)
		}
	}
	return b.String()
}

// sameFold compares without case, and without the path of roles.
func sameFold(arn string, p principal) bool {
	want := strings.ToLower(p.arn)
	if rest, ok := strings.CutPrefix(want, "arn:aws:sts::"); ok {
		account, name, _ := strings.Cut(rest, ":assumed-role/")
		name, _, _ = strings.Cut(name, "/")
		return strings.HasPrefix(arn, "arn:aws:iam::"+account+":role/") && strings.HasSuffix(arn, "/"+name)
	}
	return arn == want
}

// same compares what reaches the API server. Ours has no empty lists.
func same(theirs, ours authentication.TokenReviewStatus) bool {
	if theirs.Authenticated != ours.Authenticated {
		return false
	}
	if !theirs.Authenticated {
		return true
	}
	for key, values := range theirs.User.Extra {
		if !slices.Equal(values, ours.User.Extra[key]) {
			return false
		}
	}
	return theirs.User.Username == ours.User.Username && theirs.User.UID == ours.User.UID && slices.Equal(theirs.User.Groups, ours.User.Groups)
}

// Hundreds of generated ConfigMaps, and those made by hand, with ten principals
// each: aws-iam-authenticator's own server and ours answer the same, but for the
// differences that are documented.
func TestMappingsLikeThePeer(t *testing.T) {
	o := startOracle(t, "map")
	who := callers(t)
	r := rand.New(rand.NewPCG(7, 11))
	configurations := []map[string]string{
		{},
		{"mapUsers": "[]"},
		{"mapUsers": "- userarn: arn:aws:iam::111122223333:user/ada.lovelace\n  username: ada\n  groups: []\n"},
		{"mapRoles": `[{"rolearn":"arn:aws:iam::111122223333:role/awesome.role","username":"x","groups":["g"]}]`},
		{"mapAccounts": "- \"111122223333\"\n- \"444455556666\"\n"},
	}
	for range 400 {
		configurations = append(configurations, generate(r))
	}
	compared, found := 0, map[string]int{}
	for _, data := range configurations {
		q := question{Data: data, Callers: who}
		var theirs reply
		o.ask(t, q, &theirs)
		if theirs.Refused || theirs.Malformed != "" {
			t.Fatalf("the peer does not take %q: %+v", data, theirs)
		}
		for i, mine := range ours(t, q) {
			compared++
			if same(theirs.Reviews[i], mine) {
				continue
			}
			named := ""
			for _, d := range differences() {
				if d.is(data, principals[i], theirs.Reviews[i], mine) {
					named = d.name
					break
				}
			}
			if named == "" {
				t.Errorf("%s with %q:\ntheirs %+v\nours   %+v", principals[i].arn, data, theirs.Reviews[i], mine)
			}
			found[named]++
		}
	}
	t.Logf("%d configurations, %d answers compared; differences: %v", len(configurations), compared, found)
	guide, err := os.ReadFile("../../docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differences() {
		if !strings.Contains(string(guide), "**"+strings.ToUpper(d.name[:1])+d.name[1:]+"**") {
			t.Errorf("docs/migrating.md does not have %q", d.name)
		}
		if found[d.name] == 0 {
			t.Errorf("no configuration shows the difference %q", d.name)
		}
	}
}
