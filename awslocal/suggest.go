package awslocal

import "strings"

// didYouMean names the word that was probably meant, or else all of them, of
// which there must be few.
func didYouMean(written string, words []string) string {
	if w := nearest(written, words); w != "" {
		return "did you mean " + w + "?"
	}
	return "known here: " + strings.Join(words, ", ")
}

// nearest finds the word that was probably meant, comparing without case; "" if
// none is near enough to be more than a guess.
func nearest(written string, words []string) string {
	const longest = 64 // of what is compared: names are no longer
	if len(written) > longest {
		return ""
	}
	best, limit := "", 1+max(1, len(written)/4)
	for _, w := range words {
		if len(w) > longest {
			continue
		}
		if d := editDistance(strings.ToLower(written), strings.ToLower(w)); d < limit {
			best, limit = w, d
		}
	}
	return best
}

// editDistance is that of Levenshtein, in bytes.
func editDistance(a, b string) int {
	previous := make([]int, len(b)+1)
	current := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := range len(a) {
		current[0] = i + 1
		for j := range len(b) {
			replaced := previous[j]
			if a[i] != b[j] {
				replaced++
			}
			current[j+1] = min(replaced, previous[j+1]+1, current[j]+1)
		}
		previous, current = current, previous
	}
	return previous[len(b)]
}
