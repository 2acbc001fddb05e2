package chaos

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Planted bugs. Each diff changes the product so that it breaks one promise; its first lines say
// which. They are applied to a copy, never to the sources.
//
//go:embed testdata/mutations/*.diff testdata/times/*.diff
var mutationFiles embed.FS

const mutationDir = "testdata/mutations"

// These are no bugs: they make times short enough for a test. They are constants of the product, which no setting, variable or
// build tag changes, so that no installation can ever run with these.
const (
	shortWebhooks      = "testdata/times/webhooks"      // for front doors
	shortConfirmations = "testdata/times/confirmations" // for workers
)

// Mutations lists the planted bugs by name.
func Mutations(t testing.TB) (names []string) {
	t.Helper()
	files, err := fs.Glob(mutationFiles, mutationDir+"/*.diff")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".diff"))
	}
	slices.Sort(names)
	return names
}

var diffTarget = regexp.MustCompile(`(?m)^--- a/(\S+)$`)

// plant applies planted bugs to copies of the files they change, and returns the overlay with which
// the go command reads these instead of the sources.
func plant(t testing.TB, names ...string) (overlay string) {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for _, name := range names {
		plantOne(t, name, dir, replace)
	}
	spec, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, spec, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}

// plantOne copies what a diff changes to dir, unless an earlier diff has, and applies the diff there.
// replace maps sources to copies.
func plantOne(t testing.TB, name, dir string, replace map[string]string) {
	t.Helper()
	if !strings.Contains(name, "/") {
		name = mutationDir + "/" + name
	}
	diff, err := mutationFiles.ReadFile(name + ".diff")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	before := map[string][]byte{}
	for _, m := range diffTarget.FindAllStringSubmatch(string(diff), -1) {
		source, planted := filepath.Join(root, m[1]), filepath.Join(dir, m[1])
		from := source
		if replace[source] != "" {
			from = planted
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatalf("chaos: %s.diff changes a file that is not there any more: %v", name, err)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(planted), 0o700), os.WriteFile(planted, text, 0o600)); err != nil {
			t.Fatal(err)
		}
		replace[source], before[planted] = planted, text
	}
	apply := exec.Command("git", "apply", "-")
	apply.Dir, apply.Stdin = dir, bytes.NewReader(diff)
	// A repository above the directory must not change what the paths mean.
	apply.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir), "GIT_DIR=")
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("chaos: %s.diff does not apply any more; change the diff as the code has changed, so that it plants its bug again: %v\n%s", name, err, out)
	}
	for planted, text := range before {
		if after, err := os.ReadFile(planted); err != nil || bytes.Equal(text, after) {
			t.Fatalf("chaos: %s.diff changes nothing in %s (%v)", name, planted, err)
		}
	}
}
