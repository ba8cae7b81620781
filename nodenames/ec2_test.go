package nodenames_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/nodenames"
	"github.com/eksauth/eksauth/sigv4"
)

var key = sigv4.Credentials{AccessKeyID: "ASIASESSIONSESSIONSE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", SessionToken: "token"}

// fakeEC2 verifies signatures as EC2 does and describes all instances of which it is
// asked, but for those that instead answers for.
type fakeEC2 struct {
	*httptest.Server
	calls   atomic.Int64
	instead atomic.Pointer[http.HandlerFunc]
}

func newEC2(t *testing.T, instead http.HandlerFunc) *fakeEC2 {
	s := &fakeEC2{}
	if instead != nil {
		s.instead.Store(&instead)
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *fakeEC2) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.calls.Add(1)
	if f := s.instead.Load(); f != nil {
		(*f)(w, r)
		return
	}
	form, err := signed(r)
	if err != nil {
		refuse(w, 401, "AuthFailure")
		return
	}
	var items strings.Builder
	for i := 1; form.Has(fmt.Sprintf("Filter.1.Value.%d", i)); i++ {
		items.WriteString(item(form.Get(fmt.Sprintf("Filter.1.Value.%d", i)), nameOf(form.Get(fmt.Sprintf("Filter.1.Value.%d", i)))))
	}
	describe(w, items.String(), "")
}

// signed is the form of a request that key signed.
func signed(r *http.Request) (url.Values, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s, err := sigv4.ParseSignature(r)
	if err != nil {
		return nil, err
	}
	if err := s.Verify(r, sigv4.PayloadHash(body), key.SecretAccessKey); err != nil {
		return nil, err
	}
	if s.AccessKeyID != key.AccessKeyID || s.Scope.Service != "ec2" || s.Scope.Region != "eu-west-1" || r.Header.Get("X-Amz-Security-Token") != key.SessionToken {
		return nil, fmt.Errorf("signed as %v", s)
	}
	return url.ParseQuery(string(body))
}

func item(id, name string) string {
	return `<item><reservationId>r-0</reservationId><ownerId>111122223333</ownerId><instancesSet><item><instanceId>` + id +
		`</instanceId><imageId>ami-0</imageId><instanceState><code>16</code><name>running</name></instanceState><privateDnsName>` + name +
		`</privateDnsName><dnsName/><networkInterfaceSet><item><privateDnsName>ip-10-9-9-9.ec2.internal</privateDnsName></item></networkInterfaceSet></item></instancesSet></item>`
}

func describe(w http.ResponseWriter, items, next string) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	if next != "" {
		next = "<nextToken>" + next + "</nextToken>"
	}
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>8f7724cf</requestId><reservationSet>%s</reservationSet>%s</DescribeInstancesResponse>`, items, next)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>%s</Code><Message>User: arn:aws:iam::999988887777:user/secret may not</Message></Error></Errors><RequestID>ea966190</RequestID></Response>`, code)
}

func (s *fakeEC2) config() aws.Config {
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &s.URL,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey, SessionToken: key.SessionToken}, nil
		}),
	}
}

func (s *fakeEC2) client() *nodenames.EC2 {
	return nodenames.NewEC2(func(context.Context) (aws.Config, error) { return s.config(), nil })
}

func TestAsksByFilter(t *testing.T) {
	t.Parallel()
	var form url.Values
	ec2 := newEC2(t, func(w http.ResponseWriter, r *http.Request) {
		var err error
		if form, err = signed(r); err != nil {
			t.Error(err)
		}
		describe(w, item(instance(1), "ip-10-0-0-1.ec2.internal")+item(instance(2), ""), "more")
	})
	found, next, err := ec2.client().Describe(t.Context(), instances(2), "page")
	if err != nil || next != "more" {
		t.Fatalf("%q, %v", next, err)
	}
	if diff := cmp.Diff([]nodenames.Instance{{instance(1), "ip-10-0-0-1.ec2.internal"}, {instance(2), ""}}, found); diff != "" {
		t.Error(diff)
	}
	want := url.Values{
		"Action": {"DescribeInstances"}, "Version": {"2016-11-15"}, "MaxResults": {"1000"}, "NextToken": {"page"},
		"Filter.1.Name": {"instance-id"}, "Filter.1.Value.1": {instance(0)}, "Filter.1.Value.2": {instance(1)},
	}
	if diff := cmp.Diff(want, form); diff != "" {
		t.Error(diff)
	}
}

// Both halves together, as in the program.
func TestNamesFromEC2(t *testing.T) {
	t.Parallel()
	ec2 := newEC2(t, nil)
	n := nodenames.New(nodenames.Config{Instances: ec2.client()})
	wantNames(t, ask(t, n, 10*time.Second, instances(250)...))
	wantNames(t, ask(t, n, 10*time.Second, instances(250)...))
	if calls := ec2.calls.Load(); calls < 3 || calls > 6 {
		t.Errorf("%d calls", calls)
	}
}

// An answer about nobody is one.
func TestEC2KnowsNobody(t *testing.T) {
	t.Parallel()
	ec2 := newEC2(t, func(w http.ResponseWriter, _ *http.Request) { describe(w, "", "") })
	if found, next, err := ec2.client().Describe(t.Context(), instances(1), ""); err != nil || len(found) > 0 || next != "" {
		t.Errorf("%v, %q, %v", found, next, err)
	}
	w := newEC2(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet/></DescribeInstancesResponse>`)
	})
	if found, _, err := w.client().Describe(t.Context(), instances(1), ""); err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
}

func TestErrorsOfEC2(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status    int
		code      string
		throttled bool
		want      string
	}{
		{503, "RequestLimitExceeded", true, `EC2 must not be asked more often now: EC2 answers "RequestLimitExceeded"`},
		{400, "Throttling", true, `EC2 answers "Throttling"`},
		{429, "SomethingNew", true, `EC2 answers "SomethingNew"`},
		{403, "UnauthorizedOperation", false, `EC2 answers "UnauthorizedOperation"; its credentials need ec2:DescribeInstances`},
		{401, "AuthFailure", false, `EC2 answers "AuthFailure"`},
		{400, "InvalidInstanceID.NotFound", false, `EC2 answers "InvalidInstanceID.NotFound"`},
		{500, "InternalError", false, `EC2 answers "InternalError"`},
	} {
		ec2 := newEC2(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, c.status, c.code) })
		_, _, err := ec2.client().Describe(t.Context(), instances(1), "")
		if err == nil || err.Error() != c.want && !c.throttled || !strings.HasSuffix(err.Error(), c.want) || errors.Is(err, awsauth.ErrNamesThrottled) != c.throttled {
			t.Errorf("%s: %v", c.code, err)
		}
		if ec2.calls.Load() != 1 {
			t.Errorf("%s: %d calls; Names paces them", c.code, ec2.calls.Load())
		}
	}
}

func TestAnswersThatAreNotEC2s(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"JSON": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"privateDnsName":"x"}`) },
		"half": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `<DescribeInstancesResponse><reservationSet><item>`)
		},
		"HTML":          func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `<html><body>Welcome</body></html>`) },
		"nothing":       func(http.ResponseWriter, *http.Request) {},
		"a bare status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) },
		"no answer":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		found, next, err := newEC2(t, answer).client().Describe(t.Context(), instances(1), "")
		if err == nil || found != nil || next != "" || errors.Is(err, awsauth.ErrNamesThrottled) {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}

func TestGigabytesAreNotRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ head, more string }{
		"of instances":   {`<DescribeInstancesResponse><reservationSet>`, item(instance(1), "a")},
		"of one name":    {`<DescribeInstancesResponse><reservationSet><item><instancesSet><item><privateDnsName>`, "a"},
		"of what is not": {`<DescribeInstancesResponse><other>`, "<a></a>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var written atomic.Int64
			ec2 := newEC2(t, func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, c.head)
				more := bytes.Repeat([]byte(c.more), 1+(64<<10)/len(c.more))
				for written.Load() < 1<<30 && r.Context().Err() == nil {
					n, err := w.Write(more)
					if written.Add(int64(n)); err != nil {
						return
					}
				}
			})
			client := ec2.client()
			client.SetMaxAnswer(1 << 20)
			_, _, err := client.Describe(t.Context(), instances(1), "")
			if err == nil || !strings.Contains(err.Error(), "longer than 1048576 bytes") {
				t.Errorf("%v", err)
			}
			if written.Load() > 32<<20 {
				t.Errorf("%d bytes were taken", written.Load())
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := newEC2(t, nil)
	for _, status := range []int{301, 302, 303, 307, 308} {
		ec2 := newEC2(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) })
		found, _, err := ec2.client().Describe(t.Context(), instances(1), "")
		if err == nil || found != nil {
			t.Errorf("%d: %v", status, found)
		}
	}
	if elsewhere.calls.Load() > 0 {
		t.Error("it went where it was sent")
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	ec2 := newEC2(t, func(http.ResponseWriter, *http.Request) { <-over })
	t.Cleanup(func() { close(over) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := ec2.client().Describe(ctx, instances(1), ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	hangs := nodenames.NewEC2(func(ctx context.Context) (aws.Config, error) { <-over; return aws.Config{}, nil })
	go hangs.Describe(t.Context(), instances(1), "")
	time.Sleep(10 * time.Millisecond) // so that the first has its turn
	if _, _, err := hangs.Describe(ctx, instances(1), ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("behind one that hangs: %v", err)
	}
}

// The configuration is looked for when EC2 is asked, until it was found once; and it
// may bring its own client.
func TestTheConfigurationIsFoundLate(t *testing.T) {
	t.Parallel()
	ec2, looked := newEC2(t, nil), 0
	client := nodenames.NewEC2(func(context.Context) (aws.Config, error) {
		if looked++; looked == 1 {
			return aws.Config{}, errors.New("no AWS region is known")
		}
		c := ec2.config()
		c.HTTPClient = awshttp.NewBuildableClient()
		return c, nil
	})
	if looked != 0 {
		t.Error("it looked before it was asked")
	}
	n := nodenames.New(nodenames.Config{Instances: client})
	if r := ask(t, n, 5*time.Second, instance(1))[0]; !errors.Is(r.err, awsauth.ErrNamesUnavailable) || !strings.HasSuffix(r.err.Error(), "no AWS region is known") {
		t.Errorf("%+v", r)
	}
	for i := range 3 {
		wantNames(t, ask(t, n, 5*time.Second, instance(i)))
	}
	if looked != 2 {
		t.Errorf("it looked %d times", looked)
	}
}

func TestNoCredentialsIsAnErrorOfEC2s(t *testing.T) {
	t.Parallel()
	ec2 := newEC2(t, nil)
	client := nodenames.NewEC2(func(context.Context) (aws.Config, error) {
		c := ec2.config()
		c.HTTPClient = ec2.Client()
		c.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("no EC2 IMDS role found")
		})
		return c, nil
	})
	if _, _, err := client.Describe(t.Context(), instances(1), ""); err == nil || err.Error() != "no EC2 IMDS role found" || ec2.calls.Load() != 0 {
		t.Errorf("%v, %d calls", err, ec2.calls.Load())
	}
}
