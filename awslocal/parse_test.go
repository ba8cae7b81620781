package awslocal

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// full has every field of a world.
const full = `
accounts:
  - id: 111122223333
    alias: awesome
    rootAccessKeys:
      - id: AKIAROOTROOTROOTROOT
        secret: rootSecretRootSecretRootSecretRootSecret
    users:
      - name: ada.lovelace
        path: /staff/
        id: AIDAADAADAADAADAADAAD
        accessKeys:
          - {id: AKIAIOSFODNN7EXAMPLE, secret: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY}
          - {id: AKIAI44QH8DHBEXAMPLE, secret: je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY, status: Inactive}
      - name: nobody
        id: AIDANOBODYNOBODYNOBOD
        accessKeys: []
    roles:
      - name: awesome.role
        path: /team/
        id: AROAAWESOMEAWESOMEAWE
        maxSessionDuration: 7200
        serviceAccounts:
          - {cluster: dev, namespace: payments, name: api}
          - {cluster: "arn:aws:eks:eu-west-1:111122223333:cluster/dev", namespace: payments, name: api.v2}
        trustPolicy:
          Version: 2012-10-17
          Statement:
            - Sid: Everybody
              Effect: Allow
              Principal: {AWS: [111122223333, arn:aws:iam::444455556666:user/mei]}
              Action: sts:AssumeRole
              Condition:
                Bool: {"aws:MultiFactorAuthPresent": true}
      - name: only.pods
        id: AROAPODSPODSPODSPODS2
        serviceAccounts: [{cluster: dev, namespace: default, name: default}]
    oidcProviders:
      - url: https://oidc.example.com/id/1
        clientIds: [sts.amazonaws.com, "42"]
        thumbprints: [0123456789abcdef0123456789ABCDEF01234567]
      - url: https://tenant.example.com
        clientIds: [app]
    clusters:
      - name: dev
        region: eu-west-1
        version: 1.30
        endpoint: https://127.0.0.1:6443
        oidcIssuer: https://oidc.eks.eu-west-1.amazonaws.com/id/ABC
        oidcProvider: false
        authenticationMode: API_AND_CONFIG_MAP
        mapRoles:
          - rolearn: arn:aws:iam::111122223333:role/awesome.role
            username: role:{{SessionName}}
            groups: [a, b]
            userid: AROAAWESOMEAWESOMEAWE
          - sso: {permissionSetName: Admin, accountID: 111122223333}
            username: admin
        mapUsers:
          - userarn: arn:aws:iam::111122223333:user/staff/ada.lovelace
            username: ada
        mapAccounts: [444455556666]
  - id: "444455556666"
    partition: aws-cn
`

func TestParseWorldReadsEveryField(t *testing.T) {
	t.Parallel()
	want := []Account{{
		ID: account, Alias: "awesome",
		RootAccessKeys: AccessKeys{{ID: "AKIAROOTROOTROOTROOT", Secret: "rootSecretRootSecretRootSecretRootSecret"}},
		Users: []User{{
			Name: "ada.lovelace", Path: "/staff/", ID: "AIDAADAADAADAADAADAAD",
			AccessKeys: AccessKeys{
				{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
				{ID: "AKIAI44QH8DHBEXAMPLE", Secret: "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY", Status: Inactive},
			},
		}, {Name: "nobody", ID: "AIDANOBODYNOBODYNOBOD", AccessKeys: AccessKeys{}}},
		Roles: []Role{{
			Name: "awesome.role", Path: "/team/", ID: "AROAAWESOMEAWESOMEAWE", MaxSessionDuration: 7200,
			ServiceAccounts: []ServiceAccount{
				{Cluster: "dev", Namespace: "payments", Name: "api"},
				{Cluster: "arn:aws:eks:eu-west-1:111122223333:cluster/dev", Namespace: "payments", Name: "api.v2"},
			},
			TrustPolicy: `{"Version":"2012-10-17","Statement":[{"Sid":"Everybody","Effect":"Allow",` +
				`"Principal":{"AWS":["111122223333","arn:aws:iam::444455556666:user/mei"]},"Action":"sts:AssumeRole",` +
				`"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}]}`,
		}, {Name: "only.pods", ID: "AROAPODSPODSPODSPODS2", ServiceAccounts: []ServiceAccount{{Cluster: "dev", Namespace: "default", Name: "default"}}}},
		OIDCProviders: []OIDCProvider{
			{URL: "https://oidc.example.com/id/1", ClientIDs: []string{"sts.amazonaws.com", "42"}, Thumbprints: []string{"0123456789abcdef0123456789ABCDEF01234567"}},
			{URL: "https://tenant.example.com", ClientIDs: []string{"app"}},
		},
		Clusters: []Cluster{{
			Name: "dev", Region: "eu-west-1", Version: "1.30", Endpoint: "https://127.0.0.1:6443",
			OIDCIssuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC", OIDCProvider: new(bool), AuthenticationMode: APIAndConfigMapMode,
			MapRoles: []RoleMapping{
				{RoleARN: roleARN, Username: "role:{{SessionName}}", Groups: []string{"a", "b"}, UserID: "AROAAWESOMEAWESOMEAWE"},
				{SSO: &SSO{PermissionSetName: "Admin", AccountID: account}, Username: "admin"},
			},
			MapUsers:    []UserMapping{{UserARN: "arn:aws:iam::111122223333:user/staff/ada.lovelace", Username: "ada"}},
			MapAccounts: []string{"444455556666"},
		}},
	}, {ID: "444455556666", Partition: "aws-cn"}}
	if diff := cmp.Diff(want, parse(t, full).Accounts); diff != "" {
		t.Error(diff)
	}
}

func TestWorldIsTheSameAfterYAML(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{
		"full": full, "default": string(DefaultWorldYAML()),
		"literal JSON":        withPolicy("|\n          {\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\n          \t\"Principal\":\"*\",\"Action\":\"sts:*\"}}"),
		"compact JSON":        withPolicy(`'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["111122223333"]},"Action":"sts:*","Condition":{"Bool":{"aws:SecureTransport":"true"},"NumericLessThan":{"aws:EpochTime":"1"}}}]}'`),
		"line breaks of YAML": withPolicy(strconv.Quote(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sts:*","Condition":{"StringEquals":{"aws:x":["a` + "\u0085b\",\"a\u2028b\",\"\u2029\",\"\ufeffa\",\"\u00a0" + `"]}}}}`)),
		// YAML cannot say an escaped surrogate pair.
		"only JSON": withPolicy(`'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:*","Condition":{"StringEquals":{"aws:x":"\ud83d\ude00"}}}]}'`),
	} {
		w := parse(t, doc)
		text, err := w.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if diff := sameWorld(w, parse(t, string(text))); diff != "" {
			t.Errorf("%s: %s\n%s", name, diff, text)
		}
	}
}

// withPolicy is base with another trust policy.
func withPolicy(policy string) string {
	i, j := strings.Index(base, "        trustPolicy:"), strings.Index(base, "    clusters:")
	return base[:i] + "        trustPolicy: " + policy + "\n" + base[j:]
}

func TestParseWorldReportsAllFaultsInOrder(t *testing.T) {
	t.Parallel()
	_, err := ParseWorld("w.yaml", []byte("accounts:\n  - id: x\n    users:\n      - nam: ada\n    roles:\n      - name: r\n    clusters:\n      - name: dev\n        region: x\n"))
	var fault *WorldError
	if !errors.As(err, &fault) {
		t.Fatal(err)
	}
	var lines []int
	for _, f := range fault.Faults {
		lines = append(lines, f.Line)
	}
	if diff := cmp.Diff([]int{2, 4, 4, 6, 9}, lines); diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestWorldErrorIsBounded(t *testing.T) {
	t.Parallel()
	_, err := ParseWorld("w.yaml", []byte("accounts: ["+strings.Repeat("{id: x}, ", 1000)+"]"))
	if n := strings.Count(err.Error(), "\n"); n != maxReported {
		t.Errorf("the error has %d lines", n+1)
	}
	if !strings.HasSuffix(err.Error(), "and 1949 more faults") {
		t.Errorf("the error ends with %q", err.Error()[len(err.Error())-60:])
	}
}

func TestWarningsPointAtWhoIsNotThere(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		old, new string
		line     int
		want     string // "" for no warning
	}{
		{"user/ada", "user/adda", 17, `this world has no user called "adda"; did you mean ada?`},
		{"user/ada", "user/staff/ada", 17, `this world has no user called "staff/ada"`},
		{"user/ada", "user/ADA", 0, ""},
		{"arn:aws:iam::111122223333:user/ada", "arn:aws:iam::444455556666:user/mei", 0, ""},
		{"arn:aws:iam::111122223333:user/ada", "arn:aws-cn:iam::111122223333:user/ada", 17, "the account 111122223333 is of the partition aws"},
		{`{AWS: "*"}`, `{AWS: "arn:aws:iam::111122223333:user/eda"}`, 11, `this world has no user called "eda"; did you mean ada?`},
		{`{AWS: "*"}`, `{AWS: "arn:aws:iam::111122223333:role/q"}`, 11, `no role called "q"; did you mean r?`},
		{`{AWS: "*"}`, `{AWS: "arn:aws:iam::111122223333:root"}`, 0, ""},
		{`{AWS: "*"}`, `{Federated: "arn:aws:iam::111122223333:oidc-provider/x"}`, 0, ""},
		{`{AWS: "*"}`, `{Federated: "arn:aws:iam::444455556666:oidc-provider/x"}`, 11, "is of the account 444455556666, not of 111122223333; a role trusts identity providers of its own account"},
		{"    users:", "    oidcProviders: [{url: https://x}]\n    users:", 3, "the identity provider accepts no audience; clientIds: [sts.amazonaws.com]"},
		{"    users:", "    oidcProviders: [{url: https://x, clientIds: []}]\n    users:", 3, "accepts no audience"},
		{"    users:", "    oidcProviders: [{url: https://x/, clientIds: [a]}]\n    users:", 3, "the URL ends with a slash; remove it, unless"},
		{"        trustPolicy:", "        serviceAccounts: [{cluster: dev, namespace: payments, name: api}]\n        trustPolicy:", 0, ""},
		{"            username: ada", "            username: ada\n          - userarn: arn:aws:iam::111122223333:user/ADA\n            username: x", 19, "the entry is never used: mapUsers[0] comes first"},
		{"        mapUsers:", "        mapRoles:\n          - rolearn: arn:aws:iam::111122223333:role/team/r\n            username: r\n        mapUsers:", 17, "sessions do not show the path of a role"},
		{"        mapUsers:", "        mapRoles:\n          - rolearn: arn:aws:iam::111122223333:role/q\n            username: r\n        mapUsers:", 17, `no role called "q"`},
	} {
		w := parse(t, strings.Replace(base, tc.old, tc.new, 1))
		if tc.want == "" {
			if len(w.Warnings()) > 0 {
				t.Errorf("with %q: %v", tc.new, w.Warnings())
			}
			continue
		}
		if len(w.Warnings()) != 1 || w.Warnings()[0].Line != tc.line || !strings.Contains(w.Warnings()[0].String(), tc.want) {
			t.Errorf("with %q: %v, want line %d: %q", tc.new, w.Warnings(), tc.line, tc.want)
		}
	}
}

func TestAliasesAreFollowed(t *testing.T) {
	t.Parallel()
	w := parse(t, strings.Replace(strings.Replace(base, "trustPolicy:", "trustPolicy: &trust", 1),
		"    clusters:", "      - name: s\n        trustPolicy: *trust\n    clusters:", 1))
	roles := w.Accounts[0].Roles
	if len(roles) != 2 || roles[0].TrustPolicy != roles[1].TrustPolicy || roles[1].TrustPolicy == "" {
		t.Errorf("%+v", roles)
	}
}

func TestReadWorldNamesTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "my.yaml")
	if _, err := ReadWorld(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	os.WriteFile(path, []byte("accounts: 1\n"), 0o600)
	if _, err := ReadWorld(path); err == nil || !strings.HasPrefix(err.Error(), path+": line 1: accounts: ") {
		t.Errorf("with a bad file: %v", err)
	}
	os.WriteFile(path, []byte(base), 0o600)
	if _, err := ReadWorld(path); err != nil {
		t.Error(err)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	w := parse(t, full)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(format, *w); strings.Contains(s, "EXAMPLEKEY") || strings.Contains(s, "rootSecret") {
			t.Errorf("%s shows a secret: %s", format, s)
		}
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "secret", w.Accounts[0].Users[0].AccessKeys[0].Secret)
	if strings.Contains(log.String(), "EXAMPLEKEY") {
		t.Errorf("the log shows a secret: %s", log.String())
	}
	bad := strings.Replace(full, "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY", `"sEcReT with a space"`, 1)
	if _, err := ParseWorld("w", []byte(bad)); err == nil || strings.Contains(err.Error(), "sEcReT") {
		t.Errorf("the error is %v", err)
	}
}
