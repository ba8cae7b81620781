package awsauth

import "strings"

// suggest finds the word that was probably meant, comparing without case; "" if
// none is near enough to be more than a guess.
func suggest(written string, words []string) string {
	written = strings.ToLower(written)
	if len(written) > 64 {
		return ""
	}
	best, distance := "", 1+max(1, len(written)/4)
	for _, w := range words {
		if d := editDistance(written, strings.ToLower(w)); d < distance {
			best, distance = w, d
		}
	}
	return best
}

// didYouMean is suggest as a hint, or the list of all words.
func didYouMean(written string, words []string) string {
	if w := suggest(written, words); w != "" {
		return "did you mean " + w + "?"
	}
	return "known here: " + strings.Join(words, ", ")
}

// editDistance counts the single-byte insertions, deletions, replacements and
// swaps of neighbours that turn a into b (optimal string alignment).
func editDistance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, above, row = above, row, before
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, above[j+1]+1, above[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
