package nodenames

import "strings"

const (
	lowerHex  = "0123456789abcdef"
	lowerWord = "abcdefghijklmnopqrstuvwxyz0123456789"
)

// isInstanceID: i- and 8 or 17 hexadecimal digits, which EC2 writes in lower case.
func isInstanceID(s string) bool {
	digits, ok := strings.CutPrefix(s, "i-")
	return ok && (len(digits) == 8 || len(digits) == 17) && strings.Trim(digits, lowerHex) == ""
}

// isNodeName: a DNS name as Kubernetes lets nodes have one, in lower case.
func isNodeName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) == 0 || len(label) > 63 || strings.Trim(label, lowerWord+"-") != "" ||
			label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}
