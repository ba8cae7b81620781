package tokenreview

import (
	"fmt"
	"testing"
)

func TestHostsThatAnsweredAreBounded(t *testing.T) {
	t.Parallel()
	turns := newTurns(Config{MaxCalls: 1, MaxStrangers: 1, MaxUnproven: 1, MaxPerKey: 1, MaxTokens: 1})
	for i := range 2 * maxHosts {
		turns.note(fmt.Sprint(i), "key", nil)
	}
	if got := len(turns.answered); got != maxHosts {
		t.Errorf("%d hosts are remembered, want %d", got, maxHosts)
	}
	if answered, _ := turns.standing("0"); !answered {
		t.Error("later hosts pushed out the first")
	}
}
