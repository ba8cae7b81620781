package symptom

import (
	"cmp"
	"slices"
)

// MaxText is how much of a text is read, in bytes.
const MaxText = 64 << 10

// Match is one message that was found in a text.
type Match struct {
	ID      string            `json:"id"` // stable
	Title   string            `json:"title"`
	Excerpt string            `json:"excerpt"` // the words by which it is known, with "…" between
	Means   string            `json:"means"`
	Causes  []Cause           `json:"causes"` // the most likely one first
	Facts   map[string]string `json:"facts"`  // names of the text, by the Fact constants
}

// Cause is one reason for a message.
type Cause struct {
	Why   string `json:"why"`
	Check string `json:"check,omitempty"` // a command that tells whether this is it
	Fix   string `json:"fix"`             // what mends it: a command, or what to do
}

// rank says how near a message is to the cause of the trouble.
type rank int

const (
	precise rank = iota // says what is wrong
	likely              // says what is very likely wrong
	broad               // says that something is
	wrapper             // says only that something failed, of which another message knows more
)

// rule is one message that can be recognised.
type rule struct {
	id    string
	rank  rank
	group string   // of messages about the same step, of which the nearest ones are kept
	after []string // groups whose precise messages say why this one came about
	known []pattern
	title string
	means string
	cause []Cause
}

// catalogue is every rule.
func catalogue() [][]rule {
	return [][]rule{
		webIdentityRules, webTokenRules, stsRules, stsKeyRules, stsPolicyRules, podRules, podSetupRules,
		kubectlRules, kubectlSetupRules, eksRules, webhookRules, clusterRules, podIdentityRules,
	}
}

// found is a rule that applies, and where.
type found struct {
	*rule
	at      int
	excerpt string
}

// Recognise returns what it knows of the messages in text: the most precise
// first, and those of one precision as they stand in the text. It reads MaxText
// bytes, in time proportional to that.
func Recognise(text string) []Match {
	shown := readable(text[:min(len(text), MaxText)])
	words := fold(shown)
	var all []found
	for _, rules := range catalogue() {
		for i := range rules {
			if at, excerpt, ok := first(rules[i].known, words, shown); ok {
				all = append(all, found{&rules[i], at, excerpt})
			}
		}
	}
	all = essential(all)
	slices.SortStableFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.at, b.at))
	})
	names := namesIn(shown)
	matches := make([]Match, 0, len(all))
	for _, f := range all {
		m := f.match(names.near(f.at))
		m.Excerpt = f.excerpt
		matches = append(matches, m)
	}
	return matches
}

// essential leaves out what others say better.
func essential(all []found) []found {
	nearest := map[string]rank{} // of each group
	only := wrapper              // of all
	for _, f := range all {
		if r, ok := nearest[f.group]; !ok || f.rank < r {
			nearest[f.group] = f.rank
		}
		only = min(only, f.rank)
	}
	explained := func(group string) bool { r, ok := nearest[group]; return ok && r == precise }
	return slices.DeleteFunc(all, func(f found) bool {
		return f.rank > nearest[f.group] || f.rank == wrapper && only < wrapper || slices.ContainsFunc(f.after, explained)
	})
}

func (r *rule) match(facts map[string]string) Match {
	say := filler(facts)
	m := Match{ID: r.id, Title: r.title, Means: say.Replace(r.means), Causes: make([]Cause, len(r.cause)), Facts: facts}
	for i, c := range r.cause {
		m.Causes[i] = Cause{Why: say.Replace(c.Why), Check: say.Replace(c.Check), Fix: say.Replace(c.Fix)}
	}
	return m
}

// Known is every message that is recognised, each with the words by which it is
// known best.
func Known() []Match {
	var all []Match
	for _, rules := range catalogue() {
		for i := range rules {
			m := rules[i].match(map[string]string{})
			m.Excerpt = rules[i].known[0].String()
			all = append(all, m)
		}
	}
	return all
}
