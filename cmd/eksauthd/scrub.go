package main

import (
	"regexp"
	"strings"
)

// scrubber takes what names a scrubbed account out of texts: whole ARNs, since
// they name people, and the bare account id. Its zero value leaves all as it is.
type scrubber struct{ pattern *regexp.Regexp }

func newScrubber(accounts []string) scrubber {
	var ids []string
	for _, id := range accounts {
		if id != "" {
			ids = append(ids, regexp.QuoteMeta(id))
		}
	}
	if len(ids) == 0 {
		return scrubber{}
	}
	id := "(?:" + strings.Join(ids, "|") + ")"
	return scrubber{regexp.MustCompile(`(?i)arn:[^\s"]*` + id + `[^\s"]*|` + id)}
}

func (s scrubber) text(t string) string {
	if s.pattern == nil {
		return t
	}
	return s.pattern.ReplaceAllString(t, "(scrubbed)")
}
