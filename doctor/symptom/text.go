package symptom

import (
	"regexp"
	"strings"
	"sync"
)

// escapes undoes what logs, JSON, terminals and web pages do to a message.
var escapes = sync.OnceValue(func() *strings.Replacer {
	return strings.NewReplacer(
		`\r\n`, " ", `\n`, " ", `\t`, " ", `\\\"`, `"`, `\"`, `"`, `\'`, "'",
		`\u0027`, "'", `\u0022`, `"`, `\u0026`, "&", `\u003c`, "<", `\u003e`, ">",
		"&quot;", `"`, "&#34;", `"`, "&#39;", "'", "&#x27;", "'", "&apos;", "'", "&amp;", "&",
		"“", `"`, "”", `"`, "‘", "'", "’", "'", "\u00a0", " ",
		"│", " ", "╷", " ", "╵", " ", // Terraform's margin
	)
})

// controls are the sequences by which a terminal shows colours.
var controls = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`) })

// readable is text on one line, without escapes and without secrets.
func readable(text string) string {
	text = strings.ToValidUTF8(text, "?")
	text = controls().ReplaceAllString(text, "")
	text = redact(text)
	text = escapes().Replace(text)
	// What wraps a line, a terminal or a log, is not part of the message.
	return redact(strings.Join(strings.Fields(text), " "))
}

// fold is s as patterns are written. It has the same length as s.
func fold(s string) string {
	b := []byte(s)
	for i, c := range b {
		switch {
		case 'A' <= c && c <= 'Z':
			b[i] = c + 'a' - 'A'
		case c == '"' || c == '`':
			b[i] = '\''
		}
	}
	return string(b)
}

// secrets are what must not come back. Excerpts have none, because their words
// stand in this package; this keeps them out of facts.
var secrets = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(strings.Join([]string{
		`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|$)`,
		`k8s-aws-v1\.[A-Za-z0-9_=-]*`,              // EKS tokens
		`eyJ[A-Za-z0-9_=-]+(?:\.[A-Za-z0-9_=-]*)*`, // JWTs
		`\b(?:AKIA|ASIA)[A-Z0-9]{8,}`,
		`(?i)\b(?:bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}`,
		`(?i)(?:secret_?access_?key|session_?token|security-token|x-amz-signature|x-amz-credential|client-key-data|client_?secret|password|passwd)["'\\]*\s*[:=>]+\s*["'\\]*[^\s"'\\,&<}]+`,
		`\b[0-9a-f]{64,}\b`, // signatures
	}, "|"))
})

const redacted = "[redacted]"

func redact(text string) string { return secrets().ReplaceAllString(text, redacted) }
