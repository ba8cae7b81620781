package awslocal

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// base is a world of which the fault tables change one line.
const base = `accounts:
  - id: "111122223333"
    users:
      - name: ada
    roles:
      - name: r
        trustPolicy:
          Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Principal: {AWS: "*"}
              Action: sts:AssumeRole
    clusters:
      - name: dev
        region: us-east-1
        mapUsers:
          - userarn: arn:aws:iam::111122223333:user/ada
            username: ada
`

func TestBaseIsGood(t *testing.T) {
	t.Parallel()
	if w := parse(t, base); len(w.Warnings()) > 0 {
		t.Error(w.Warnings())
	}
}

func TestParseWorldRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		old, new string // a replacement in base
		line     int
		want     string // in the fault's text
	}{
		// The document.
		{base, "", 0, "the file is empty; eksauth local --print-world"},
		{base, "# nothing\n", 0, "the file is empty"},
		{base, "accounts: []\n", 1, "there are no accounts"},
		{base, "accounts: x\n", 1, "accounts: this is a text, not a list; begin each entry with a dash"},
		{base, "[]\n", 1, "this is a list, not a mapping"},
		{base, "accounts:\n\t- id: x\n", 2, "not YAML"},
		{base, base + "---\n{}\n", 19, "a second YAML document"},
		{"accounts:", "acounts:", 1, "acounts: the key \"acounts\" is not known; did you mean accounts?"},
		{"    users:", "    user:", 3, "did you mean users?"},
		{"    users:", "    Users:", 3, "did you mean users?"},
		{"      - name: ada", "      - name: ada\n        name: bob", 5, "accounts[0].users[0].name: the key is there twice"},
		{"      - name: ada", "      - name: {ada}", 4, "this is a mapping, not a text; a text that begins with { needs quotes"},
		{"      - name: ada", "      - ada", 4, "this is a text, not a mapping"},
		{"    users:", "    users: &u [*u]\n    x:", 3, "nested more than"},
		{base, strings.Repeat("[", 40) + strings.Repeat("]", 40), 1, "nested more than 32 levels"},
		{base, bomb(), 3, "aliases stand for more than 100000 values"},
		{base, strings.Repeat("#", maxWorldSize+1), 0, "longer than 16777216 bytes"},

		// Accounts.
		{`"111122223333"`, "1111", 2, `"1111" is not an account id; an account id has twelve digits`},
		{`id: "111122223333"`, "alias: abc", 2, "is not an account id"},
		{base, base + "  - id: \"111122223333\"\n", 19, "accounts[1].id: the account 111122223333 is there already, in line 2"},
		{"    users:", "    alias: -x-\n    users:", 3, "is not an account alias"},
		{"    users:", "    alias: ab\n    users:", 3, "is not an account alias"},
		{"    users:", "    alias: \"444455556666\"\n    users:", 3, "is not an account alias"},
		{base, strings.Replace(base, "    users:", "    alias: abc\n    users:", 1) + "  - id: 444455556666\n    alias: abc\n", 21, "the alias abc is there already"},
		{"    users:", "    partition: aws-ch\n    users:", 3, "AWS has no partition \"aws-ch\"; did you mean aws-cn?"},

		// Users.
		{"      - name: ada", "      - path: /x/", 4, "accounts[0].users[0]: the user has no name; give name"},
		{"      - name: ada", "      - name: ada lovelace", 4, `"ada lovelace" is not the name of a user`},
		{"      - name: ada", "      - name: " + strings.Repeat("a", 65), 4, "is not the name of a user"},
		{"    users:", "    policies:\n      - name: p\n        versions: [{id: v0, document: {Statement: []}}]\n    users:", 5, "\"v0\" is not the id of a version"},
		{"    users:", "    policies:\n      - name: p\n        versions: [{id: v01, document: {Statement: []}}]\n    users:", 5, "\"v01\" is not the id of a version"},
		{"    users:", "    policies:\n      - name: p\n        versions: [{id: x1, document: {Statement: []}}]\n    users:", 5, "\"x1\" is not the id of a version"},
		{"    users:", "    policies:\n      - name: p\n        versions: [{id: v1000000001, document: {Statement: []}}]\n    users:", 5, "\"v1000000001\" is not the id of a version"},
		{"      - name: ada", "      - name: ada\n        tags: [{key: a, value: b}, {key: A, value: c}]", 5, "the tag A is there already, in line 5"},
		{"      - name: ada", "      - name: ada\n      - name: ADA", 5, "a user called ADA is there already, in line 4; keep one"},
		{"      - name: ada", "      - name: ada\n        path: staff", 5, `"staff" is not a path; write / or /a/b/`},
		{"      - name: ada", "      - name: ada\n        path: //", 5, "is not a path"},
		{"      - name: ada", "      - name: ada\n        path: /a//b/", 5, "is not a path"},
		{"      - name: ada", "      - name: ada\n        path: /" + strings.Repeat("a", 512) + "/", 5, "is not a path"},
		{"      - name: ada", "      - name: ada\n        id: AROAADAADAADAADAADAAD", 5, "is not a unique id: AIDA"},
		{"      - name: ada", "      - name: ada\n        id: AIDA", 5, "is not a unique id"},
		{"      - name: ada", "      - name: ada\n        id: AIDAADAADAADAADAADAAD\n      - name: bob\n        id: AIDAADAADAADAADAADAAD", 7, "is there already, in line 5"},

		// Access keys.
		{"      - name: ada", "      - name: ada\n        accessKeys: generate", 5, "this is a text, not a list"},
		{"      - name: ada", "      - name: ada\n        accessKeys: [{}, {}, {}]", 5, "3 access keys, and IAM allows 2"},
		{"      - name: ada", "      - name: ada\n        accessKeys:\n        - id: AKIAIOSFODNN7EXAMPLE", 6, "has only half of what it needs; give id and secret"},
		{"      - name: ada", "      - name: ada\n        accessKeys:\n        - secret: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 6, "has only half"},
		{"      - name: ada", "      - name: ada\n        accessKeys:\n        - id: ASIAIOSFODNN7EXAMPLE\n          secret: wJalrXUtnFEMI/K7MDENG", 6, "ASIA begins the keys of sessions"},
		{"      - name: ada", "      - name: ada\n        accessKeys:\n        - id: test\n          secret: wJalrXUtnFEMI/K7MDENG", 6, `"test" is not the id of an access key`},
		{"      - name: ada", "      - name: ada\n        accessKeys:\n        - id: AKIAIOSFODNN7EXAMPLE\n          secret: hunter2", 7, "this is not a secret access key"},
		{"      - name: ada", "      - name: ada\n        accessKeys:\n        - status: active", 6, `"active" is not the status of an access key; did you mean Active?`},
		{"      - name: ada", "      - name: ada\n        accessKeys:\n        - {id: AKIAIOSFODNN7EXAMPLE, secret: wJalrXUtnFEMI/K7MDENG}\n        - {id: AKIAIOSFODNN7EXAMPLE, secret: wJalrXUtnFEMI/K7MDENG}", 7, "the access key AKIAIOSFODNN7EXAMPLE is there already, in line 6"},

		// Roles.
		{"      - name: r", "      - maxSessionDuration: 3600", 6, "the role has no name"},
		{"      - name: r", "      - name: r/s", 6, "is not the name of a role"},
		{"      - name: r\n", "      - name: r\n        maxSessionDuration: 1h\n", 7, `"1h" is not a number; write a whole number`},
		{"      - name: r\n", "      - name: r\n        maxSessionDuration: 60\n", 7, "60 is not how long"},
		{"      - name: r\n", "      - name: R\n        trustPolicy: '{}'\n      - name: r\n", 8, "a role called r is there already, in line 6"},
		{"        trustPolicy:", "        x:", 6, "accounts[0].roles[0].trustPolicy: the role has no trust policy; say who may assume the role: trustPolicy, or serviceAccounts"},
		{"        trustPolicy:", "        serviceAccounts: []\n        x:", 6, "the role has no trust policy"},
		{"        trustPolicy:", "        serviceAccounts: payments/api\n        trustPolicy:", 7, "serviceAccounts: this is a text, not a list"},
		{"        trustPolicy:", "        serviceAccounts:\n          - {cluster: dev, namespace: payments}\n        trustPolicy:", 8, "serviceAccounts[0]: the service account has no name; give name"},
		{"        trustPolicy:", "        serviceAccounts:\n          - {cluster: dev, name: api}\n        trustPolicy:", 8, "has no namespace; give namespace"},
		{"        trustPolicy:", "        serviceAccounts:\n          - {namespace: payments, name: api}\n        trustPolicy:", 8, "has no cluster; give cluster"},
		{"        trustPolicy:", "        serviceAccounts:\n          - {cluster: dev, namespace: Payments, name: api}\n        trustPolicy:", 8, `serviceAccounts[0].namespace: "Payments" is not a namespace`},
		{"        trustPolicy:", "        serviceAccounts:\n          - {cluster: dev, namespace: a.b, name: api}\n        trustPolicy:", 8, `"a.b" is not a namespace`},
		{"        trustPolicy:", "        serviceAccounts:\n          - {cluster: dev, namespace: " + strings.Repeat("n", 64) + ", name: api}\n        trustPolicy:", 8, "is not a namespace"},
		{"        trustPolicy:", "        serviceAccounts:\n          - {cluster: dev, namespace: payments, name: \"*\"}\n        trustPolicy:", 8, `"*" is not the name of a service account; patterns need a trustPolicy with StringLike`},
		{"        trustPolicy:", "        serviceAccounts:\n          - {cluster: dev, namespace: payments, name: a..b}\n        trustPolicy:", 8, "is not the name of a service account"},
		{"        trustPolicy:", "        serviceAccounts:\n          - {cluster: devv, namespace: payments, name: api}\n        trustPolicy:", 8, `the account 111122223333 has no cluster "devv"; did you mean dev?`},
		{"        trustPolicy:", "        serviceAccounts:\n          - {cluster: \"arn:aws:eks:us-east-1:444455556666:cluster/dev\", namespace: payments, name: api}\n        trustPolicy:", 8, "only clusters of the role's own account"},
		{base, strings.Replace(base, "        trustPolicy:", "        serviceAccounts:\n          - {cluster: dev, namespace: payments, name: api}\n        trustPolicy:", 1) + "      - name: dev\n        region: us-west-2\n", 8, `2 clusters of the account 111122223333 are called "dev"; name one by its ARN`},
		{"        trustPolicy:", "        trustPolicy: []\n        x:", 7, "this is a list, not a policy"},
		{"            - Effect: Allow", "            - Effect: Alow", 10, "accounts[0].roles[0].trustPolicy.Statement[0].Effect: must be Allow or Deny"},
		{"            - Effect: Allow", "            - effect: Allow", 10, "names are case-sensitive: Effect"},
		{`{AWS: "*"}`, `{AWS: "arn:aws:iam::1:root"}`, 11, "Statement[0].Principal.AWS: invalid principal in policy"},
		{"Action: sts:AssumeRole", "Action:\n              - sts:AssumeRole\n              - s3:GetObject", 14, "Statement[0].Action[1]: action \"s3:GetObject\""},
		{"Action: sts:AssumeRole", "Action: sts:AssumeRole\n              Action: sts:TagSession", 13, "duplicate name"},
		{"Action: sts:AssumeRole", "Action: sts:AssumeRole\n              Condition:\n                StringLikes: {\"aws:x\": y}", 14, "StringLikes"},
		{"Action: sts:AssumeRole", "Action: sts:AssumeRole\n              [x]: y", 13, "a key is not a text"},
		{"        trustPolicy:", "        trustPolicy: |\n          {\"Version\": \"2012-10-17\",\n           \"Statement\": [],\n          }\n        x:", 10, "not JSON"},
		{"        trustPolicy:", "        trustPolicy: |\n          {\"Version\": \"2012-10-17\",\n           \"Statement\": []\n          }\n        x:", 9, "must be a statement"},
		{"        trustPolicy:", "        trustPolicy: '{}'\n        x:", 7, "missing required field Statement"},

		// Identity providers.
		{"    users:", "    oidcProviders: {url: https://x}\n    users:", 3, "this is a mapping, not a list"},
		{"    users:", "    oidcProviders:\n      - clientIds: [a]\n    users:", 4, "oidcProviders[0]: the identity provider has no URL"},
		{"    users:", "    oidcProviders:\n      - {url: http://x, clientIds: [a]}\n    users:", 4, `"http://x" is not an https URL; such as https://oidc.example.com/id/1`},
		{"    users:", "    oidcProviders:\n      - {url: x.example.com, clientIds: [a]}\n    users:", 4, "is not an https URL"},
		{"    users:", "    oidcProviders:\n      - {url: \"https://x/?a=b\", clientIds: [a]}\n    users:", 4, "is not an https URL"},
		{"    users:", "    oidcProviders:\n      - {url: \"https://x/?\", clientIds: [a]}\n    users:", 4, "has a query, a fragment or a character"},
		{"    users:", "    oidcProviders:\n      - {url: \"HTTPS://x\", clientIds: [a]}\n    users:", 4, "does not begin with https:// and a host"},
		{"    users:", "    oidcProviders:\n      - {url: \"https://:443/\", clientIds: [a]}\n    users:", 4, "does not begin with https:// and a host"},
		{"    users:", "    oidcProviders:\n      - {url: \"https://x/*\", clientIds: [a]}\n    users:", 4, "a character that has no place there"},
		{"    users:", "    oidcProviders:\n      - {url: https://x/" + strings.Repeat("a", 246) + ", clientIds: [a]}\n    users:", 4, "at most 255 characters"},
		{"    users:", "    oidcProviders:\n      - {url: https://x, clientIds: [a, a]}\n    users:", 4, `clientIds[1]: the client id "a" is there already`},
		{"    users:", "    oidcProviders:\n      - {url: https://x, clientIds: [\"\"]}\n    users:", 4, "a client id has 1 to 255 characters"},
		{"    users:", "    oidcProviders:\n      - {url: https://x, clientIds: [" + strings.Repeat("a", 256) + "]}\n    users:", 4, "a client id has 1 to 255 characters"},
		{"    users:", "    oidcProviders:\n      - {url: https://x, clientIds: [" + numbers(101) + "]}\n    users:", 4, "101 client ids, and IAM allows 100"},
		{"    users:", "    oidcProviders:\n      - {url: https://x, clientIds: [a]}\n      - {url: https://x, clientIds: [b]}\n    users:", 5, "the identity provider https://x is there already, in line 4"},
		{"    users:", "    oidcProviders:\n      - {url: https://x, clientIds: [a], thumbprints: [abc]}\n    users:", 4, `"abc" is not a thumbprint`},
		{"    users:", "    oidcProviders:\n      - {url: https://x, clientIds: [a], thumbprints: [1, 2, 3, 4, 5, 6]}\n    users:", 4, "6 thumbprints, and IAM allows 5"},

		// Clusters.
		{"region: us-east-1", "region: us-east-1\n        oidcProvider: maybe", 16, `oidcProvider: "maybe" is neither true nor false`},
		{"region: us-east-1", "region: us-east-1\n        oidcProvider: [true]", 16, "this is a list, not true or false"},
		{"region: us-east-1", "region: us-east-1\n        oidcIssuer: https://x/" + strings.Repeat("a", 246), 16, "at most 255 characters"},
		{"      - name: dev\n", "      - version: x\n", 14, "the cluster has no name"},
		{"      - name: dev\n", "      - name: dev.x\n", 14, `"dev.x" is not the name of a cluster`},
		{"        region: us-east-1\n", "", 14, "the cluster has no region"},
		{"region: us-east-1", "region: east", 15, `"east" is not a region of AWS`},
		{"region: us-east-1", "region: cn-north-1", 15, "is a region of the partition aws-cn, and the account is of aws"},
		{"region: us-east-1", "region: us-east-1\n        version: latest", 16, "is not a version of Kubernetes"},
		{"region: us-east-1", "region: us-east-1\n        endpoint: http://x", 16, `"http://x" is not an https URL`},
		{"region: us-east-1", "region: us-east-1\n        oidcIssuer: oidc.eks.example", 16, "is not an https URL"},
		{"region: us-east-1", "region: us-east-1\n        certificateAuthority: x", 16, "neither PEM nor base64"},
		{"region: us-east-1", "region: us-east-1\n        certificateAuthority: aGVsbG8=", 16, "not a PEM certificate"},
		{"region: us-east-1", "region: us-east-1\n        certificateAuthority: \"-----BEGIN CERTIFICATE-----\\naGVsbG8=\\n-----END CERTIFICATE-----\"", 16, "a certificate cannot be read"},
		{"region: us-east-1", "region: us-east-1\n        authenticationMode: API_AND_CONFIGMAP", 16, "did you mean API_AND_CONFIG_MAP?"},
		{"      - name: dev\n", "      - name: dev\n        region: us-east-1\n      - name: dev\n", 16, "a cluster called dev in us-east-1 is there already, in line 14"},

		// Mappings.
		{"        mapUsers:", "        mapUsers: |\n          - x\n        x:", 16, "this is a text, not a list; remove the | after the key"},
		{"userarn: ", "userARN: ", 17, "did you mean userarn?"},
		{"            username: ada", "            username: ada\n            group: x", 19, "did you mean groups?"},
		{"userarn: arn:aws:iam::111122223333:user/ada", "userarn: ada", 17, "accounts[0].clusters[0].mapUsers[0]: \"ada\" does not begin with \"arn:\"; write it as"},
		{"username: ada", "username: \"{{SessionNam}}\"", 17, "is not a template; did you mean SessionName?"},
		{"        mapUsers:", "        mapAccounts: [1111]\n        mapUsers:", 16, "mapAccounts[0]: \"1111\" is not an account id"},
		{"        mapUsers:", "        mapRoles:\n          - username: x\n        mapUsers:", 17, "mapRoles[0]: the entry does not say whom it is for"},
	} {
		doc := strings.Replace(base, tc.old, tc.new, 1)
		if doc == base {
			t.Errorf("%q is not in the world", tc.old)
			continue
		}
		_, err := ParseWorld("w.yaml", []byte(doc))
		var fault *WorldError
		if !errors.As(err, &fault) {
			t.Errorf("with %.80q: %v, want a fault with %q", tc.new, err, tc.want)
			continue
		}
		want := "line " + fmt.Sprint(tc.line) + ": "
		if tc.line == 0 {
			want = "w.yaml: "
		}
		found := false
		for line := range strings.Lines(err.Error()) {
			found = found || strings.Contains(line, want) && strings.Contains(line, tc.want)
		}
		if !found {
			t.Errorf("with %.80q:\n%v\nwant %q and %q", tc.new, err, want, tc.want)
		}
	}
}

// numbers is a list of n different ones.
func numbers(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprint(i))
	}
	return strings.Join(list, ", ")
}

// bomb is ten billion values in ten lines.
func bomb() string {
	var b strings.Builder
	b.WriteString("accounts:\n- &a0 x\n")
	for i := 1; i <= 10; i++ {
		fmt.Fprintf(&b, "- &a%d [%s]\n", i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	return b.String()
}
