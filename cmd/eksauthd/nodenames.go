package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/nodenames"
)

// credentialsTimeout bounds each request of the SDK for credentials. The SDK goes on
// with one after whoever waited for it went away, and has no limit of its own.
const credentialsTimeout = 5 * time.Second

// newNodeNames makes what EC2 is asked by. Neither credentials nor a region are
// looked for before an entry needs them: most authenticators have none.
func newNodeNames(s awsauth.Server, m *metrics) *nodenames.Names {
	roleARN := s.EC2DescribeInstancesRoleARN
	return nodenames.New(nodenames.Config{
		Instances: nodenames.NewEC2(func(ctx context.Context) (aws.Config, error) { return ec2Config(ctx, roleARN) }),
		QPS:       s.EC2DescribeInstancesQPS, Burst: s.EC2DescribeInstancesBurst,
		Observer: nameObserver{m},
	})
}

// ec2Config is the SDK's default configuration, with the region of the instance that
// this program runs on if no other is given, and as the role if there is one.
func ec2Config(ctx context.Context, roleARN string) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(credentialsTimeout)),
		config.WithLogger(logging.Nop{}), // it warns of instance metadata
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err == nil && c.Region == "" {
		if c, err = config.LoadDefaultConfig(ctx, append(options, config.WithEC2IMDSRegion())...); err != nil || c.Region == "" {
			return c, errors.New("no AWS region is known; set AWS_REGION to that of the nodes")
		}
	}
	if err != nil {
		return c, fmt.Errorf("AWS configuration: %w", short(err))
	}
	if roleARN != "" {
		role := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c), roleARN, func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "eksauthd" })
		c.Credentials = aws.NewCredentialsCache(role, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = time.Minute })
	}
	return c, nil
}

// addNodeNames makes the metrics of nodes' names.
func (m *metrics) addNodeNames() {
	m.ec2Calls = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: peerNamespace, Name: "ec2_describe_instances_calls_total", Help: "Calls of EC2's DescribeInstances.",
	})
	m.ec2Latency = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: ownNamespace, Name: "ec2_call_duration_seconds", Help: "Time that EC2 took to describe instances, by result: ok, throttled, unavailable.", Buckets: prometheus.DefBuckets,
	}, []string{"result"})
	m.nameLookups = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: ownNamespace, Name: "node_name_lookups_total", Help: "Instances looked up among those that EC2 was asked about before, by result: hit, miss.",
	}, []string{"result"})
}

// nameObserver makes metrics of what nodenames tells.
type nameObserver struct{ m *metrics }

func (o nameObserver) Asked(outcome nodenames.Outcome, took time.Duration) {
	o.m.ec2Calls.Inc()
	o.m.ec2Latency.WithLabelValues(string(outcome)).Observe(took.Seconds())
}

func (o nameObserver) LookedUp(hit bool) { countLookup(o.m.nameLookups, hit) }
