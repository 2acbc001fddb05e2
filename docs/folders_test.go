package docs

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// packages are the folders with Go files under some folders of the repository, as "internal/cli/".
func packages(t *testing.T, under ...string) (out []string) {
	t.Helper()
	for _, top := range under {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			if d.Name() == "testdata" {
				return filepath.SkipDir
			}
			files, err := filepath.Glob(filepath.Join(path, "*.go"))
			if err == nil && len(files) > 0 {
				name, _ := filepath.Rel(root, path)
				out = append(out, filepath.ToSlash(name)+"/")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// The list of folders has every package, once, and says what it is for.
func TestTheFoldersAreListed(t *testing.T) {
	list, _, _ := strings.Cut(section(t, read(t, "architecture.md"), "## The folders, and who may import whom"), "Imports run one way")
	var listed []string
	for line := range strings.Lines(list) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasSuffix(name, "/") {
			continue
		}
		listed = append(listed, name)
		if len(strings.Fields(text)) < 2 {
			t.Errorf("%s is not explained", name)
		}
	}
	there := packages(t, "cmd", "internal", "providers", "tasks", "pollers")
	if len(there) < 40 {
		t.Fatalf("only %d packages were found", len(there))
	}
	same(t, "list of folders", listed, there)
}
