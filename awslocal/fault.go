package awslocal

import (
	"fmt"
	"strconv"
	"strings"
)

// Fault is something in a world that its author should know of.
type Fault struct {
	Line    int    // of the file, from 1; 0 when there is no file
	Path    string // such as accounts[0].users[1].name; "" for the whole
	Message string // what is wrong
	Hint    string // what to do about it; may be empty
}

// String is one line: "line 3: accounts[0].id: …; hint".
func (f Fault) String() string {
	var b strings.Builder
	if f.Line > 0 {
		b.WriteString("line " + strconv.Itoa(f.Line) + ": ")
	}
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.Message)
	if f.Hint != "" {
		b.WriteString("; " + f.Hint)
	}
	return b.String()
}

// WorldError is everything that is wrong with a world.
type WorldError struct {
	Name   string // of the file
	Faults []Fault
}

// maxReported bounds the lines of a WorldError's text.
const maxReported = 50

// Error is one line for each fault.
func (e *WorldError) Error() string {
	var lines []string
	for i, f := range e.Faults {
		if i == maxReported {
			lines = append(lines, fmt.Sprintf("%s: and %d more faults", e.Name, len(e.Faults)-i))
			break
		}
		lines = append(lines, e.Name+": "+f.String())
	}
	return strings.Join(lines, "\n")
}

// source is where the parts of a world stand in its file. A nil source knows
// nothing.
type source struct {
	lines    map[string]int // by path
	literals map[string]int // first lines of texts of several lines, by path
}

// line is that of the path, or of the nearest thing around it.
func (s *source) line(path string) int {
	if s == nil {
		return 0
	}
	for {
		if line, ok := s.lines[path]; ok || path == "" {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

// notes collects faults.
type notes struct {
	source   *source
	faults   []Fault
	warnings []Fault
}

func (n *notes) fail(path, hint, format string, args ...any) {
	n.faults = append(n.faults, n.fault(path, hint, format, args...))
}

func (n *notes) warn(path, hint, format string, args ...any) {
	n.warnings = append(n.warnings, n.fault(path, hint, format, args...))
}

func (n *notes) fault(path, hint, format string, args ...any) Fault {
	return Fault{Line: n.source.line(path), Path: path, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// quote shows text from a file in a message, shortened if it is long.
func quote(s string) string {
	const most = 100
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}
