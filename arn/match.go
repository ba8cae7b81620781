package arn

// Match reports whether s matches pattern as IAM matches strings: '*' stands
// for any run of characters, none included, and '?' for exactly one. All else
// is compared byte for byte, case included; there is no way to escape.
//
// It runs in time proportional to len(pattern)·len(s) at the worst and
// allocates nothing, whatever the pattern.
//
// Source: "IAM JSON policy elements: Condition operators" (StringLike).
func Match(pattern, s string) bool {
	p, i := 0, 0
	star, resume := -1, 0 // the last '*' seen, and where in s to try it next
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, i
			p++
		case p < len(pattern) && pattern[p] == '?':
			p++
			i = nextRune(s, i)
		case p < len(pattern) && pattern[p] == s[i]:
			p++
			i++
		case star >= 0:
			resume = nextRune(s, resume)
			p, i = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// nextRune steps over one character of UTF-8, so that '?' means a character
// and not a byte.
func nextRune(s string, i int) int {
	i++
	for i < len(s) && s[i]&0xC0 == 0x80 {
		i++
	}
	return i
}
