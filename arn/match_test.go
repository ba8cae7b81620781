package arn_test

import (
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/arn"
)

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "anything/at:all", true},
		{"?", "", false}, // exactly one character, not one or none
		{"?", "a", true},
		{"?", "é", true}, // a character, not a byte
		{"??", "é", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"a*c", "ac", true},
		{"a*c", "abbbc", true},
		{"a*c", "abbb", false},
		{"a*b*c", "a-b-b-c", true},
		{"*ab", "aab", true},
		{"system:serviceaccount:*:api", "system:serviceaccount:payments:api", true},
		{"system:serviceaccount:*:api", "system:serviceaccount:payments:api2", false},
		{"ABC", "abc", false},
		{".", "x", false},
		{"[a]", "a", false},
	} {
		if got := arn.Match(tc.pattern, tc.s); got != tc.want {
			t.Errorf("Match(%q, %q) = %v, want %v", tc.pattern, tc.s, got, tc.want)
		}
	}
}

// A backtracking matcher needs longer than the age of the universe for this.
func TestMatchHostilePatternEnds(t *testing.T) {
	pattern := strings.Repeat("*a", 50) + "b"
	done := make(chan bool, 1)
	go func() { done <- arn.Match(pattern, strings.Repeat("a", 4096)) }()
	select {
	case got := <-done:
		if got {
			t.Error("matched a string without a b")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still matching after 10 s")
	}
}
