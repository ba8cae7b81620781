package symptom

import "strings"

// pattern is how a message is known: pieces of it in lower case, in this order,
// with " … " where anything may stand. All of it is within reach. A piece begins
// and ends where a word does, so that sts:AssumeRole is not found in
// sts:AssumeRoleWithWebIdentity; a "*" at its end lifts that. Every quotation
// mark is written as '.
//
// These are no regular expressions, because there are more than a hundred: this
// way needs no compiling, and shows what it looks for.
type pattern string

// reach is how long a message may be from the beginning of the first piece to
// the end of the last one, in bytes.
const reach = 600

const gap = " … "

func (p pattern) String() string { return strings.ReplaceAll(string(p), "*", "") }

// first is the earliest place at which one of patterns is found in words, and the
// pieces as they are in shown, which has the same length.
func first(patterns []pattern, words, shown string) (at int, excerpt string, ok bool) {
	for _, p := range patterns {
		start, said, found := p.find(words, shown)
		if found && (!ok || start < at) {
			at, excerpt, ok = start, said, true
		}
	}
	return at, excerpt, ok
}

// find looks for p at each place of its first piece. The earliest place of every
// other one is the best, because reach counts from the first.
func (p pattern) find(words, shown string) (at int, excerpt string, ok bool) {
	pieces := strings.Split(string(p), gap)
	for from := 0; ; {
		start, end := index(words, pieces[0], from)
		if start < 0 {
			return 0, "", false
		}
		near := words[:min(len(words), start+reach)]
		said := shown[start:end]
		for _, piece := range pieces[1:] {
			var begin int
			if begin, end = index(near, piece, end); begin < 0 {
				break
			}
			said += gap + shown[begin:end]
		}
		if end >= 0 {
			return start, said, true
		}
		from = start + 1
	}
}

// index is where piece is in words, not before from; -1, -1 if nowhere.
func index(words, piece string, from int) (start, end int) {
	piece, open := strings.CutSuffix(piece, "*")
	for {
		i := strings.Index(words[from:], piece)
		if i < 0 {
			return -1, -1
		}
		start, end = from+i, from+i+len(piece)
		if boundary(words, start) && (open || boundary(words, end)) {
			return start, end
		}
		from = start + 1
	}
}

// boundary reports whether no word goes on from one side of i to the other.
func boundary(s string, i int) bool {
	return i == 0 || i == len(s) || !isWord(s[i-1]) || !isWord(s[i])
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_'
}
