package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the headings of a document as links name them.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		out[strings.ReplaceAll(notSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return out
}

// Every link between the documents leads to a file, and to a heading that is there.
func TestLinksLeadSomewhere(t *testing.T) {
	all := documents(t)
	links := 0
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			file, anchor, _ := strings.Cut(m[1], "#")
			target := name
			if file != "" {
				target = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(target))); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
				continue
			}
			if anchor != "" && !anchors(all[target])[anchor] {
				t.Errorf("%s links to %s, and there is no such heading", name, m[1])
			}
		}
	}
	if links < 30 {
		t.Errorf("only %d links were found", links)
	}
}

// The README leads to every document.
func TestTheReadmeLinksToEveryDocument(t *testing.T) {
	all := documents(t)
	for name := range all {
		if name != "README.md" && !strings.Contains(all["README.md"], "]("+name+")") {
			t.Errorf("README.md does not link to %s", name)
		}
	}
}

var source = regexp.MustCompile("[a-z0-9]+(?:/[a-z0-9_.-]+)*/[a-z0-9_-]+\\.(?:go|lua|conf|example|json|csv|ndjson|txtar)\\b")

// Every file that a document names by its path is there.
func TestNamedFilesExist(t *testing.T) {
	found := 0
	for name, text := range documents(t) {
		for _, file := range source.FindAllString(text, -1) {
			found++
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); err != nil {
				t.Errorf("%s names %s, which is not there", name, file)
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d files were found", found)
	}
}
