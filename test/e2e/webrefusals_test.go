package e2e_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/eksauth/eksauth/internal/controlplane"
	"github.com/eksauth/eksauth/internal/pki"
	"github.com/eksauth/eksauth/internal/require"
	"github.com/eksauth/eksauth/oidc"
)

// refusalWorld has, in the first account, roles for the cluster's service account
// and for that of another cluster, and in the second a role of the same name; URLs
// of issuers are put in.
const refusalWorld = `
accounts:
  - id: "111122223333"
    users: [{name: ada.lovelace}]
    roles:
      - {name: awesome.app, serviceAccounts: [{cluster: dev, namespace: awesome-app, name: awesome-app}]}
      - name: others.app
        trustPolicy:
          Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Principal: {Federated: "arn:aws:iam::111122223333:oidc-provider/OTHER"}
              Action: sts:AssumeRoleWithWebIdentity
              Condition: {StringEquals: {"OTHER:sub": "system:serviceaccount:awesome-app:awesome-app"}}
    oidcProviders:
      - {url: "https://OTHER", clientIds: [sts.amazonaws.com]}
      - {url: "https://DOWN", clientIds: [sts.amazonaws.com]}
      - {url: "https://UNTRUSTED", clientIds: [sts.amazonaws.com]}
    clusters: [{name: dev, region: us-east-1}]
  - id: "444455556666"
    roles:
      - name: awesome.app
        trustPolicy:
          Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Principal: {Federated: "arn:aws:iam::444455556666:oidc-provider/OTHER"}
              Action: sts:AssumeRoleWithWebIdentity
    oidcProviders:
      - {url: "https://OTHER", clientIds: [sts.amazonaws.com]}
`

// cluster is another cluster's issuer, with a certificate of an authority of its
// own.
type cluster struct {
	*oidc.Issuer
	authority string // file
}

func startCluster(t *testing.T) cluster {
	t.Helper()
	key, err := oidc.GenerateKey("RS256")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := oidc.NewKeySet(key)
	if err != nil {
		t.Fatal(err)
	}
	dir, now := t.TempDir(), time.Now()
	ca, err := pki.LoadOrCreateCA(dir, "another cluster", now)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.LoadOrIssue(dir, "issuer", pki.Server("127.0.0.1"), now)
	if err != nil {
		t.Fatal(err)
	}
	c := cluster{authority: filepath.Join(dir, "authority.pem")}
	if err := os.WriteFile(c.authority, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.Handler().ServeHTTP(w, r) }))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{leaf.TLS()}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // who does not trust it hangs up
	server.StartTLS()
	t.Cleanup(server.Close)
	if c.Issuer, err = oidc.NewIssuer(server.URL, keys); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c cluster) token(t *testing.T) string {
	t.Helper()
	raw, err := c.Mint(oidc.TokenRequest{
		ServiceAccount: oidc.ServiceAccount{Namespace: "awesome-app", Object: oidc.Object{Name: "awesome-app"}},
		Audiences:      []string{"sts.amazonaws.com"}, Lifetime: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// forger makes tokens that are the cluster's but for what a test changes.
type forger struct {
	t       *testing.T
	claims  map[string]any // of a good token
	key     jose.JSONWebKey
	public  []byte // PEM
	another jose.JSONWebKey
}

func newForger(t *testing.T, s *system, good string) forger {
	t.Helper()
	said, err := oidc.Inspect(good, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	signing, err := controlplane.SigningKey(filepath.Join(s.dir, "controlplane"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(signing.PublicFile)
	if err != nil {
		t.Fatal(err)
	}
	another, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return forger{t, said.Claims, jose.JSONWebKey{Key: signing.Key, KeyID: said.KeyID}, public, jose.JSONWebKey{Key: another, KeyID: said.KeyID}}
}

func (f forger) text(changes map[string]any) []byte {
	f.t.Helper()
	claims := maps.Clone(f.claims)
	maps.Copy(claims, changes)
	text, err := json.Marshal(claims)
	if err != nil {
		f.t.Fatal(err)
	}
	return text
}

func (f forger) sign(algorithm jose.SignatureAlgorithm, key jose.JSONWebKey, changes map[string]any) string {
	f.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	signed, err := signer.Sign(f.text(changes))
	if err != nil {
		f.t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		f.t.Fatal(err)
	}
	return raw
}

// unsigned is a token of the algorithm none, with a signature that is not looked at.
func (f forger) unsigned(signature string) string {
	header := fmt.Sprintf(`{"alg":"none","kid":%q}`, f.key.KeyID)
	return encode([]byte(header)) + "." + encode(f.text(nil)) + "." + signature
}

// altered has other claims than were signed.
func (f forger) altered(good string, changes map[string]any) string {
	parts := strings.Split(good, ".")
	return parts[0] + "." + encode(f.text(changes)) + "." + parts[2]
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

const (
	noRole        = "(AccessDenied) when calling the AssumeRoleWithWebIdentity operation: Not authorized to perform sts:AssumeRoleWithWebIdentity"
	noJWT         = "(InvalidIdentityToken) when calling the AssumeRoleWithWebIdentity operation: The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
	notValidated  = "(InvalidIdentityToken) when calling the AssumeRoleWithWebIdentity operation: The web identity token provided could not be validated"
	noKeys        = "(InvalidIdentityToken) when calling the AssumeRoleWithWebIdentity operation: Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements"
	noProvider    = "(InvalidIdentityToken) when calling the AssumeRoleWithWebIdentity operation: No OpenIDConnect provider found in your account for "
	wrongAudience = "(InvalidIdentityToken) when calling the AssumeRoleWithWebIdentity operation: Incorrect token audience"
)

// Every one of these is refused in AWS's words, as the aws CLI shows them, and
// the log of the local AWS has the true reason.
func TestWebIdentityRefused(t *testing.T) {
	require.Program(t, "aws")
	other, untrusted := startCluster(t), startCluster(t)
	down, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	down.Close()
	t.Setenv("SSL_CERT_FILE", other.authority) // what the local AWS trusts besides its own
	host := func(u string) string { return strings.TrimPrefix(u, "https://") }
	s := startWithoutKubernetes(t, strings.NewReplacer("UNTRUSTED", host(untrusted.URL()), "OTHER", host(other.URL()), "DOWN", down.Addr().String()).Replace(refusalWorld))
	mint := func(serviceAccount string, args ...string) string {
		t.Helper()
		args = append([]string{"eksauth", "mint", serviceAccount, "--data-dir", s.dir}, args...)
		return strings.TrimSpace(s.podClient(t).must(args...))
	}
	good := mint("awesome-app/awesome-app")
	f := newForger(t, s, good)
	issuer, _ := f.claims["iss"].(string)
	ours := func(changes map[string]any) string { return f.sign(jose.RS256, f.key, changes) }
	unknown := f.another
	unknown.KeyID = "rotated"
	now := time.Now()
	const othersRole, farRole, noSuchRole = "arn:aws:iam::" + account + ":role/others.app", "arn:aws:iam::444455556666:role/awesome.app", appRole + "2"

	// The control: forged with nothing changed, it is the role; and another
	// cluster's is what that one's tokens are for.
	s.mustBeRoleWith(t, appRole, good)
	s.mustBeRoleWith(t, appRole, ours(nil))
	s.mustBeRoleWith(t, othersRole, other.token(t))
	s.mustBeRoleWith(t, farRole, other.token(t))

	refusals := []webRefusal{
		{"another namespace", appRole, mint("elsewhere/awesome-app"), noRole, `found \"system:serviceaccount:elsewhere:awesome-app\"`},
		{"another service account", appRole, mint("awesome-app/default"), noRole, `found \"system:serviceaccount:awesome-app:default\"`},
		{"another account's role", farRole, good, noProvider + issuer, "the role's account 444455556666 has no such provider"},
		{"another audience", appRole, mint("awesome-app/awesome-app", "--audience", "vault"), wrongAudience, `the token has the audience [\"vault\"]; the provider accepts [\"sts.amazonaws.com\"]`},
		{"expired", appRole, ours(map[string]any{"iat": now.Add(-2 * time.Hour).Unix(), "nbf": now.Add(-2 * time.Hour).Unix(), "exp": now.Add(-2 * time.Minute).Unix()}),
			"(ExpiredTokenException) when calling the AssumeRoleWithWebIdentity operation: Token expired: current date/time ", "as answered"},
		{"not yet valid", appRole, ours(map[string]any{"nbf": now.Add(10 * time.Minute).Unix()}), notValidated, "the token is not valid before "},
		{"from the future", appRole, ours(map[string]any{"iat": now.Add(10 * time.Minute).Unix()}), notValidated, "the token was issued at "},
		{"signed by another key", appRole, f.sign(jose.RS256, f.another, nil), notValidated, "the token is not signed by the issuer's key "},
		{"signed by a key that nobody published", appRole, f.sign(jose.RS256, unknown, nil), notValidated, `publishes no key \"rotated\"`},
		{"altered", appRole, f.altered(mint("elsewhere/awesome-app"), nil), notValidated, "the token is not signed by the issuer's key "},
		{"alg none", appRole, f.unsigned(""), noJWT, `the token is signed with \"none\"`},
		{"alg none with a signature", appRole, f.unsigned("AAAA"), noJWT, `the token is signed with \"none\"`},
		{"the public key as a secret", appRole, f.sign(jose.HS256, jose.JSONWebKey{Key: f.public, KeyID: f.key.KeyID}, nil), noJWT, `the token is signed with \"HS256\"`},
		{"another cluster's", appRole, other.token(t), noRole, "Statement[0]: Principal: want "},
		{"another cluster's key for our issuer", appRole, f.altered(other.token(t), nil), notValidated, "publishes no key "},
		{"an issuer that nobody registered", appRole, ours(map[string]any{"iss": "https://oidc.example.com/id/1"}), noProvider + "https://oidc.example.com/id/1", "the role's account 111122223333 has no such provider"},
		{"an issuer that is down", appRole, ours(map[string]any{"iss": "https://" + down.Addr().String()}), noKeys, "could not be asked: "},
		{"an issuer with a certificate of its own", appRole, untrusted.token(t), noKeys, "the TLS certificate of "},
		{"a role that does not exist", noSuchRole, good, noRole, "the role does not exist"},
	}
	t.Run("with the aws CLI", func(t *testing.T) {
		for i, r := range refusals {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				r.check(t, s, fmt.Sprintf("refused-%d", i))
			})
		}
	})
	t.Run("a role that does not exist looks like one that does", func(t *testing.T) {
		token := mint("elsewhere/awesome-app")
		refused, missing := s.rawAnswer(t, appRole, token), s.rawAnswer(t, noSuchRole, token)
		if refused != missing || !strings.Contains(refused, "<Code>AccessDenied</Code>") {
			t.Errorf("a role that refuses:\n%s\none that does not exist:\n%s", refused, missing)
		}
	})
	// It did not just stop letting anybody in.
	s.mustBeRoleWith(t, appRole, good)
}

// webRefusal is a token that gets nobody the role.
type webRefusal struct {
	name, role, token string
	want              string // of the aws CLI
	reason            string // in the log
}

// check presents the token; the session's name is what its line in the log is
// found by.
func (w webRefusal) check(t *testing.T, s *system, session string) {
	t.Helper()
	r := s.assumeWith(t, w.role, w.token, session)
	if want := "An error occurred " + w.want; r.err == nil || !strings.Contains(r.stderr, want) {
		t.Errorf("%v\n%s%s\nwant %s", r.err, r.stdout, r.stderr, want)
	}
	line := s.logLine(t, "sessionName="+session+" ")
	if _, reason, _ := strings.Cut(line, " reason="); !strings.Contains(reason, w.reason) {
		t.Errorf("the log does not say %q: %s", w.reason, line)
	}
	for part := range strings.SplitSeq(w.token, ".") {
		if part != "" && strings.Contains(line, part) {
			t.Errorf("the log has a part of the token: %s", line)
		}
	}
}

// assumeWith is the aws CLI in a pod with the token.
func (s *system) assumeWith(t *testing.T, role, token, session string) result {
	t.Helper()
	c := s.podClient(t)
	c.setRegion()
	file := filepath.Join(c.home, "token")
	writeToken(t, file, token)
	maps.Copy(c.env, map[string]string{
		"AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": file, "AWS_ROLE_SESSION_NAME": session,
	})
	return c.run("aws", "sts", "get-caller-identity", "--query", "Arn", "--output", "text")
}

func (s *system) mustBeRoleWith(t *testing.T, role, token string) {
	t.Helper()
	want := strings.Replace(strings.Replace(role, ":iam:", ":sts:", 1), ":role/", ":assumed-role/", 1) + "/control"
	if r := s.assumeWith(t, role, token, "control"); strings.TrimSpace(r.stdout) != want {
		t.Fatalf("it is %q, want %s\n%s", r.stdout, want, r.stderr)
	}
}

// rawAnswer is the whole answer, but for what is another for each request.
func (s *system) rawAnswer(t *testing.T, role, token string) string {
	t.Helper()
	resp, err := http.PostForm(s.env["AWS_ENDPOINT_URL"], url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"},
		"RoleArn": {role}, "RoleSessionName": {"same"}, "WebIdentityToken": {token},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		t.Fatal(err)
	}
	id := resp.Header.Get("x-amzn-requestid")
	if id == "" || !bytes.Contains(body, []byte("<RequestId>"+id+"</RequestId>")) {
		t.Fatalf("the answer has no request id: %s", body)
	}
	resp.Header.Del("Date")
	var b strings.Builder
	fmt.Fprintln(&b, resp.Status)
	if err := resp.Header.Write(&b); err != nil {
		t.Fatal(err)
	}
	b.Write(body)
	return strings.ReplaceAll(b.String(), id, "ID")
}
