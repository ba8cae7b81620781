package server_test

import (
	"encoding/xml"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awslocal/server"
	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/token"
)

func TestUnknownServicesAreRefusedInTheirOwnShape(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	ada := localtest.CredentialsOf(t, s.Store, "arn:aws:iam::111122223333:user/administrator")
	const form = "application/x-www-form-urlencoded; charset=utf-8"
	for _, tc := range []struct {
		service, method, path, contentType, body string
		status                                   int
		code                                     string // XML path or header
		root                                     string // of the XML; "" for JSON
	}{
		{"s3", "GET", "/bucket/key", "", "", 501, "NotImplemented", "Error"},
		{"s3", "GET", "/", "", "", 501, "NotImplemented", "Error"},
		{"ec2", "POST", "/", form, "Action=DescribeInstances&Version=2016-11-15", 400, "InvalidAction", "Response"},
		{"sns", "POST", "/", form, "Action=ListTopics&Version=2010-03-31", 400, "InvalidAction", "ErrorResponse"},
		{"sns", "GET", "/?Action=ListTopics&Version=2010-03-31", "", "", 400, "InvalidAction", "ErrorResponse"},
		{"iam", "GET", "/clusters", "", "", 404, "UnknownOperationException", ""},
		{"dynamodb", "POST", "/", "application/x-amz-json-1.0", "{}", 404, "UnknownOperationException", ""},
		{"lambda", "GET", "/2015-03-31/functions", "", "", 404, "UnknownOperationException", ""},
		{"<script>", "GET", "/", "", "", 404, "UnknownOperationException", ""},
		{"sts", "GET", "/clusters/dev", "", "", 404, "UnknownOperationException", ""},
		{"eks", "GET", "/", "", "", 404, "UnknownOperationException", ""},
		{"eks", "GET", "/nodes", "", "", 404, "UnknownOperationException", ""},
		{"eks", "GET", "/clustersx", "", "", 404, "UnknownOperationException", ""},
		{"eks", "POST", "/clusters/dev/node-groups", "application/json", "{}", 404, "UnknownOperationException", ""},
		{"eks", "DELETE", "/clusters", "", "", 404, "UnknownOperationException", ""},
		{"eks", "GET", "/clusters/dev/addons", "", "", 404, "UnknownOperationException", ""},
		{"", "GET", "/favicon.ico", "", "", 404, "UnknownOperationException", ""},
		{"", "POST", "/x?Action=y", "", "", 400, "InvalidAction", "ErrorResponse"},
	} {
		r, err := http.NewRequest(tc.method, s.URL+tc.path, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", tc.contentType)
		if tc.service != "" {
			service := strings.Trim(tc.service, "<>")
			if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(tc.body)), ada, localtest.Region, service, time.Now()); err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/"+service+"/", "/"+tc.service+"/", 1))
		}
		a := do(t, r)
		code, message := a.header.Get("X-Amzn-Errortype"), ""
		if tc.root == "" {
			message, _ = a.json(t)["message"].(string)
		} else {
			var root string
			root, code, message = xmlError3(t, a.body)
			if root != tc.root {
				t.Errorf("%s %s: the answer is %s", tc.service, tc.path, a.body)
			}
		}
		if a.status != tc.status || code != tc.code || !strings.Contains(message, "local AWS") || !strings.Contains(message, "does not have") {
			t.Errorf("%s %s %s: %d %s %q, want %d %s", tc.service, tc.method, tc.path, a.status, code, message, tc.status, tc.code)
		}
		if a.header.Get("X-Amzn-Requestid") == "" || strings.Contains(a.header.Get("Content-Type"), "html") {
			t.Errorf("%s %s: headers %v", tc.service, tc.path, a.header)
		}
	}
}

// xmlError3 reads an XML error of any shape.
func xmlError3(t *testing.T, body string) (root, code, message string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(body))
	var at string
	for {
		token, err := d.Token()
		if err == io.EOF {
			return root, code, message
		}
		if err != nil {
			t.Errorf("%q is not XML: %v", body, err)
			return root, code, message
		}
		switch v := token.(type) {
		case xml.StartElement:
			at = v.Name.Local
			if root == "" {
				root = at
			}
		case xml.CharData:
			switch at {
			case "Code":
				code += string(v)
			case "Message":
				message += string(v)
			}
		}
	}
}

// The SDK reads the answer for a service that is not there.
func TestUnknownOperationIsReadByTheSDK(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	client := awssts.NewFromConfig(s.Of(t, localtest.AdaARN))
	_, err := client.AssumeRoot(t.Context(), &awssts.AssumeRootInput{TargetPrincipal: aws.String("111122223333"), TaskPolicyArn: &types.PolicyDescriptorType{}})
	localtest.IsAPIError(t, err, http.StatusBadRequest, "InvalidAction", "Could not find operation AssumeRoot for version 2011-06-15")
	_, err = client.GetWebIdentityToken(t.Context(), &awssts.GetWebIdentityTokenInput{Audience: []string{"a"}, SigningAlgorithm: aws.String("RS256")})
	localtest.IsAPIError(t, err, http.StatusBadRequest, "InvalidAction", "Could not find operation GetWebIdentityToken for version 2011-06-15")
	_, err = client.AssumeRoleWithSAML(t.Context(), &awssts.AssumeRoleWithSAMLInput{RoleArn: aws.String(localtest.RoleARN), PrincipalArn: aws.String(localtest.RoleARN), SAMLAssertion: aws.String("xxxx")})
	localtest.IsAPIError(t, err, http.StatusBadRequest, "InvalidAction", "Could not find operation AssumeRoleWithSAML for version 2011-06-15")
}

// A signature covers the cleaned path: what is the same to it is the same here.
func TestPathsThatAreTheSameToASignatureAreTheSame(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	ada := localtest.CredentialsOf(t, s.Store, localtest.AdaARN)
	for _, path := range []string{"/clusters/dev", "//clusters/dev", "/clusters//dev", "/clusters/./dev", "/x/../clusters/dev", "/clusters/dev/"} {
		r := httptest.NewRequest(http.MethodGet, s.URL+path, nil)
		if err := signed(ada, "eks", 0)(r); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		server.New(server.Config{Store: s.Store, Now: time.Now, Log: slog.New(slog.DiscardHandler)}).ServeHTTP(w, r)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "cluster/dev") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestPresignedRequestsFindTheirService(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	ada := localtest.CredentialsOf(t, s.Store, localtest.AdaARN)
	for service, want := range map[string]string{"sts": localtest.AdaARN, "eks": "UnknownOperationException", "s3": "NotImplemented"} {
		r, err := http.NewRequest(http.MethodGet, s.URL+"/?Action=GetCallerIdentity&Version=2011-06-15", nil)
		if err != nil {
			t.Fatal(err)
		}
		u, err := sigv4.Presign(r, sigv4.EmptyPayload, ada, localtest.Region, service, time.Now(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		a := do(t, r)
		if service == "eks" {
			// The query protocol's action makes the answer one of that protocol.
			want = "InvalidAction"
		}
		if !strings.Contains(a.body, want) {
			t.Errorf("presigned for %s: %s, want %s", service, a.body, want)
		}
	}
}

// An EKS token made for this STS, or for AWS's with the endpoint overridden,
// verifies.
func TestTokensVerify(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	ada := localtest.CredentialsOf(t, s.Store, localtest.AdaARN)
	endpoint, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	session := mustAssume(t, s, ada, localtest.RoleARN)
	v := &token.Verifier{ClusterID: "dev", Partition: "aws", Endpoint: endpoint, Client: http.DefaultClient, Now: time.Now}
	for want, c := range map[string]sigv4.Credentials{
		localtest.AdaARN: ada,
		"arn:aws:sts::111122223333:assumed-role/awesome.role/session": session,
	} {
		raw, _, err := token.New(c, token.Options{ClusterID: "dev", Region: localtest.Region, Time: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Verify(t.Context(), raw)
		if err != nil || got.Identity.String() != want {
			t.Errorf("the token is %s's (%v), want %s", got.Identity.Principal, err, want)
		}
	}
}

// Whatever fails inside denies, in the shape of the API.
func TestBrokenStoreDenies(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	ada := localtest.CredentialsOf(t, s.Store, localtest.AdaARN)
	sts := s.Of(t, localtest.AdaARN)
	s.Store.Close()
	_, err := awssts.NewFromConfig(sts).GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{})
	localtest.IsAPIError(t, err, http.StatusInternalServerError, "InternalFailure", "")
	_, err = describe(t, s.Config(ada), "dev")
	localtest.IsAPIError(t, err, http.StatusInternalServerError, "ServerException", "")
}

func TestPanicDenies(t *testing.T) {
	t.Parallel()
	server := server.New(server.Config{Store: &awslocal.Store{}, Now: func() time.Time { panic("no such luck") }, Log: slog.New(slog.DiscardHandler)})
	for _, path := range []string{"/?Action=GetCallerIdentity&Version=2011-06-15", "/clusters/dev"} {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "luck") || !strings.Contains(w.Body.String(), "essage") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	for path, want := range map[string]string{"/": "RequestEntityTooLargeException", "/clusters": "InvalidRequestException"} {
		r, err := http.NewRequest(http.MethodPost, s.URL+path, io.LimitReader(endless{}, 10<<20))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			continue // the server has closed the connection on us
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode/100 != 4 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %s", path, response.StatusCode, body)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}
