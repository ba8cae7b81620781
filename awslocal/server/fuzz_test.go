package server_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awslocal/server"
	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/sigv4"
)

// choices makes requests of a fuzzer's bytes: well-formed ones for the most part,
// so that they get past the first check, and of things that other requests made.
type choices struct {
	bytes []byte
	ids   []string // of access keys and of associations, as the APIs gave them
}

var ids = regexp.MustCompile(`AKIA[A-Z0-9]{16}|\ba-[a-z0-9]{17}\b`)

func (c *choices) next() byte {
	if len(c.bytes) == 0 {
		return 0
	}
	b := c.bytes[0]
	c.bytes = c.bytes[1:]
	return b
}

// of is one of a list, which every sixteenth time has a stranger's byte in it.
func (c *choices) of(list ...string) string {
	b := c.next()
	s := list[int(b)%len(list)]
	if b>>4 != 15 {
		return s
	}
	at, odd := int(c.next())%(len(s)+1), []string{"\x10", "é", " ", "*", "?", ":", "/", "//", "A", "%", "$", "\n", "\u0085", "\ufffd", "-", "@", "{{SessionName}}", "\""}
	return s[:at] + odd[int(c.next())%len(odd)] + s[at+int(c.next())%(len(s)-at+1):]
}

func (c *choices) user() string   { return c.of("ada.lovelace", "Ada.Lovelace", "grace", "u1") }
func (c *choices) role() string   { return c.of("awesome.role", "Awesome.Role", "r1", "r2") }
func (c *choices) group() string  { return c.of("g1", "G1", "g2", strings.Repeat("g", 128)) }
func (c *choices) policy() string { return c.of("p1", "P1", "p2", strings.Repeat("p", 128)) }
func (c *choices) path() string   { return c.of("/", "/a/", "/a/b/", "/A/") }

func (c *choices) policyARN() string {
	return c.of("arn:aws:iam::111122223333:policy/p1", "arn:aws:iam::111122223333:policy/a/p1", "arn:aws:iam::111122223333:policy/P1",
		"arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy", "arn:aws-cn:iam::aws:policy/IAMFullAccess",
		"arn:aws:iam::444455556666:policy/p1")
}

func (c *choices) principal() string {
	return c.of(localtest.AdaARN, localtest.RoleARN, "arn:aws:iam::111122223333:role/r1", "arn:aws:iam::111122223333:role/a/r1", "arn:aws:iam::111122223333:user/grace",
		"arn:aws:iam::444455556666:role/r1", "arn:aws-cn:iam::111122223333:role/r1", "arn:aws:iam::111122223333:root", "arn:aws:sts::111122223333:assumed-role/r1/s",
		"arn:aws:sts::111122223333:federated-user/bob")
}

func (c *choices) issuer() string {
	return c.of("https://oidc.example.com/1", "https://oidc.example.com", "https://OIDC.example.com/1", "https://oidc.example.com/1/", "https://oidc.example.com:8443/1")
}

func (c *choices) provider() string {
	return strings.Replace(c.issuer(), "https://", "arn:aws:iam::111122223333:oidc-provider/", 1)
}

func (c *choices) region() string {
	if c.next()%4 == 0 {
		return "eu-west-1"
	}
	return localtest.Region
}

func (c *choices) cluster() string { return c.of("dev", "c1", "Dev", "c-2") }

func (c *choices) trust() string {
	return c.of(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"`+c.principal()+`"},"Action":"sts:AssumeRole"}}`,
		`{"Version":"2012-10-17","Statement":[]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"`+c.provider()+`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.example.com/1:sub":"system:serviceaccount:a:b"}}}]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`)
}

func (c *choices) document() string {
	return c.of(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:*","Resource":"*"}}`, `{"Statement":[]}`, `{}`, ``, c.trust(),
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true},"NumericLessThan":{"aws:MultiFactorAuthAge":3600},"StringEquals":{"aws:PrincipalTag/x":"`+c.of(`\ta\nb`, `\u007f`, `\ufffe`, `\r\n`, `\ud83d\ude00`, `\u0000`)+`"}}}}`,
		`{"Version":"2008-10-17","Statement":[{"Sid":"a","Effect":"Deny","NotAction":["iam:Get*"],"NotResource":"arn:aws:iam::111122223333:user/${aws:username}"}]}`)
}

// form is a request of IAM.
func (c *choices) form() url.Values {
	form := url.Values{"Version": {"2010-05-08"}}
	set := func(key, value string) { form.Set(key, value) }
	kind, name := "Role", c.role
	switch c.next() % 3 {
	case 1:
		kind, name = "User", c.user
	case 2:
		kind, name = "Group", c.group
	}
	maybe := func(key, value string) {
		if c.next()%3 == 0 {
			set(key, value)
		}
	}
	tags := func() {
		for i := range c.next() % 3 {
			set(fmt.Sprintf("Tags.member.%d.Key", i+1), c.of("a", "A", "b", "aws:c", "i", "\u0130", "\u212a", "k"))
			set(fmt.Sprintf("Tags.member.%d.Value", i+1), c.of("1", "", "two"))
		}
	}
	switch c.next() % 26 {
	case 0:
		set("Action", "Create"+kind)
		set(kind+"Name", name())
		maybe("Path", c.path())
		maybe("PermissionsBoundary", c.policyARN())
		maybe("MaxSessionDuration", c.of("3600", "43200", "43201", "900"))
		maybe("Description", c.of("d", "two\nlines", "# x", ": y", "\ttab\nlines", "\r\n"))
		set("AssumeRolePolicyDocument", c.trust())
		tags()
	case 1:
		set("Action", "Delete"+kind)
		set(kind+"Name", name())
	case 2:
		set("Action", "Update"+kind)
		set(kind+"Name", name())
		maybe("NewPath", c.path())
		maybe("New"+kind+"Name", name())
		maybe("MaxSessionDuration", c.of("3600", "43200"))
		maybe("Description", c.of("d", ""))
	case 3:
		set("Action", "UpdateAssumeRolePolicy")
		set("RoleName", c.role())
		set("PolicyDocument", c.trust())
	case 4, 5:
		set("Action", c.of("AddUserToGroup", "RemoveUserFromGroup"))
		set("UserName", c.user())
		set("GroupName", c.group())
	case 6:
		set("Action", c.of("CreateAccessKey", "ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey"))
		set("UserName", c.user())
		set("AccessKeyId", c.of(append(c.ids, "AKIAIOSFODNN7EXAMPLE")...))
		set("Status", c.of("Inactive", "Active"))
	case 7, 8:
		set("Action", "CreatePolicy")
		set("PolicyName", c.policy())
		maybe("Path", c.path())
		maybe("Description", c.of("d", "\td", "\td\n\td", "\u2028"))
		set("PolicyDocument", c.document())
		tags()
	case 9:
		set("Action", c.of("DeletePolicy", "TagPolicy"))
		set("PolicyArn", c.policyARN())
		tags()
	case 10:
		set("Action", "CreatePolicyVersion")
		set("PolicyArn", c.policyARN())
		set("PolicyDocument", c.document())
		maybe("SetAsDefault", c.of("true", "false"))
	case 11:
		set("Action", c.of("DeletePolicyVersion", "SetDefaultPolicyVersion"))
		set("PolicyArn", c.policyARN())
		set("VersionId", c.of("v1", "v2", "v3"))
	case 12, 13:
		set("Action", "Put"+kind+"Policy")
		set(kind+"Name", name())
		set("PolicyName", c.policy())
		set("PolicyDocument", c.document())
	case 14:
		set("Action", "Delete"+kind+"Policy")
		set(kind+"Name", name())
		set("PolicyName", c.policy())
	case 15, 16:
		set("Action", "Attach"+kind+"Policy")
		set(kind+"Name", name())
		set("PolicyArn", c.policyARN())
	case 17:
		set("Action", "Detach"+kind+"Policy")
		set(kind+"Name", name())
		set("PolicyArn", c.policyARN())
	case 18:
		set("Action", c.of("Put", "Put", "Delete")+kind+"PermissionsBoundary")
		set(kind+"Name", name())
		set("PermissionsBoundary", c.policyARN())
	case 19:
		set("Action", c.of("Tag", "Untag")+kind)
		set(kind+"Name", name())
		set("TagKeys.member.1", c.of("a", "A", "b"))
		tags()
	case 20, 21:
		set("Action", "CreateOpenIDConnectProvider")
		set("Url", c.issuer())
		maybe("ClientIDList.member.1", c.of("sts.amazonaws.com", "a", "A"))
		maybe("ClientIDList.member.2", c.of("sts.amazonaws.com", "a", "b", "\ta\nb", strings.Repeat("\u00e9", 255)))
		maybe("ThumbprintList.member.1", c.of("0123456789012345678901234567890123456789", "ABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCD"))
		tags()
	case 22:
		set("Action", c.of("AddClientIDToOpenIDConnectProvider", "RemoveClientIDFromOpenIDConnectProvider"))
		set("OpenIDConnectProviderArn", c.provider())
		set("ClientID", c.of("sts.amazonaws.com", "a", "A", "b"))
	case 23:
		set("Action", c.of("UpdateOpenIDConnectProviderThumbprint", "DeleteOpenIDConnectProvider"))
		set("OpenIDConnectProviderArn", c.provider())
		set("ThumbprintList.member.1", c.of("0123456789012345678901234567890123456789", "ABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCD"))
	case 24:
		set("Action", c.of("CreateAccountAlias", "DeleteAccountAlias"))
		set("AccountAlias", c.of("alias", "my-alias", "Alias", "111122223333"))
	case 25:
		set("Action", c.of("TagOpenIDConnectProvider", "UntagOpenIDConnectProvider"))
		set("OpenIDConnectProviderArn", c.provider())
		set("TagKeys.member.1", c.of("a", "A", "b"))
		tags()
	}
	return form
}

// path and body are a request of EKS.
func (c *choices) eks() (method, path, body string) {
	cluster := "/clusters/" + url.PathEscape(c.cluster())
	entry := cluster + "/access-entries/" + url.PathEscape(c.principal())
	switch c.next() % 12 {
	case 0, 1:
		return "POST", "/clusters", fmt.Sprintf(`{"name":%q,"version":%q,"roleArn":%q,"resourcesVpcConfig":{"subnetIds":["subnet-1"]},"tags":{%q:%q},"accessConfig":{"authenticationMode":%q,"bootstrapClusterCreatorAdminPermissions":%s}}`,
			c.cluster(), c.of("1.33", "1.3", "v1.33"), c.principal(), c.of("a", "A"), c.of("1", ""), c.of("API", "CONFIG_MAP", "API_AND_CONFIG_MAP", "api"), c.of("true", "false"))
	case 2:
		return "DELETE", cluster, ""
	case 3:
		return "POST", cluster + "/update-config", fmt.Sprintf(`{"accessConfig":{"authenticationMode":%q}}`, c.of("API", "CONFIG_MAP", "API_AND_CONFIG_MAP"))
	case 4, 5:
		return "POST", cluster + "/access-entries", fmt.Sprintf(`{"principalArn":%q,"kubernetesGroups":[%q,%q],"username":%q,"type":%q,"tags":{%q:%q}}`,
			c.principal(), c.of("a", "g:1", "system:masters", "\ta\nb"), c.of("b", "a"), c.of("ada", "", "u:{{SessionName}}", "system:node:x"),
			c.of("STANDARD", "EC2_LINUX", "FARGATE_LINUX", "EC2_WINDOWS", "EC2", "HYBRID_LINUX"), c.of("a", "A"), c.of("1", ""))
	case 6:
		return "POST", entry, fmt.Sprintf(`{"kubernetesGroups":[%q],"username":%q}`, c.of("a", "g"), c.of("ada", "", "u:{{SessionName}}"))
	case 7:
		return "POST", entry + "/access-policies", fmt.Sprintf(`{"policyArn":%q,"accessScope":{"type":%q,"namespaces":[%q]}}`,
			c.of("arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy", "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy", "arn:aws-cn:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"),
			c.of("namespace", "cluster"), c.of("a", "a*", "A", "kube-system"))
	case 8:
		return "DELETE", entry, ""
	case 9:
		return "POST", cluster + "/pod-identity-associations/" + url.PathEscape(c.of(append(c.ids, "a-12345678901234567")...)), fmt.Sprintf(`{"roleArn":%q}`, c.principal())
	case 10:
		return []string{"POST", "DELETE"}[c.next()%2], "/tags/" + url.PathEscape(c.of("arn:aws:eks:us-east-1:111122223333:cluster/dev", "arn:aws:eks:eu-west-1:111122223333:cluster/c1")) + "?tagKeys=a", fmt.Sprintf(`{"tags":{%q:%q}}`, c.of("a", "A", "b"), c.of("1", ""))
	}
	return "POST", cluster + "/pod-identity-associations", fmt.Sprintf(`{"namespace":%q,"serviceAccount":%q,"roleArn":%q,"tags":{%q:%q}}`,
		c.of("a", "b", "A"), c.of("b", "a.b"), c.principal(), c.of("a", "A"), c.of("1", ""))
}

// FuzzSequences: whatever an administrator does, one thing after another, is
// answered, never by a fault of ours; and the world that it leaves can be written
// down, read again, and is the same then.
func FuzzSequences(f *testing.F) {
	for seed := range 16 {
		text := make([]byte, 512)
		rand.NewChaCha8([32]byte{byte(seed)}).Read(text)
		f.Add(text)
	}
	store := localtest.Open(f, f.TempDir())
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := awslocal.DefaultWorld()
		if err != nil {
			t.Fatal(err)
		}
		localtest.Apply(t, store, w)
		handler := server.New(server.Config{Store: store, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		var done strings.Builder
		defer func() {
			if t.Failed() {
				t.Log(done.String())
			}
		}()
		for c := (&choices{bytes: data}); len(c.bytes) > 0 && done.Len() < 20_000; {
			service, method, target, body := "iam", http.MethodPost, "/", ""
			contentType := "application/x-www-form-urlencoded"
			if c.next()%3 == 0 {
				service, contentType = "eks", "application/json"
				method, target, body = c.eks()
			} else {
				body = c.form().Encode()
			}
			r := httptest.NewRequest(method, "http://localhost"+target, strings.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(body)), localtest.CredentialsOf(t, store, administratorARN), c.region(), service, time.Now()); err != nil {
				t.Fatal(err)
			}
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, r)
			c.ids = append(c.ids, ids.FindAllString(recorder.Body.String(), -1)...)
			fmt.Fprintf(&done, "%s %s %s\n%d\n", method, target, body, recorder.Code)
			if recorder.Code >= 500 {
				t.Fatal(recorder.Body)
			}
		}
		mustBeTheSameIn(t, store, store)
	})
}
