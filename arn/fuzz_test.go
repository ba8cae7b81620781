package arn

import (
	"regexp"
	"testing"
)

// What AWS has in DNS, written down a second time.
var awsHost = regexp.MustCompile(`^sts(-fips)?\.([a-z]{2,4}(-gov|-iso[a-z]?|-isoe|-de)?-[a-z0-9]+-[0-9]+\.)?` +
	`(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|api\.aws|api\.amazonwebservices\.com\.cn|api\.amazonwebservices\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov|api\.aws\.ic\.gov|api\.aws\.scloud|api\.cloud-aws\.adc-e\.uk|api\.aws\.hci\.ic\.gov)$`)

// FuzzParseSTSHost: no name that a stranger's DNS could answer for is taken.
func FuzzParseSTSHost(f *testing.F) {
	for _, p := range Partitions() {
		f.Add("sts." + p.GlobalRegion + "." + p.DNSSuffix)
		f.Add("sts-fips." + p.GlobalRegion + "." + p.DualStackSuffix)
	}
	f.Add(GlobalSTSHostname)
	f.Add("sts.us-east-1.amazonaws.com.evil.example")
	f.Add("sts.us-east-1.evil.example/.amazonaws.com")
	f.Fuzz(func(t *testing.T, host string) {
		h, ok := ParseSTSHost(host)
		if !ok {
			return
		}
		if !awsHost.MatchString(host) || h.Partition == "" || h.Region == "" {
			t.Errorf("%q is taken for %+v", host, h)
		}
		if p, ok := PartitionOfRegion(h.Region); !ok || p.ID != h.Partition {
			t.Errorf("%q: the region %q is not of the partition %q", host, h.Region, h.Partition)
		}
	})
}
