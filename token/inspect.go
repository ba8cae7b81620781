package token

import (
	"time"

	"github.com/eksauth/eksauth/arn"
)

// Inspection is what a token says about itself, for a person to read. Nothing
// of it was verified, and nothing secret is in it: no signature, no session
// token.
type Inspection struct {
	Host          string    `json:"host"`
	Endpoint      string    `json:"endpoint"` // "global", "regional", "FIPS", "dual stack", or "not AWS"
	Partition     string    `json:"partition,omitempty"`
	Region        string    `json:"region"`
	AccessKeyID   string    `json:"accessKeyId"`
	Temporary     bool      `json:"temporaryCredentials"`
	Date          time.Time `json:"date,omitzero"`
	Expiry        time.Time `json:"expiry,omitzero"`
	XAmzExpires   int       `json:"xAmzExpires"` // seconds; STS ignores it
	SignedHeaders string    `json:"signedHeaders,omitempty"`
	// Faults are all the reasons for which the token would be refused before
	// STS is asked. Empty does not mean that STS accepts it.
	Faults []string `json:"faults"`
}

// Inspect takes a token apart for a person, naming everything for which v would
// refuse it before asking STS. Of v, the clock and the endpoint count; the
// partition is the token's own. ok is false if so little of the token is
// readable that only Faults are given.
func (v *Verifier) Inspect(raw string) (in Inspection, ok bool) {
	req, faults := parse(raw)
	in.Faults = []string{}
	for _, f := range faults {
		text := f.text
		if f.hint != "" {
			text += " (" + f.hint + ")"
		}
		in.Faults = append(in.Faults, text)
	}
	if req.Host == "" {
		return in, false
	}
	in.Host, in.Region, in.AccessKeyID = req.Host, req.Region, req.AccessKeyID
	in.Temporary, in.Date, in.XAmzExpires, in.SignedHeaders = req.Temporary(), req.Date, int(req.Expires.Seconds()), req.signed
	host, known := arn.ParseSTSHost(req.Host)
	in.Partition, in.Endpoint = host.Partition, endpointName(host, known)
	if !req.Date.IsZero() {
		in.Expiry = req.Expiry()
		local := Verifier{Partition: host.Partition, Endpoint: v.Endpoint, Now: v.Now}
		if err := local.check(req); err != nil {
			in.Faults = append(in.Faults, err.Error())
		}
	}
	return in, true
}

func endpointName(h arn.STSHost, known bool) string {
	switch {
	case !known:
		return "not AWS"
	case h.Global:
		return "global"
	case h.FIPS && h.DualStack:
		return "FIPS, dual stack"
	case h.FIPS:
		return "FIPS"
	case h.DualStack:
		return "dual stack"
	}
	return "regional"
}
