package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Style writes emphasis to a terminal and nothing to a pipe or a file.
type Style struct{ on bool }

// StyleFor decides for w: colours only on a terminal, and not if NO_COLOR is
// set to anything (https://no-color.org).
func StyleFor(w io.Writer, getenv func(string) string) Style {
	f, ok := w.(*os.File)
	return Style{on: ok && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))}
}

func (s Style) wrap(code, text string) string {
	if !s.on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Good is green, Bad red, Dim grey, Strong bold.
func (s Style) Good(text string) string   { return s.wrap("32", text) }
func (s Style) Bad(text string) string    { return s.wrap("31", text) }
func (s Style) Dim(text string) string    { return s.wrap("2", text) }
func (s Style) Strong(text string) string { return s.wrap("1", text) }
