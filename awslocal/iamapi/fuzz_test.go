package iamapi_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awslocal/server"
	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/sigv4"
)

// FuzzServeHTTP: whatever an administrator asks is answered, and never by a fault
// of ours; and the world that it leaves can be written down and read again.
func FuzzServeHTTP(f *testing.F) {
	for _, seed := range []string{
		"Action=CreateUser&Version=2010-05-08&UserName=grace",
		"Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument=" + trustAda,
		"Action=PutRolePolicy&Version=2010-05-08&RoleName=awesome.role&PolicyName=p&PolicyDocument=" + seeClusters,
		"Action=CreatePolicy&Version=2010-05-08&PolicyName=p&PolicyDocument=" + seeClusters + "&Tags.member.1.Key=a&Tags.member.1.Value=b",
		"Action=AttachRolePolicy&Version=2010-05-08&RoleName=awesome.role&PolicyArn=arn:aws:iam::aws:policy/AdministratorAccess",
		"Action=AttachRolePolicy&Version=2010-05-08&RoleName=awesome.role&PolicyArn=arn:aws-cn:iam::aws:policy/AdministratorAccess",
		"Action=PutUserPermissionsBoundary&Version=2010-05-08&UserName=ada.lovelace&PermissionsBoundary=arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy",
		"Action=PutGroupPolicy&Version=2010-05-08&GroupName=g&PolicyName=p&PolicyDocument=" + seeClusters,
		"Action=TagRole&Version=2010-05-08&RoleName=awesome.role&Tags.member.1.Key=a&Tags.member.1.Value=b",
		"Action=UpdateRole&Version=2010-05-08&RoleName=awesome.role&MaxSessionDuration=7200&Description=d",
		"Action=UpdateAssumeRolePolicy&Version=2010-05-08&RoleName=awesome.role&PolicyDocument=" + trustAda,
		"Action=CreateAccessKey&Version=2010-05-08&UserName=ada.lovelace",
		"Action=UpdateUser&Version=2010-05-08&UserName=ada.lovelace&NewUserName=ada&NewPath=/e/",
		"Action=CreateOpenIDConnectProvider&Version=2010-05-08&Url=https://oidc.example.com/1&ClientIDList.member.1=a",
		"Action=CreateOpenIDConnectProvider&Version=2010-05-08&Url=https://oidc.example.com/2",
		"Action=SimulatePrincipalPolicy&Version=2010-05-08&PolicySourceArn=" + localtest.AdaARN + "&ActionNames.member.1=eks:DescribeCluster&ContextEntries.member.1.ContextKeyName=aws:a&ContextEntries.member.1.ContextKeyValues.member.1=b",
		"Action=ListUsers&Version=2010-05-08&MaxItems=1&Marker=YQ",
		"Action=GetPolicy&Version=2010-05-08&PolicyArn=arn:aws:iam::111122223333:policy",
	} {
		f.Add(seed)
	}
	store := localtest.Open(f, f.TempDir())
	f.Fuzz(func(t *testing.T, form string) {
		w, err := awslocal.DefaultWorld()
		if err != nil {
			t.Fatal(err)
		}
		localtest.Apply(t, store, w)
		r := httptest.NewRequest(http.MethodPost, "http://localhost/", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(form)), localtest.CredentialsOf(t, store, administrator), localtest.Region, "iam", time.Now()); err != nil {
			t.Skip(err)
		}
		recorder := httptest.NewRecorder()
		server.New(server.Config{Store: store, Now: time.Now, Log: slog.New(slog.DiscardHandler)}).ServeHTTP(recorder, r)
		if recorder.Code >= 500 {
			t.Errorf("%d %s", recorder.Code, recorder.Body)
		}
		text, err := localtest.World(t, store).YAML()
		if err != nil {
			t.Fatal(err)
		}
		localtest.Parse(t, string(text))
	})
}
