package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// lateEndpoint gives the SDK's own STS clients, with which profiles assume
// roles, the endpoint of AWS_ENDPOINT_URL. The SDK makes those clients before it
// reads that variable (config v1.33: resolveCredentials comes before
// resolveBaseEndpoint), so they would ask AWS about roles of the local AWS.
type lateEndpoint struct{ url *string }

func (e *lateEndpoint) set(o *sts.Options) {
	if e.url != nil {
		o.BaseEndpoint = e.url
	}
}

type assumeRoleClient struct {
	stscreds.AssumeRoleAPIClient
	endpoint *lateEndpoint
}

func (c assumeRoleClient) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput, options ...func(*sts.Options)) (*sts.AssumeRoleOutput, error) {
	return c.AssumeRoleAPIClient.AssumeRole(ctx, in, append(options, c.endpoint.set)...)
}

type webIdentityClient struct {
	stscreds.AssumeRoleWithWebIdentityAPIClient
	endpoint *lateEndpoint
}

func (c webIdentityClient) AssumeRoleWithWebIdentity(ctx context.Context, in *sts.AssumeRoleWithWebIdentityInput, options ...func(*sts.Options)) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	return c.AssumeRoleWithWebIdentityAPIClient.AssumeRoleWithWebIdentity(ctx, in, append(options, c.endpoint.set)...)
}
