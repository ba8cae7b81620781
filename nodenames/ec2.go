package nodenames

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/eksauth/eksauth/awsauth"
)

const (
	// maxAnswer bounds a page. A hundred of the largest instances are 20 MB.
	maxAnswer = 32 << 20
	// pageSize is EC2's own limit. AWS asks everybody to page.
	pageSize = 1000
)

// EC2 asks the EC2 API, once for each call of Describe. Make it with NewEC2.
type EC2 struct {
	config func(context.Context) (aws.Config, error)
	turn   chan struct{} // holds a value while somebody looks at client
	client *ec2.Client   // nil until config went well

	maxAnswer int // bytes
}

// NewEC2 asks by a configuration: credentials, region, endpoint. It is called for the
// first question, and for more until it went well once; never twice at once.
func NewEC2(config func(context.Context) (aws.Config, error)) *EC2 {
	return &EC2{config: config, turn: make(chan struct{}, 1), maxAnswer: maxAnswer}
}

// Describe makes EC2 an Instances.
func (e *EC2) Describe(ctx context.Context, ids []string, page string) ([]Instance, string, error) {
	client, err := e.connect(ctx)
	if err != nil {
		return nil, "", err
	}
	in := &ec2.DescribeInstancesInput{
		Filters:    []types.Filter{{Name: aws.String("instance-id"), Values: ids}},
		MaxResults: aws.Int32(pageSize),
	}
	if page != "" {
		in.NextToken = &page
	}
	out, err := client.DescribeInstances(ctx, in)
	if err != nil {
		return nil, "", explain(err)
	}
	if out.Reservations == nil { // the SDK takes anything for an answer
		return nil, "", errors.New("the answer is not a list of instances")
	}
	var found []Instance
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			found = append(found, Instance{ID: aws.ToString(i.InstanceId), PrivateDNSName: aws.ToString(i.PrivateDnsName)})
		}
	}
	return found, aws.ToString(out.NextToken), nil
}

// connect makes the client, which all share once it is there.
func (e *EC2) connect(ctx context.Context) (*ec2.Client, error) {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if e.client != nil {
		return e.client, nil
	}
	c, err := e.config(ctx)
	if err != nil {
		return nil, err
	}
	e.client = ec2.NewFromConfig(c, func(o *ec2.Options) {
		o.Retryer = aws.NopRetryer{} // Names paces all calls
		o.HTTPClient = &http.Client{
			Transport: bounded{transportOf(c), e.maxAnswer},
			// EC2 sends nobody elsewhere, and who does must not get a signed request.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	})
	return e.client, nil
}

// transportOf is the configuration's, which may trust certificates of its own
// (AWS_CA_BUNDLE).
func transportOf(c aws.Config) http.RoundTripper {
	switch client := c.HTTPClient.(type) {
	case *awshttp.BuildableClient:
		return client.GetTransport()
	case *http.Client:
		return cmp.Or(client.Transport, http.DefaultTransport)
	}
	return awshttp.NewBuildableClient().GetTransport()
}

// bounded lets nobody answer without end.
type bounded struct {
	http.RoundTripper
	most int
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		// The SDK closes the body when an answer begins. By then net/http may still
		// look whether there is more of it: closed, its Read says that there is not,
		// but its WriteTo fails, and the connection is gone with the answer.
		r = r.WithContext(r.Context()) // a copy
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = &boundedBody{resp.Body, b.most, b.most}
	}
	return resp, err
}

type boundedBody struct {
	io.ReadCloser
	left, most int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer is longer than %d bytes", b.most)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// explain keeps of an error of the SDK what went wrong where. What the service says
// beside its code is left out: it names the caller, who may be of an account that
// must not be named.
func explain(err error) error {
	var api smithy.APIError
	var said error
	switch {
	case errors.As(err, &api):
		said = fmt.Errorf("%s answers %.100q%s", serviceOf(err), api.ErrorCode(), hint(api.ErrorCode()))
	default:
		said = innermost(err)
	}
	throttles := retry.IsErrorThrottles(retry.DefaultThrottles)
	var response *awshttp.ResponseError
	if throttles.IsErrorThrottle(err) == aws.TrueTernary || errors.As(err, &response) && response.HTTPStatusCode() == http.StatusTooManyRequests {
		return fmt.Errorf("%w: %w", awsauth.ErrNamesThrottled, said)
	}
	return said
}

func hint(code string) string {
	switch code {
	case "UnauthorizedOperation":
		return "; its credentials need ec2:DescribeInstances"
	case "AccessDenied":
		return "; may its credentials assume the role of server.ec2DescribeInstancesRoleARN?"
	}
	return ""
}

// serviceOf is the service that answered: STS, where a role is assumed first.
func serviceOf(err error) string {
	service := "EC2"
	for ; err != nil; err = errors.Unwrap(err) {
		if op, ok := err.(*smithy.OperationError); ok {
			service = op.Service()
		}
	}
	return service
}

func innermost(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}
