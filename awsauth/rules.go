package awsauth

// Rule is what a fault is against, in a stable word.
type Rule string

// The rules.
const (
	Readable    Rule = "readable"
	ValidEntry  Rule = "valid-entry"
	KnownKey    Rule = "known-key"
	Renderable  Rule = "renderable"
	Reachable   Rule = "reachable"
	PlainlySaid Rule = "plainly-said"
)

// Rules are all of them, in the order of this list.
func Rules() []Rule {
	return []Rule{Readable, ValidEntry, KnownKey, Renderable, Reachable, PlainlySaid}
}

// Description is a sentence about the rule.
func (r Rule) Description() string {
	switch r {
	case Readable:
		return "The text under each key can be read: it is YAML, and a list."
	case ValidEntry:
		return "Each entry says for whom it is, as AWS writes it, and its values have the right form."
	case KnownKey:
		return "There are no keys that nobody reads."
	case Renderable:
		return "Usernames and groups can be made for whomever the entry is for."
	case Reachable:
		return "Each entry can match, and lets in whomever it matches."
	case PlainlySaid:
		return "What is written does what it looks like."
	}
	return ""
}
