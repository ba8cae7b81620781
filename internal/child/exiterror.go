package child

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	tailBytes = 8 << 10
	tailLines = 12
	tailWidth = 400
)

// ExitError is a process that ended without being asked to.
type ExitError struct {
	Name      string // the Command's
	State     string // such as "exit status 1" or "signal: killed"
	Log       string // path of its log
	LastLines string // the end of its log, shortened
}

func (e *ExitError) Error() string {
	if e.LastLines == "" {
		return fmt.Sprintf("%s ended (%s) and printed nothing", e.Name, e.State)
	}
	return fmt.Sprintf("%s ended (%s); the end of %s:\n%s", e.Name, e.State, e.Log, e.LastLines)
}

// tail returns the last lines of the file at path, or nothing.
func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > tailBytes {
		f.Seek(-tailBytes, io.SeekEnd)
	}
	data, err := io.ReadAll(io.LimitReader(f, tailBytes))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.ToValidUTF8(string(bytes.TrimSpace(data)), "?"), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	for i, line := range lines {
		if len(line) > tailWidth {
			lines[i] = strings.ToValidUTF8(line[:tailWidth], "") + "…"
		}
	}
	return strings.Join(lines, "\n")
}
