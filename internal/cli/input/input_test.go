package input_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/cli/input"
)

func TestDocumentsAreFoundInEveryForm(t *testing.T) {
	for name, c := range map[string]struct {
		in       string
		docs     []string // "PLACE DOCUMENT"
		problems []string // "PLACE: TEXT"
	}{
		"one document":                   {in: " \n{\"a\":1}\n", docs: []string{" {\"a\":1}"}},
		"one document over lines":        {in: "{\n\"a\": [\n{\n\"b\":1\n}\n]\n}", docs: []string{" {\n\"a\": [\n{\n\"b\":1\n}\n]\n}"}},
		"a byte order mark":              {in: "\xef\xbb\xbf{}", docs: []string{" {}"}},
		"an array":                       {in: "[ {\"a\":1},\n{\"b\":2} ]\n", docs: []string{"[0] {\"a\":1}", "[1] {\"b\":2}"}},
		"an array of one":                {in: "[{}]", docs: []string{"[0] {}"}},
		"one a line":                     {in: "{\"a\":1}\n\n{\"b\":2}\r\n", docs: []string{"line 1 {\"a\":1}", "line 3 {\"b\":2}"}},
		"several over lines":             {in: "{\n\"a\":1}\n{\n\"b\":2}\n", docs: []string{"line 1 {\n\"a\":1}", "line 3 {\n\"b\":2}"}},
		"not JSON at all":                {in: "hello\nworld", problems: []string{": must be well-formed JSON: syntax error in line 1, byte 1"}},
		"a document that ends too early": {in: "{\"a\":1", problems: []string{": must be well-formed JSON: it ends too early"}},
		"an error in a later line":       {in: "{\n  \"a\":1,\n  b\n}", problems: []string{": must be well-formed JSON: syntax error in line 3, byte 3"}},
		"a broken line among good ones": {
			in:       "{\"a\":1}\n{\"b\":}\n{\"c\":3}\n{\"d\"\n{\"e\":5}\n",
			docs:     []string{"line 1 {\"a\":1}", "line 3 {\"c\":3}", "line 5 {\"e\":5}"},
			problems: []string{"line 2: must be well-formed JSON: syntax error in line 2, byte 6", "line 4: must be well-formed JSON: syntax error in line 5, byte 1"},
		},
		"a line with rubbish behind": {
			in:       "{\"a\":1} x\n{\"b\":2}",
			docs:     []string{"line 1 {\"a\":1}", "line 2 {\"b\":2}"},
			problems: []string{"line 1: must be well-formed JSON: syntax error in line 1, byte 9"},
		},
		"a broken line and no way on": {
			in: "{\"a\":1}\n{\"b\":}\n{\"c\":3} x", docs: []string{"line 1 {\"a\":1}"},
			problems: []string{"line 2: must be well-formed JSON: syntax error in line 2, byte 6; what follows was not checked"},
		},
		"a broken element": {
			in: "[{\"a\":1},\n {\"b\"},{}]", docs: []string{"[0] {\"a\":1}"},
			problems: []string{"[1]: must be well-formed JSON: syntax error in line 2, byte 6"},
		},
		"an open array":              {in: "[{}", docs: []string{"[0] {}"}, problems: []string{": must be well-formed JSON: the array is not closed with ]"}},
		"an array without end":       {in: "[", problems: []string{"[0]: must be well-formed JSON: it ends too early"}},
		"a missing comma":            {in: "[{}\n{}]", docs: []string{"[0] {}"}, problems: []string{": must be well-formed JSON: after [0], in line 2, comes neither a comma nor ]"}},
		"a trailing comma":           {in: "[{},]", docs: []string{"[0] {}"}, problems: []string{"[1]: must be well-formed JSON: syntax error in line 1, byte 5"}},
		"something after it":         {in: "[{}]\n{}", docs: []string{"[0] {}"}, problems: []string{": must be one array: something follows it in line 2"}},
		"values that are no objects": {in: "1 \"x\"\nnull", docs: []string{"line 1 1", "line 1 \"x\"", "line 2 null"}},
	} {
		docs, problems, err := input.Read(strings.NewReader(c.in))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var gotDocs, gotProblems []string
		for _, d := range docs {
			gotDocs = append(gotDocs, d.At+" "+string(d.Raw))
		}
		seen := map[int]bool{}
		for _, d := range docs {
			seen[d.N] = true
		}
		for _, p := range problems {
			seen[p.N] = true
		}
		for n := range len(docs) + len(problems) {
			if !seen[n] {
				t.Errorf("%s: nothing has the number %d", name, n)
			}
		}
		for _, p := range problems {
			gotProblems = append(gotProblems, p.At+": "+p.Text)
		}
		if diff := cmp.Diff(c.docs, gotDocs); diff != "" {
			t.Errorf("%s: documents (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(c.problems, gotProblems); diff != "" {
			t.Errorf("%s: problems (-want +got):\n%s", name, diff)
		}
	}
}

func TestEmptyInputIsAnError(t *testing.T) {
	for _, in := range []string{"", " \n\t\r\n", "\xef\xbb\xbf", "[]", " [ ] \n"} {
		if _, _, err := input.Read(strings.NewReader(in)); !errors.Is(err, input.ErrEmpty) {
			t.Errorf("%q: %v, want ErrEmpty", in, err)
		}
	}
}

func TestWhatIsTooLongIsRefused(t *testing.T) {
	long := `{"a":"` + strings.Repeat("x", input.MaxDocument) + `"}`
	docs, problems, err := input.Read(strings.NewReader(long + "\n{}\n"))
	if err != nil || len(docs) != 1 || len(problems) != 1 || problems[0].At != "line 1" || !strings.Contains(problems[0].Text, "at most 256 KiB") {
		t.Errorf("a long document: %d documents, problems %+v, %v", len(docs), problems, err)
	}
	endless := io.LimitReader(zeros{}, 10*input.MaxInput)
	if _, _, err := input.Read(endless); !errors.Is(err, input.ErrTooLong) {
		t.Errorf("an endless input: %v, want ErrTooLong", err)
	}
	broken := errors.New("broken pipe")
	if _, _, err := input.Read(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("an input that breaks: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("0"), len(p))), nil }

func TestFieldsAreNamedWithTheirDocument(t *testing.T) {
	for _, c := range []struct{ at, field, want string }{
		{"", "", "document"}, {"", "document", "document"}, {"", "request.IssueType", "request.IssueType"},
		{"[2]", "document", "[2]"}, {"[2]", "request.IssueType", "[2].request.IssueType"},
		{"line 3", "", "line 3"}, {"line 3", "request.IssueType", "line 3: request.IssueType"},
	} {
		if got := input.Where(c.at, c.field); got != c.want {
			t.Errorf("Where(%q, %q) = %q, want %q", c.at, c.field, got, c.want)
		}
	}
}

func FuzzReadNeverLosesADocument(f *testing.F) {
	for _, s := range []string{"{}", "[{},{}]", "{}\n{}", "{\"a\":\n", "[", "x", "{} x {}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		docs, problems, err := input.Read(bytes.NewReader(in))
		if err == nil && len(docs)+len(problems) == 0 {
			t.Error("neither a document nor a problem nor an error")
		}
		for _, d := range docs {
			if !json.Valid(d.Raw) {
				t.Errorf("%s is no JSON: %q", d.At, d.Raw)
			}
		}
		if json.Valid(in) && err == nil && len(problems) > 0 {
			t.Errorf("valid JSON has problems: %+v", problems)
		}
	})
}

// When a broken input is not UTF-8, the problem says so, since it may be the reason.
func TestABrokenInputInAnotherEncodingSaysSo(t *testing.T) {
	_, problems, err := input.Read(strings.NewReader("{\"a\":\"\xb3\\\"}\n"))
	if err != nil || len(problems) != 1 || !strings.HasSuffix(problems[0].Text, "; the input is not UTF-8") {
		t.Errorf("%v, %v", problems, err)
	}
}
