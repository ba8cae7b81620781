package arn

import "strings"

// STSHost is a DNS name under which AWS serves STS.
type STSHost struct {
	Partition string
	Region    string // the region that signatures for this host are scoped to
	Global    bool   // sts.amazonaws.com
	FIPS      bool
	DualStack bool
}

// STSHostname is the regional STS endpoint's name, as SDKs build it. ok is
// false for a region whose partition is not known.
func STSHostname(region string) (host string, ok bool) {
	p, ok := PartitionOfRegion(region)
	if !ok {
		return "", false
	}
	return "sts." + region + "." + p.DNSSuffix, true
}

// GlobalSTSHostname is the endpoint without a region. Only partition aws has
// one; its signatures are scoped to us-east-1.
const GlobalSTSHostname = "sts.amazonaws.com"

// ParseSTSHost recognises exactly the host names under which AWS serves STS:
//
//	sts.amazonaws.com                    global, partition aws only
//	sts.REGION.SUFFIX                    regional
//	sts-fips.REGION.SUFFIX               FIPS; in aws-us-gov the regional host is that
//	sts.REGION.DUALSTACK                 dual stack (and sts-fips.…)
//
// The region must be one of the partition that the suffix belongs to. Hosts
// with a port, in upper case or with a trailing dot are not recognised: no SDK
// writes them. An authenticator sends a stranger's request to such a host, so
// this is a security boundary.
func ParseSTSHost(host string) (STSHost, bool) {
	if host == GlobalSTSHostname {
		return STSHost{Partition: "aws", Region: "us-east-1", Global: true}, true
	}
	service, rest, ok := strings.Cut(host, ".")
	if !ok || service != "sts" && service != "sts-fips" {
		return STSHost{}, false
	}
	region, suffix, ok := strings.Cut(rest, ".")
	if !ok {
		return STSHost{}, false
	}
	for _, p := range partitions {
		if !p.hasRegion(region) {
			continue
		}
		h := STSHost{Partition: p.ID, Region: region, FIPS: service == "sts-fips"}
		switch suffix {
		case p.DNSSuffix:
			return h, !h.FIPS || p.ID != "aws-us-gov"
		case p.DualStackSuffix:
			h.DualStack = true
			return h, true
		}
	}
	return STSHost{}, false
}
