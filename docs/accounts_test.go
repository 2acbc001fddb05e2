package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"issuance/internal/config"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// The files that docs/accounts.md prints are right, and its table has the keys that are no variables.
func TestTheAccountsFilesOfTheDocumentAreRight(t *testing.T) {
	text := read(t, "accounts.md")
	dir := t.TempDir()
	blocks := yamlBlock.FindAllStringSubmatch(text, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d files", len(blocks))
	}
	secret := regexp.MustCompile(`/run/secrets/\w+`)
	for i, block := range blocks {
		file := secret.ReplaceAllStringFunc(block[1], func(path string) string {
			value := "0123456789abcdef"
			if strings.Contains(path, "proxy") {
				value = "http://proxy:3128"
			}
			at := filepath.Join(dir, filepath.Base(path))
			if err := os.WriteFile(at, []byte(value), 0o600); err != nil {
				t.Fatal(err)
			}
			return at
		})
		path := filepath.Join(dir, "accounts.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		list, warnings, err := config.CheckAccounts(nil, path)
		if err != nil || len(warnings) != 0 || len(list) != 3-i {
			t.Errorf("file %d: %v %v %v", i+1, list, warnings, err)
		}
	}
	same(t, "keys of accounts.md", rows(section(t, text, "## The file")), []string{"provider", "account", "default", "allowance"})
	if !strings.Contains(read(t, "../README.md"), "docs/accounts.md") {
		t.Error("the README does not lead to docs/accounts.md")
	}
}
