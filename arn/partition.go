package arn

import (
	"slices"
	"strings"
)

// Partition is a separate copy of AWS with its own accounts, regions and DNS
// names. Nothing that one partition signs is valid in another.
type Partition struct {
	ID              string // as in ARNs: "aws", "aws-cn", …
	GlobalRegion    string // the region that signs for global services
	DNSSuffix       string // of endpoints: "amazonaws.com"
	DualStackSuffix string // of endpoints that answer IPv4 and IPv6: "api.aws"

	regionPrefixes []string
}

// partitions are those of botocore's partitions.json (botocore 1.43). Nothing
// changes them.
var partitions = [...]Partition{
	{"aws", "us-east-1", "amazonaws.com", "api.aws", []string{"us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"}},
	{"aws-cn", "cn-northwest-1", "amazonaws.com.cn", "api.amazonwebservices.com.cn", []string{"cn"}},
	{"aws-us-gov", "us-gov-west-1", "amazonaws.com", "api.aws", []string{"us-gov"}},
	{"aws-iso", "us-iso-east-1", "c2s.ic.gov", "api.aws.ic.gov", []string{"us-iso"}},
	{"aws-iso-b", "us-isob-east-1", "sc2s.sgov.gov", "api.aws.scloud", []string{"us-isob"}},
	{"aws-iso-e", "eu-isoe-west-1", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", []string{"eu-isoe"}},
	{"aws-iso-f", "us-isof-south-1", "csp.hci.ic.gov", "api.aws.hci.ic.gov", []string{"us-isof"}},
	{"aws-eusc", "eusc-de-east-1", "amazonaws.eu", "api.amazonwebservices.eu", []string{"eusc-de"}},
}

// Partitions returns all partitions, the same order each time.
func Partitions() []Partition { return slices.Clone(partitions[:]) }

// PartitionByID finds a partition by the name that ARNs use.
func PartitionByID(id string) (Partition, bool) {
	for _, p := range partitions {
		if p.ID == id {
			return p, true
		}
	}
	return Partition{}, false
}

// PartitionOfRegion finds the partition that a region belongs to by the shape
// of the region's name, so that regions newer than this program are known too.
func PartitionOfRegion(region string) (Partition, bool) {
	for _, p := range partitions {
		if p.hasRegion(region) {
			return p, true
		}
	}
	return Partition{}, false
}

// hasRegion: PREFIX-WORD-NUMBER, the shape of each regionRegex in partitions.json.
func (p Partition) hasRegion(region string) bool {
	for _, prefix := range p.regionPrefixes {
		rest, ok := strings.CutPrefix(region, prefix+"-")
		if !ok {
			continue
		}
		word, number, ok := strings.Cut(rest, "-")
		if ok && word != "" && number != "" && onlyBytes(word, isLowerOrDigit) && onlyBytes(number, isDigit) {
			return true
		}
	}
	return false
}

func onlyBytes(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool        { return '0' <= c && c <= '9' }
func isLowerOrDigit(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'z' }
