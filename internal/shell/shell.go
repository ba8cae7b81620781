// Package shell writes words that a POSIX shell reads back as they are.
package shell

import "strings"

// Quote makes one word of s, whatever is in it. A NUL, which no variable and no
// argument can have, is left out.
func Quote(s string) string {
	s = strings.ReplaceAll(s, "\x00", "")
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// plain are the characters that mean nothing to a shell.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-@+:=,"

// Word is Quote for what people read: it quotes only if it must.
func Word(s string) string {
	if s == "" || strings.Trim(s, plain) != "" {
		return Quote(s)
	}
	return s
}

// Path is Word for a file. One without a slash gets one, because "." would look
// for it in PATH.
func Path(s string) string {
	if word := Word(s); word != s || strings.Contains(s, "/") {
		return word
	}
	return "./" + s
}
