package listfile

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type shop struct {
	Name  string   `yaml:"name"`
	Kinds []string `yaml:"kinds"`
	Most  float64  `yaml:"most"`
}

func read(t *testing.T, text string) (*File[shop], error) {
	t.Helper()
	return Parse[shop]([]byte(text), "shops file", "shops")
}

func TestAFileIsReadWithTheLinesOfItsKeys(t *testing.T) {
	f, err := read(t, "shops:\n  - &a\n    name: first\n    kinds: [x, y]\n  - <<: *a\n    most: 2\n  - *a\n")
	if err != nil || f.Err() != nil || len(f.Entries) != 3 {
		t.Fatal(err, f.Err())
	}
	if e := f.Entries[1]; e.Value.Name != "first" || e.Value.Most != 2 || len(e.Value.Kinds) != 2 || e.Line("most") != 6 || e.Line("kinds") != 5 {
		t.Errorf("%+v, lines %d and %d", e.Value, e.Line("most"), e.Line("kinds"))
	}
	if f, err := read(t, "shops:\n"); err != nil || f.Err() != nil || len(f.Entries) != 0 {
		t.Errorf("an empty list: %v, %v", err, f.Err())
	}
}

// Misspelt keys, wrong kinds and what the caller finds are listed together, line by line, without a value.
func TestAllMistakesAreListedWithTheirLines(t *testing.T) {
	f, err := read(t, "shops:\n  - name: first\n    knds: [x]\n    most: secret\n  - secret\n  - name: [secret]\n    name: secret\n    Secret Key: secret\nmore: 1\n")
	if err != nil {
		t.Fatal(err)
	}
	f.Wrong(f.Entries[0].Line("name"), "the caller's")
	want := `shops file: line 2: the caller's
shops file: line 3: unknown key knds; there are name, kinds, most
shops file: line 4: a value of another kind than its key takes
shops file: line 5: an entry must have keys: name, kinds, most
shops file: line 6: a value of another kind than its key takes
shops file: line 7: key name is given twice
shops file: line 8: unknown key; there are name, kinds, most
shops file: line 9: unknown key more; there is only shops, and below it name, kinds, most`
	if f.Err() == nil || f.Err().Error() != want {
		t.Errorf("%v\nwant\n%s", f.Err(), want)
	}
	if f.Entries[1].Listed || !f.Entries[0].Listed {
		t.Error("an entry without keys has something to say")
	}
}

func TestWhatIsNoListIsRefused(t *testing.T) {
	for text, want := range map[string]string{"": "it cannot be read", "shops: [secret": "line 1", "- secret": "line 1", "secret": "line 1", "shops: &a [*a]\n": ""} {
		f, err := read(t, text)
		if err == nil {
			err = f.Err()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
