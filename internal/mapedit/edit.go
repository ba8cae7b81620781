package mapedit

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/eksauth/eksauth/awsauth"
)

// ErrByHand is a text that cannot be edited without writing it anew.
var ErrByHand = errors.New("its text cannot be edited in place")

// Add appends an entry for a role or a user (its Key, ARN, UserID, Username and
// Groups) to the text of its key, and returns the new text.
func Add(text string, e awsauth.Entry) (string, error) {
	before := parse(e.Key, text)
	if len(before.Broken) > 0 {
		return "", broken(e.Key, before)
	}
	text = withoutNone(text)
	list, err := listOf(text)
	if err != nil {
		return "", err
	}
	indent := 0
	if list != nil {
		if list.Style&yaml.FlowStyle != 0 {
			return "", fmt.Errorf("%w: %s is written as [ … ]", ErrByHand, e.Key)
		}
		indent = list.Column - 1
	} else if strings.TrimSpace(withoutComments(text)) != "" {
		return "", fmt.Errorf("%w: %s has no list", ErrByHand, e.Key)
	}
	block, err := write(e, indent)
	if err != nil {
		return "", err
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	text += block
	added := e
	added.Source, added.Index = before.Source, len(before.Entries)+len(before.Rejected)
	after := parse(e.Key, text)
	if !same(append(everyEntry(before), added), everyEntry(after)) {
		return "", fmt.Errorf("%w: an entry at the end of %s would not be read as it is", ErrByHand, e.Key)
	}
	return text, nil
}

// Remove takes out the entry of that index. Comments stay, but for those
// within the entry. After the last one the text says that there are none, since a
// blank text may be an accident; see awsauth.Document.Silent.
func Remove(text, key string, index int) (string, error) {
	before := parse(key, text)
	if len(before.Broken) > 0 {
		return "", broken(key, before)
	}
	list, err := listOf(text)
	if err != nil {
		return "", err
	}
	if list == nil || index < 0 || index >= len(list.Content) {
		return "", fmt.Errorf("%s has no entry %d", key, index)
	}
	if list.Style&yaml.FlowStyle != 0 {
		return "", fmt.Errorf("%w: %s is written as [ … ]", ErrByHand, key)
	}
	lines := strings.SplitAfter(text, "\n")
	indent := list.Column - 1
	first := dashLine(lines, list.Content[index], indent)
	last := len(lines)
	if index+1 < len(list.Content) {
		last = dashLine(lines, list.Content[index+1], indent)
	}
	if first < 0 || last <= first {
		return "", fmt.Errorf("%w: %s[%d] does not begin on a line of its own", ErrByHand, key, index)
	}
	for last > first+1 && isBetween(lines[last-1], indent) {
		last--
	}
	text = strings.Join(slices.Delete(lines, first, last), "")
	want := slices.DeleteFunc(everyEntry(before), func(e awsauth.Entry) bool { return e.Index == index })
	if len(want) == 0 {
		text = withNone(text)
	}
	if !same(want, everyEntry(parse(key, text))) {
		return "", fmt.Errorf("%w: without %s[%d] the others would not be read as they are", ErrByHand, key, index)
	}
	return text, nil
}

// none is a line of its own that says so.
const none = "[]"

func withNone(text string) string {
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + none + "\n"
}

// withoutNone takes out what withNone wrote; comments stay.
func withoutNone(text string) string {
	if strings.TrimSpace(withoutComments(text)) != none {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != none {
			b.WriteString(line)
		}
	}
	return b.String()
}

func parse(key, text string) awsauth.Document {
	return awsauth.ParseConfigMap(map[string]string{key: text})
}

func broken(key string, doc awsauth.Document) error {
	for _, f := range doc.Faults {
		if f.Severity == awsauth.Error && f.Subject == "" {
			return fmt.Errorf("%s cannot be read: %s", key, f)
		}
	}
	return fmt.Errorf("%s cannot be read", key)
}

// everyEntry lists the entries, rejected ones included, in the order of the text.
func everyEntry(doc awsauth.Document) []awsauth.Entry {
	all := slices.Concat(doc.Entries, doc.Rejected)
	slices.SortStableFunc(all, func(a, b awsauth.Entry) int { return a.Index - b.Index })
	return all
}

// same compares entries but for where they stand.
func same(a, b []awsauth.Entry) bool {
	return slices.EqualFunc(a, b, func(x, y awsauth.Entry) bool {
		x.Index, x.Line, y.Index, y.Line = 0, 0, 0, 0
		if len(x.Groups)+len(y.Groups) == 0 {
			x.Groups, y.Groups = nil, nil
		}
		return reflect.DeepEqual(x, y)
	})
}

// listOf is the list in text; nil if it has none. Its text is the whole text:
// of several documents only the first is read, and an entry at the end would
// be in another.
func listOf(text string) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader([]byte(text))).Decode(&doc); err != nil || len(doc.Content) == 0 {
		return nil, nil // no document; one that is not YAML is broken, as the caller knows
	}
	if root := doc.Content[0]; root.Kind == yaml.SequenceNode {
		return root, nil
	} else if root.Kind == yaml.AliasNode {
		return nil, fmt.Errorf("%w: it is an alias", ErrByHand)
	}
	return nil, nil
}

func withoutComments(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// dashLine is the index of the line with the dash of a list's item; -1 if the
// dash is not the first thing on its line.
func dashLine(lines []string, item *yaml.Node, indent int) int {
	for i := min(item.Line, len(lines)) - 1; i >= 0; i-- {
		line := lines[i]
		if len(line) > indent && strings.TrimSpace(line[:indent]) == "" && line[indent] == '-' {
			return i
		}
	}
	return -1
}

// isBetween reports whether a line is a comment or blank, and not within the
// entry before it.
func isBetween(line string, indent int) bool {
	trimmed := strings.TrimLeft(line, " ")
	return strings.TrimSpace(line) == "" || trimmed[0] == '#' && len(line)-len(trimmed) <= indent
}

// write is the YAML of an entry, with its dash in column indent.
func write(e awsauth.Entry, indent int) (string, error) {
	type fields struct {
		RoleARN  string   `yaml:"rolearn,omitempty"`
		UserARN  string   `yaml:"userarn,omitempty"`
		UserID   string   `yaml:"userid,omitempty"`
		Username string   `yaml:"username,omitempty"`
		Groups   []string `yaml:"groups,omitempty"`
	}
	f := fields{UserID: e.UserID, Username: e.Username, Groups: e.Groups}
	switch e.Key {
	case awsauth.MapRoles:
		f.RoleARN = e.ARN
	case awsauth.MapUsers:
		f.UserARN = e.ARN
	default:
		return "", fmt.Errorf("entries of %s are not written here", e.Key)
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode([]fields{f}), encoder.Close()); err != nil {
		return "", err
	}
	margin := strings.Repeat(" ", indent)
	return margin + strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\n", "\n"+margin) + "\n", nil
}
