package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/doctor"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/internal/pki"
	"github.com/eksauth/eksauth/oidc"
	"github.com/eksauth/eksauth/sigv4"
)

// An account may have thousands of roles, each with a policy as long as IAM takes.
func TestRolesOfALargeAccount(t *testing.T) {
	policy := url.PathEscape(strings.Repeat(`"system:serviceaccount:apps:web",`, 100)) // as IAM writes it
	const perPage, pages = 1000, 6
	iam := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := 0
		fmt.Sscan(r.FormValue("Marker"), &page)
		fmt.Fprint(w, "<ListRolesResponse><ListRolesResult><Roles>")
		for i := range perPage {
			fmt.Fprintf(w, "<member><Arn>arn:aws:iam::111122223333:role/r%d-%d</Arn><AssumeRolePolicyDocument>%s</AssumeRolePolicyDocument></member>", page, i, policy)
		}
		fmt.Fprint(w, "</Roles>")
		if page++; page < pages {
			fmt.Fprintf(w, "<IsTruncated>true</IsTruncated><Marker>%d</Marker>", page)
		}
		fmt.Fprint(w, "</ListRolesResult></ListRolesResponse>")
	}))
	defer iam.Close()
	client := &accountClient{
		p:   &program{IO: cli.IO{Getenv: func(name string) string { return map[string]string{"AWS_ENDPOINT_URL_IAM": iam.URL}[name] }}},
		cfg: aws.Config{Region: "us-east-1"}, creds: sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret"},
	}
	roles, err := client.Roles(t.Context())
	if err != nil || len(roles) != perPage*pages {
		t.Errorf("%d roles, %v", len(roles), err)
	}
}

// Credentials of one partition are not sent to another.
func TestIAMOfEachPartition(t *testing.T) {
	for region, want := range map[string]string{
		"eu-west-1": "https://iam.amazonaws.com us-east-1", "cn-northwest-1": "https://iam.cn-north-1.amazonaws.com.cn cn-north-1",
		"us-gov-east-1": "https://iam.us-gov.amazonaws.com us-gov-west-1", "us-iso-west-1": "https://iam.us-iso-east-1.c2s.ic.gov us-iso-east-1",
		"us-isob-east-1": "https://iam.us-isob-east-1.sc2s.sgov.gov us-isob-east-1", "eusc-de-east-1": "https://iam.eusc-de-east-1.amazonaws.eu eusc-de-east-1",
	} {
		client := &accountClient{p: &program{IO: cli.IO{Getenv: func(string) string { return "" }}}, cfg: aws.Config{Region: region}}
		if endpoint, signed := client.iamEndpoint(); endpoint+" "+signed != want {
			t.Errorf("%s: %s %s, want %s", region, endpoint, signed, want)
		}
	}
}

// Nobody there is not the same as a refusal.
func TestAssumeTellsNoAnswerFromARefusal(t *testing.T) {
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>")
	}))
	defer refuses.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for url, noAnswer := range map[string]bool{refuses.URL: false, gone.URL: true} {
		client := &accountClient{cfg: aws.Config{Region: "us-east-1", BaseEndpoint: &url, RetryMaxAttempts: 1}}
		err := client.Assume(t.Context(), "arn:aws:iam::111122223333:role/web", "a.b.c")
		if err == nil || errors.Is(err, doctor.ErrNoAnswer) != noAnswer || strings.Contains(err.Error(), "a.b.c") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// What others wrote does nothing to a terminal: no escapes, no change of direction.
func TestFixesArePrintable(t *testing.T) {
	var b strings.Builder
	printFix(&b, []string{"kubectl get pods", "# \x1b[2J", "# \u202e"})
	if want := "Fix:\n  kubectl get pods\n  \"# \\x1b[2J\"\n  \"# \\u202e\"\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
}

// IAM knows a user or a role by the name, whatever path the ARN has, and also the role of
// a session.
func TestPrincipalsOfIAM(t *testing.T) {
	s := localtest.ServeDefault(t)
	creds := localtest.CredentialsOf(t, s.Store, "arn:aws:iam::111122223333:user/administrator")
	client := &accountClient{p: &program{IO: cli.IO{Getenv: func(string) string { return "" }}}, cfg: s.Config(creds), creds: creds}
	for who, want := range map[string]string{
		localtest.AdaARN: localtest.AdaARN, "arn:aws:iam::111122223333:user/x/ada.lovelace": localtest.AdaARN, localtest.RoleARN: localtest.RoleARN,
		"arn:aws:sts::111122223333:assumed-role/awesome.role/x": localtest.RoleARN, "arn:aws:iam::111122223333:user/nobody": "", "arn:aws:iam::111122223333:role/nobody": "",
	} {
		p, err := arn.ParsePrincipal(who)
		if err != nil {
			t.Fatal(err)
		}
		found, id, err := client.Principal(t.Context(), p)
		if found != want || (want == "") != errors.Is(err, doctor.ErrNotFound) || want != "" && !strings.HasPrefix(id, "A") {
			t.Errorf("%s: %q %q, %v", who, found, id, err)
		}
	}
}

// An issuer may have a certificate of an authority that only a file knows, as that of the
// local AWS has.
func TestIssuerOfAnotherAuthority(t *testing.T) {
	var issuer *oidc.Issuer
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { issuer.Handler().ServeHTTP(w, r) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of who does not trust it
	server.StartTLS()
	defer server.Close()
	signing, err := pki.LoadOrCreateSigningKey(t.TempDir(), "key")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(signing.PrivateFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := oidc.LoadKey(data)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := oidc.NewKeySet(key)
	if err != nil {
		t.Fatal(err)
	}
	if issuer, err = oidc.NewIssuer(server.URL, keys); err != nil {
		t.Fatal(err)
	}
	file := func(text []byte) string {
		path := filepath.Join(t.TempDir(), "ca.crt")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	authority := file(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	if published, err := (doctorIssuer{authority}).PublishedKeys(t.Context(), server.URL); err != nil || len(published) != 1 {
		t.Errorf("%q, %v", published, err)
	}
	var untrusted *doctor.UntrustedError
	if _, err := (doctorIssuer{}).PublishedKeys(t.Context(), server.URL); !errors.As(err, &untrusted) {
		t.Errorf("without the file: %v", err)
	}
	for name, path := range map[string]string{"no such file": authority + "x", "has no certificate in it": file([]byte("none"))} {
		if _, err := (doctorIssuer{path}).PublishedKeys(t.Context(), server.URL); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
