package serving

import (
	"context"
	"log"
	"log/slog"
	"strings"
)

// newErrorLog takes what net/http has to say to log. A connection that is closed
// before it has said anything is a port scan or a load balancer's probe, which
// nobody wants to read about at every turn. A handshake that the other side
// breaks off is not: it may be the API server, which does not trust us.
func newErrorLog(to *slog.Logger) *log.Logger {
	return log.New(&lineWriter{to}, "", 0)
}

type lineWriter struct{ to *slog.Logger }

func (w *lineWriter) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	level := slog.LevelWarn
	if isNoise(text) {
		level = slog.LevelDebug
	}
	w.to.Log(context.Background(), level, text)
	return len(line), nil
}

func isNoise(text string) bool {
	return strings.Contains(text, "TLS handshake error") &&
		(strings.HasSuffix(text, ": EOF") || strings.HasSuffix(text, "connection reset by peer") ||
			strings.HasSuffix(text, "i/o timeout"))
}
