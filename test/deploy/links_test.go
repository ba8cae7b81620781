package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)#\s:]+)(#[^)]*)?\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// documents are all pages.
func documents(t *testing.T) []string {
	t.Helper()
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/guides/*.md"} {
		found, err := filepath.Glob(filepath.Join(repository, pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	if len(pages) < 20 {
		t.Fatalf("only %d pages", len(pages))
	}
	return pages
}

// anchors are those of a page, as GitHub makes them.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		name := strings.ToLower(strings.NewReplacer("`", "", ",", "", ".", "", "'", "", "?", "", ":", "", "(", "", ")", "").Replace(m[1]))
		all["#"+strings.ReplaceAll(strings.TrimSpace(name), " ", "-")] = true
	}
	return all
}

// Links of the pages lead to files and headings that there are.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	links := 0
	for _, page := range documents(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			links++
			target := filepath.Join(filepath.Dir(page), m[1])
			data, err := os.ReadFile(target)
			if info, statErr := os.Stat(target); statErr != nil || !info.IsDir() && err != nil {
				t.Errorf("%s: %s leads nowhere", page, m[0])
			} else if m[2] != "" && !anchors(string(data))[m[2]] {
				t.Errorf("%s: %s has no heading %s", page, m[1], m[2])
			}
		}
	}
	if links < 100 {
		t.Errorf("only %d links", links)
	}
}

// Every guide can be found from the README, by one link or two.
func TestGuidesAreFound(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	next := []string{filepath.Join(repository, "README.md")}
	for range 3 {
		var further []string
		for _, page := range next {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range link.FindAllStringSubmatch(string(text), -1) {
				if target := filepath.Join(filepath.Dir(page), m[1]); strings.HasSuffix(target, ".md") && !found[target] {
					found[target] = true
					further = append(further, target)
				}
			}
		}
		next = further
	}
	for _, page := range documents(t) {
		if strings.Contains(page, "guides") && !found[page] {
			t.Errorf("nobody finds %s", page)
		}
	}
}

// What guides show of our two programs are commands that there are, with flags that they
// have.
func TestGuidesShowRealCommands(t *testing.T) {
	t.Parallel()
	shown := 0
	for _, page := range documents(t) {
		if !strings.Contains(page, "guides") {
			continue
		}
		name := filepath.Base(page)
		for _, b := range readGuide(t, name) {
			if b.language == "sh" {
				shown += len(command.FindAllString(b.text, -1))
				commandsExist(t, name, b)
			}
		}
	}
	if shown < 30 {
		t.Errorf("only %d commands", shown)
	}
}
