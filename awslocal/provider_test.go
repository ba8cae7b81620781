package awslocal

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/sts"
)

// pods is a world with every way of trusting a service account.
const pods = `accounts:
  - id: "111122223333"
    oidcProviders:
      - {url: https://oidc.example.com/id/1, clientIds: [sts.amazonaws.com, app]}
    roles:
      - name: app
        serviceAccounts: [{cluster: dev, namespace: payments, name: api}]
      - name: both
        serviceAccounts:
          - {cluster: dev, namespace: payments, name: api}
          - {cluster: eu, namespace: other, name: default}
          - {cluster: "arn:aws:eks:us-east-1:111122223333:cluster/dev", namespace: payments, name: worker}
        trustPolicy:
          Version: "2008-10-17"
          Id: kept
          Statement: {Effect: Allow, Principal: {AWS: "111122223333"}, Action: sts:AssumeRole}
    clusters:
      - {name: dev, region: us-east-1}
      - {name: eu, region: eu-west-1, oidcIssuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC"}
      - {name: hidden, region: us-east-1, oidcProvider: false}
  - id: "444455556666"
    partition: aws-cn
    roles:
      - name: app
        serviceAccounts: [{cluster: dev, namespace: payments, name: api}]
    clusters:
      - {name: dev, region: cn-north-1}
`

func openPods(t *testing.T) *Store {
	t.Helper()
	s := open(t, t.TempDir())
	apply(t, s, parse(t, pods))
	return s
}

func setIssuer(t *testing.T, s *Store, cluster, issuer string) {
	t.Helper()
	if err := s.SetClusterIssuer(cluster, issuer); err != nil {
		t.Fatal(err)
	}
}

func TestProvidersAreThoseOfTheWorldAndOfItsClusters(t *testing.T) {
	t.Parallel()
	s := openPods(t)
	const devARN, chinaARN = "arn:aws:eks:us-east-1:111122223333:cluster/dev", "arn:aws-cn:eks:cn-north-1:444455556666:cluster/dev"
	setIssuer(t, s, devARN, "https://127.0.0.1:4430/id/dev")
	setIssuer(t, s, chinaARN, "https://127.0.0.1:4430/id/china")
	setIssuer(t, s, "hidden", "https://127.0.0.1:4430/id/hidden")
	for _, tc := range []struct {
		account, issuer string
		arn             string // "" if there is none
		clientIDs       string
	}{
		{account, "https://oidc.example.com/id/1", "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/id/1", "sts.amazonaws.com app"},
		{account, "https://127.0.0.1:4430/id/dev", "arn:aws:iam::111122223333:oidc-provider/127.0.0.1:4430/id/dev", "sts.amazonaws.com"},
		{account, "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC", "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC", "sts.amazonaws.com"},
		{"444455556666", "https://127.0.0.1:4430/id/china", "arn:aws-cn:iam::444455556666:oidc-provider/127.0.0.1:4430/id/china", "sts.amazonaws.com"},
		{account, "https://127.0.0.1:4430/id/hidden", "", ""},
		{account, "https://127.0.0.1:4430/id/china", "", ""}, // of another account
		{"444455556666", "https://127.0.0.1:4430/id/dev", "", ""},
		{"444455556666", "https://oidc.example.com/id/1", "", ""},
		{"999999999999", "https://oidc.example.com/id/1", "", ""},
		{account, "https://oidc.example.com/id/1/", "", ""}, // to the letter
		{account, "https://oidc.example.com/ID/1", "", ""},
		{account, "oidc.example.com/id/1", "", ""},
		{account, "", "", ""},
		{"", "https://oidc.example.com/id/1", "", ""},
		{"1111", "22223333/https://oidc.example.com/id/1", "", ""},
	} {
		p, err := s.OIDCProvider(t.Context(), tc.account, tc.issuer)
		if tc.arn == "" {
			if !errors.Is(err, sts.ErrNotFound) {
				t.Errorf("%s %s: %+v, %v", tc.account, tc.issuer, p, err)
			}
			continue
		}
		want := sts.OIDCProvider{ARN: tc.arn, URL: tc.issuer, ClientIDs: strings.Fields(tc.clientIDs)}
		if diff := cmp.Diff(want, p); diff != "" || err != nil {
			t.Errorf("%s %s: %v %s", tc.account, tc.issuer, err, diff)
		}
	}
}

func TestProviderOfTheWorldWinsOverTheClusters(t *testing.T) {
	t.Parallel()
	s := openPods(t)
	setIssuer(t, s, "arn:aws:eks:us-east-1:111122223333:cluster/dev", "https://oidc.example.com/id/1")
	p, err := s.OIDCProvider(t.Context(), account, "https://oidc.example.com/id/1")
	if err != nil || len(p.ClientIDs) != 2 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestClusterIssuerFollowsWhoeverRunsIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	apply(t, s, parse(t, pods))
	const dev = "arn:aws:eks:us-east-1:111122223333:cluster/dev"
	found := func(issuer string) bool {
		_, err := s.OIDCProvider(t.Context(), account, issuer)
		return err == nil
	}
	setIssuer(t, s, dev, "https://127.0.0.1:1")
	setIssuer(t, s, dev, "https://127.0.0.1:2")
	if found("https://127.0.0.1:1") || !found("https://127.0.0.1:2") {
		t.Error("the provider did not follow the issuer")
	}
	apply(t, s, parse(t, pods))
	s.Close()
	s = open(t, dir)
	if c, err := s.Cluster(dev); err != nil || c.OIDCIssuer != "https://127.0.0.1:2" {
		t.Errorf("applied and opened again, the issuer is %s (%v)", c.OIDCIssuer, err)
	}
	// It is a fact of this run and not of the world.
	if exported := world(t, s); exported.Accounts[0].Clusters[0].OIDCIssuer != "" {
		t.Errorf("exported: %s", exported.Accounts[0].Clusters[0].OIDCIssuer)
	}
	setIssuer(t, s, dev, "")
	if found("https://127.0.0.1:2") || found("") {
		t.Error("the provider outlived its issuer")
	}
	// The world's word counts more.
	setIssuer(t, s, "eu", "https://127.0.0.1:3")
	if c, err := s.Cluster("eu"); err != nil || c.OIDCIssuer != "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC" || found("https://127.0.0.1:3") {
		t.Errorf("the issuer of eu is %s (%v)", c.OIDCIssuer, err)
	}
	// What a world no longer says is no longer so.
	apply(t, s, parse(t, strings.Replace(pods, `, oidcIssuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC"`, "", 1)))
	if found("https://oidc.eks.eu-west-1.amazonaws.com/id/ABC") {
		t.Error("an issuer that was taken out of the world is still trusted")
	}
	for _, bad := range []string{"http://127.0.0.1:1", "127.0.0.1", "https://x/?a", "https://x/" + strings.Repeat("a", 255)} {
		if err := s.SetClusterIssuer(dev, bad); err == nil || !strings.Contains(err.Error(), "issuer of cluster "+dev) {
			t.Errorf("issuer %q: %v", bad, err)
		}
	}
	if err := s.SetClusterIssuer("nowhere", "https://x"); !errors.Is(err, sts.ErrNotFound) {
		t.Errorf("issuer of no cluster: %v", err)
	}
}

// The form of the statements is that of "Assign IAM roles to Kubernetes service
// accounts" in the EKS user guide.
func TestServiceAccountsBecomeTrustStatements(t *testing.T) {
	t.Parallel()
	s := openPods(t)
	const dev = "arn:aws:eks:us-east-1:111122223333:cluster/dev"
	inForce := func(name string) string {
		var doc PolicyDocument
		err := s.db.View(func(tx *bbolt.Tx) error {
			role, _, err := roleTable.get(tx, nameKey(account, name))
			if err != nil {
				return err
			}
			statements, err := role.serviceAccountStatements(tx, "aws")
			if err != nil {
				return err
			}
			doc, err = addStatements(role.TrustPolicy, statements)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(doc)
	}
	const eu = `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC"},
		"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{
			"oidc.eks.eu-west-1.amazonaws.com/id/ABC:aud":["sts.amazonaws.com"],
			"oidc.eks.eu-west-1.amazonaws.com/id/ABC:sub":["system:serviceaccount:other:default"]}}}`
	devOf := func(port, names string) string {
		return `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/127.0.0.1:` + port + `"},
			"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{
				"127.0.0.1:` + port + `:aud":["sts.amazonaws.com"],"127.0.0.1:` + port + `:sub":[` + names + `]}}}`
	}
	const raw = `{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}`
	const api, worker = `"system:serviceaccount:payments:api"`, `"system:serviceaccount:payments:worker"`
	if got := inForce("app"); got != "" {
		t.Errorf("without an issuer: %s", got)
	}
	for _, port := range []string{"1", "2"} {
		setIssuer(t, s, dev, "https://127.0.0.1:"+port)
		for name, want := range map[string]string{
			"app":  `{"Version":"2012-10-17","Statement":[` + devOf(port, api) + `]}`,
			"both": `{"Version":"2008-10-17","Id":"kept","Statement":[` + raw + `,` + devOf(port, api+","+worker) + `,` + eu + `]}`,
		} {
			if diff := cmp.Diff(anyJSON(t, want), anyJSON(t, inForce(name))); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}

func anyJSON(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// trusts says whether a role lets a token of the issuer have it.
func (s *Store) trusts(t *testing.T, role, issuer, subject string) bool {
	t.Helper()
	found, err := s.Role(t.Context(), arn.Principal{Kind: arn.Role, Partition: "aws", AccountID: account, Name: role})
	if err != nil {
		t.Fatal(err)
	}
	key := strings.TrimPrefix(issuer, "https://")
	request := iam.Request{Action: "sts:AssumeRoleWithWebIdentity", Caller: iam.Caller{Federated: "arn:aws:iam::" + account + ":oidc-provider/" + key}}
	request.Context.Set(key+":sub", subject)
	request.Context.Set(key+":aud", "sts.amazonaws.com")
	return iam.Evaluate(found.TrustPolicy, request).Allowed()
}

func TestTrustPolicyIsReadWithTheIssuerOfTheMoment(t *testing.T) {
	t.Parallel()
	s := openPods(t)
	const dev = "arn:aws:eks:us-east-1:111122223333:cluster/dev"
	trusts := func(port, subject string) bool { return s.trusts(t, "app", "https://127.0.0.1:"+port, subject) }
	const api = "system:serviceaccount:payments:api"
	if trusts("1", api) {
		t.Error("without an issuer it trusts somebody")
	}
	setIssuer(t, s, dev, "https://127.0.0.1:1")
	if !trusts("1", api) || trusts("1", api+"2") {
		t.Error("it does not trust the service account, or another as well")
	}
	setIssuer(t, s, dev, "https://127.0.0.1:2")
	if trusts("1", api) || !trusts("2", api) {
		t.Error("it trusts the issuer of before")
	}
}

// testdata/schema1.db.gz was made by the program of schema 1, of the world
// "full" as it was then.
func TestStoreOfSchema1IsUpgraded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := schema1(t)
	if err := os.WriteFile(filepath.Join(dir, StateFile), file, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	w := world(t, s)
	if len(w.Accounts) != 2 || w.Accounts[0].Roles[0].ID != "AROAAWESOMEAWESOMEAWE" || w.Accounts[0].OIDCProviders != nil {
		t.Errorf("the world became %+v", w)
	}
	if _, err := s.OIDCProvider(t.Context(), account, w.Accounts[0].Clusters[0].OIDCIssuer); err != nil {
		t.Error(err)
	}
	if key, err := s.AccessKey(t.Context(), "AKIAIOSFODNN7EXAMPLE"); err != nil || key.Secret != "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" {
		t.Errorf("her key: %v, %v", key, err)
	}
	apply(t, s, parse(t, full))
	s.Close()
	if diff := sameWorld(parse(t, full), world(t, open(t, dir))); diff != "" {
		t.Error(diff)
	}
}

func TestDamagedStoreOfSchema1IsRefusedAndNotChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, StateFile)
	damaged := bytes.ReplaceAll(schema1(t), []byte(`"maxSessionDuration":`), []byte(`"maxSessionDuration"!`))
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := Open(dir, time.Now)
		isDamaged(t, err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(damaged, after) {
		t.Errorf("the file is another (%v)", err)
	}
}

func schema1(t *testing.T) []byte {
	t.Helper()
	f, err := os.Open("testdata/schema1.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	file, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
