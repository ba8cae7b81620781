package iam

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// decimal is an integer or decimal number, exact whatever its length: the sign,
// and the digits without leading zeros before and trailing zeros behind the
// point.
type decimal struct {
	negative        bool
	whole, fraction string
}

// parseDecimal reads "-12.50" and the like. There are no exponents: IAM compares
// integer and decimal values.
func parseDecimal(s string) (decimal, bool) {
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if whole == "" || point && fraction == "" || !allDigits(whole) || !allDigits(fraction) {
		return decimal{}, false
	}
	d := decimal{negative, strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")}
	if d.whole == "" && d.fraction == "" {
		d.negative = false
	}
	return d, true
}

func (d decimal) compare(e decimal) int {
	switch {
	case d.negative && !e.negative:
		return -1
	case !d.negative && e.negative:
		return 1
	case d.negative:
		d, e = e, d
	}
	if n := len(d.whole) - len(e.whole); n != 0 {
		return n
	}
	if n := strings.Compare(d.whole, e.whole); n != 0 {
		return n
	}
	return strings.Compare(d.fraction, e.fraction)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// parseDate reads the forms of the W3C note on ISO 8601, or epoch seconds. Four
// digits are a year, as the note has it, not a second of 1970.
//
// Source: "IAM JSON policy elements: Condition operators" (date condition
// operators), https://www.w3.org/TR/NOTE-datetime.
func parseDate(s string) (time.Time, bool) {
	// Fifteen digits are beyond any date, and far from where time.Time wraps.
	if len(s) != 4 && len(s) <= 15 {
		if seconds, err := strconv.ParseInt(s, 10, 64); err == nil {
			return time.Unix(seconds, 0), true
		}
	}
	for _, layout := range []string{"2006", "2006-01", "2006-01-02", "2006-01-02T15:04Z07:00", time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// parseBool reads "true" or "false" in any case.
func parseBool(s string) (value, ok bool) {
	switch {
	case strings.EqualFold(s, "true"):
		return true, true
	case strings.EqualFold(s, "false"):
		return false, true
	}
	return false, false
}

// parseNetwork reads an address or a range in CIDR notation. IPv4 written as
// IPv6 is IPv4. An address alone is a range of one; AWS's page says /32 for
// that, which can only be meant for IPv4.
func parseNetwork(s string) (netip.Prefix, bool) {
	if !strings.Contains(s, "/") {
		a, ok := parseAddress(s)
		return netip.PrefixFrom(a, a.BitLen()), ok
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, false
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}

func parseAddress(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}
