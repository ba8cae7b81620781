package server_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/sigv4"
)

// send is one request of the administrator's, who may do it.
func send(t testing.TB, s *localtest.Service, service, method, target, contentType, body string) string {
	t.Helper()
	r, err := http.NewRequest(method, s.URL+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(body)), localtest.CredentialsOf(t, s.Store, administratorARN), localtest.Region, service, time.Now()); err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s %s: %d %v %s", method, target, body, response.StatusCode, err, text)
	}
	return string(text)
}

// iamCall sends an action with parameters, as pairs.
func iamCall(t testing.TB, s *localtest.Service, action string, params ...string) string {
	t.Helper()
	form := url.Values{"Action": {action}, "Version": {"2010-05-08"}}
	for i := 0; i+1 < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	return send(t, s, "iam", http.MethodPost, "/", "application/x-www-form-urlencoded", form.Encode())
}

func eksCall(t testing.TB, s *localtest.Service, method, target, body string) string {
	t.Helper()
	return send(t, s, "eks", method, target, "application/json", body)
}

// exported says that what the store has can be written down, is read again, and is
// the same in a new store and in this one.
func exported(t testing.TB, s *localtest.Service) {
	t.Helper()
	mustBeTheSameIn(t, s.Store, localtest.Open(t, t.TempDir()))
	mustBeTheSameIn(t, s.Store, s.Store)
}

func mustBeTheSameIn(t testing.TB, from, to *awslocal.Store) {
	t.Helper()
	text, err := localtest.World(t, from).YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := awslocal.ParseWorld("world.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	localtest.Apply(t, to, again)
	second, err := localtest.World(t, to).YAML()
	if err != nil || string(second) != string(text) {
		t.Fatalf("%v\n%s\nwas\n%s", err, second, text)
	}
}

const (
	trustAccount = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}}`
	seeClusters  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"*"}}`
)

// What a policy may have in JSON is the same after a world was written and read.
func TestExportPolicies(t *testing.T) {
	t.Parallel()
	const before, behind = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:*","Resource":"*","Condition":`, `}}`
	for name, document := range map[string]string{
		"booleans":             before + `{"Bool":{"aws:SecureTransport":true},"Null":{"aws:userid":[false]}}` + behind,
		"numbers":              before + `{"NumericLessThan":{"aws:MultiFactorAuthAge":3600}}` + behind,
		"a tab and lines":      before + `{"StringEquals":{"aws:PrincipalTag/x":"\ta\nb"}}` + behind,
		"a key of a tab":       before + `{"StringEquals":{"\ta\nb:x":"y"}}` + behind,
		"characters of YAML's": before + `{"StringEquals":{"aws:PrincipalTag/x":"\ufffe\uffff\ufeff\u007f\u0080\u0085\u2028\u0000"}}` + behind,
		"indented with tabs":   "\t{\n\t\t\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"eks:*\", \"Resource\": \"*\"}\n\t}\n",
		"a pair of surrogates": "\t{\r\n\t\t" + strings.TrimPrefix(before, "{") + `{"StringEquals":{"aws:PrincipalTag/x":"\ud83d\ude00"}}` + behind + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := localtest.ServeDefault(t)
			iamCall(t, s, "CreatePolicy", "PolicyName", "p", "PolicyDocument", document)
			exported(t, s)
		})
	}
}

// Texts of which an API says nothing but their length are the same as well.
func TestExportTexts(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	const text = "\tof\n\ttwo lines\n"
	iamCall(t, s, "CreateRole", "RoleName", "r", "AssumeRolePolicyDocument", trustAccount, "Description", text)
	iamCall(t, s, "CreatePolicy", "PolicyName", "p", "PolicyDocument", seeClusters, "Description", text)
	iamCall(t, s, "CreateOpenIDConnectProvider", "Url", "https://oidc.example.com", "ClientIDList.member.1", text)
	eksCall(t, s, "POST", "/clusters/dev/update-config", `{"accessConfig":{"authenticationMode":"API"}}`)
	eksCall(t, s, "POST", "/clusters/dev/access-entries", `{"principalArn":"`+localtest.AdaARN+`","kubernetesGroups":["\ta\nb"],"username":"\ta\nb"}`)
	exported(t, s)
	if got := localtest.World(t, s.Store).Accounts[0].Policies[0].Description; got != text {
		t.Errorf("%q became %q", text, got)
	}
}

// Names may be as long as IAM has them.
func TestExportLongNames(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	long := strings.Repeat("x", 128)
	iamCall(t, s, "CreateGroup", "GroupName", long)
	iamCall(t, s, "CreatePolicy", "PolicyName", long, "PolicyDocument", seeClusters)
	iamCall(t, s, "AttachGroupPolicy", "GroupName", long, "PolicyArn", "arn:aws:iam::111122223333:policy/"+long)
	iamCall(t, s, "CreateUser", "UserName", long[:64])
	iamCall(t, s, "AddUserToGroup", "UserName", long[:64], "GroupName", long)
	iamCall(t, s, "CreateRole", "RoleName", long[:64], "AssumeRolePolicyDocument", trustAccount)
	exported(t, s)
}

// IAM does not look at the case of a tag's key, and EKS does.
func TestExportTags(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	iamCall(t, s, "TagUser", "UserName", "ada.lovelace", "Tags.member.1.Key", "i", "Tags.member.1.Value", "1",
		"Tags.member.2.Key", "\u0130", "Tags.member.2.Value", "2", "Tags.member.3.Key", "\u212a", "Tags.member.3.Value", "3", "Tags.member.4.Key", "k", "Tags.member.4.Value", "4")
	eksCall(t, s, "POST", "/tags/"+url.PathEscape("arn:aws:eks:us-east-1:111122223333:cluster/dev"), `{"tags":{"Name":"1","name":"2"}}`)
	eksCall(t, s, "POST", "/clusters/dev/update-config", `{"accessConfig":{"authenticationMode":"API"}}`)
	eksCall(t, s, "POST", "/clusters/dev/access-entries", `{"principalArn":"`+localtest.AdaARN+`","tags":{"a":"","A":""}}`)
	eksCall(t, s, "POST", "/clusters/dev/pod-identity-associations", `{"namespace":"a","serviceAccount":"b","roleArn":"`+localtest.RoleARN+`","tags":{"a":"","A":""}}`)
	exported(t, s)
}

// The length of a client id is counted in characters.
func TestExportClientIDs(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	iamCall(t, s, "CreateOpenIDConnectProvider", "Url", "https://oidc.example.com", "ClientIDList.member.1", strings.Repeat("\u00e9", 255))
	exported(t, s)
}

// No id of a version is given twice, in whatever order a world has them, nor after
// the world was applied again.
func TestExportVersions(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	localtest.Apply(t, s.Store, localtest.Parse(t, `accounts:
  - id: "111122223333"
    policies:
      - name: p
        versions:
          - {id: v2, document: {Statement: {Effect: Allow, Action: "eks:*", Resource: "*"}}}
          - {id: v1, document: {Statement: {Effect: Allow, Action: "eks:*", Resource: "*"}}}
        defaultVersion: v2
`))
	const p = "arn:aws:iam::111122223333:policy/p"
	for _, id := range []string{"v3", "v4"} {
		if body := iamCall(t, s, "CreatePolicyVersion", "PolicyArn", p, "PolicyDocument", seeClusters); !strings.Contains(body, "<VersionId>"+id+"<") {
			t.Errorf("%s is not %s", body, id)
		}
		exported(t, s)
		iamCall(t, s, "DeletePolicyVersion", "PolicyArn", p, "VersionId", id)
		exported(t, s)
	}
}

// An administrator who was deleted or has another name does not come back with all
// rights when the world is applied.
func TestExportNoAdministrator(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	iamCall(t, s, "UpdateUser", "UserName", "administrator", "NewUserName", "grace")
	exported(t, s)
	if users, err := s.Store.Users(); err != nil || slices.ContainsFunc(users, func(p arn.Principal) bool { return p.Name == "administrator" }) {
		t.Errorf("%v %v", users, err)
	}
}
