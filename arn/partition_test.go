package arn_test

import (
	"testing"

	"github.com/eksauth/eksauth/arn"
)

func TestParseSTSHost(t *testing.T) {
	for host, want := range map[string]arn.STSHost{
		"sts.amazonaws.com":                           {Partition: "aws", Region: "us-east-1", Global: true},
		"sts.us-east-1.amazonaws.com":                 {Partition: "aws", Region: "us-east-1"},
		"sts.mx-central-1.amazonaws.com":              {Partition: "aws", Region: "mx-central-1"},
		"sts-fips.us-west-2.amazonaws.com":            {Partition: "aws", Region: "us-west-2", FIPS: true},
		"sts.eu-west-1.api.aws":                       {Partition: "aws", Region: "eu-west-1", DualStack: true},
		"sts.us-gov-west-1.amazonaws.com":             {Partition: "aws-us-gov", Region: "us-gov-west-1"},
		"sts.cn-north-1.amazonaws.com.cn":             {Partition: "aws-cn", Region: "cn-north-1"},
		"sts.cn-north-1.api.amazonwebservices.com.cn": {Partition: "aws-cn", Region: "cn-north-1", DualStack: true},
		"sts.us-iso-east-1.c2s.ic.gov":                {Partition: "aws-iso", Region: "us-iso-east-1"},
		"sts.us-isob-east-1.sc2s.sgov.gov":            {Partition: "aws-iso-b", Region: "us-isob-east-1"},
		"sts.eu-isoe-west-1.cloud.adc-e.uk":           {Partition: "aws-iso-e", Region: "eu-isoe-west-1"},
		"sts.us-isof-south-1.csp.hci.ic.gov":          {Partition: "aws-iso-f", Region: "us-isof-south-1"},
		"sts.eusc-de-east-1.amazonaws.eu":             {Partition: "aws-eusc", Region: "eusc-de-east-1"},
	} {
		got, ok := arn.ParseSTSHost(host)
		if !ok || got != want {
			t.Errorf("ParseSTSHost(%q) = %+v, %v, want %+v", host, got, ok, want)
		}
	}
}

// Each of these was, or looks like, a way to have an authenticator ask
// somebody other than AWS.
func TestParseSTSHostRefuses(t *testing.T) {
	for _, host := range []string{
		"",
		"sts",
		"sts.",
		"sts.com",
		"sts.us-east-1.amazonaws.com.evil.example",
		"sts.us-east-1.evil.example",
		"sts.evil.example.amazonaws.com",
		"sts.us-east-1.amazonaws.com:443",
		"sts.us-east-1.amazonaws.com.",
		"STS.us-east-1.amazonaws.com",
		"sts.US-EAST-1.amazonaws.com",
		"evil.sts.us-east-1.amazonaws.com",
		"user@sts.us-east-1.amazonaws.com",
		"s3.us-east-1.amazonaws.com",
		"sts.us-east-1.amazonaws.com.cn", // a region of one partition under the suffix of another
		"sts.cn-north-1.amazonaws.com",
		"sts.us-gov-west-1.c2s.ic.gov",
		"sts-fips.amazonaws.com",
		"sts-fips.us-gov-west-1.amazonaws.com",
		"sts.amazonaws.com.cn",
		"sts.us-east-.amazonaws.com",
		"sts.us-east-x.amazonaws.com",
		"sts.us--1.amazonaws.com",
		"sts.us-east-1.x.amazonaws.com",
		"127.0.0.1",
	} {
		if got, ok := arn.ParseSTSHost(host); ok {
			t.Errorf("ParseSTSHost(%q) = %+v, want it refused", host, got)
		}
	}
}

func TestSTSHostnameIsRecognised(t *testing.T) {
	for _, p := range arn.Partitions() {
		host, ok := arn.STSHostname(p.GlobalRegion)
		if !ok {
			t.Errorf("%s: no STS host for %s", p.ID, p.GlobalRegion)
			continue
		}
		if got, ok := arn.ParseSTSHost(host); !ok || got.Partition != p.ID || got.Region != p.GlobalRegion {
			t.Errorf("ParseSTSHost(%q) = %+v, %v", host, got, ok)
		}
	}
	if host, ok := arn.STSHostname("nowhere-1"); ok {
		t.Errorf("a region that no partition has got the host %q", host)
	}
}
