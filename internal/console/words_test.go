package console

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"issuance/internal/operate"
	"issuance/tasks/order"
)

var (
	action   = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	markup   = regexp.MustCompile(`(?s)<[^>]*>`)
	shownTag = regexp.MustCompile(`(?:aria-label|title|placeholder|alt)="([^"{]+)"`)
	used     = regexp.MustCompile(`(?:\bT|lang\.T|fail\([a-zA-Z.]+,|page\("[a-z]+",|answer\([^,]+, "[a-z]+",|\bt)[ (]*"([a-z_0-9.]+)"`)
	prefixed = regexp.MustCompile(`(?:Or|or)[ (]*"([a-z.]+\.)"`)
)

// Every text is there in both languages, with the same number of places to fill in.
func TestEveryTextIsInBothLanguages(t *testing.T) {
	place := regexp.MustCompile(`%[a-z]`)
	for key, text := range words {
		for _, l := range Languages() {
			if strings.TrimSpace(text[l]) == "" {
				t.Errorf("%s has no text in %s", key, l.Name())
			}
		}
		if a, b := place.FindAllString(text[Chinese], -1), place.FindAllString(text[English], -1); len(a) != len(b) {
			t.Errorf("%s has %v in Chinese and %v in English", key, a, b)
		}
		if !strings.ContainsFunc(text[Chinese], func(r rune) bool { return unicode.Is(unicode.Han, r) }) && key != "of" && key != "none" && key != "lane." && key != "decided.by" && key != "decision" && key != "event.delivery" && key != "looked.and" {
			t.Errorf("%s is not Chinese: %q", key, text[Chinese])
		}
	}
	for _, s := range append(append(order.OrderStates(), order.RefundStates()...), "unrecorded") {
		for _, prefix := range []string{"state.", "story."} {
			if _, known := words[prefix+string(s)]; !known {
				t.Errorf("%s%s is missing", prefix, s)
			}
		}
	}
	for _, q := range []operate.Question{operate.WhoseOrder, operate.WhoRefunded, operate.NothingSent, operate.UnknownProvider} {
		if _, known := words["check."+string(q)]; !known {
			t.Errorf("check.%s is missing", q)
		}
	}
}

// What a template or a handler says is a text of words, and no text of words is left over.
func TestNoTemplateHasATextOfItsOwn(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	templates, err := filepath.Glob("templates/*.html")
	if err != nil || len(templates) < 8 {
		t.Fatalf("templates: %v, %v", templates, err)
	}
	says := map[string]bool{}
	all := ""
	for _, name := range append(sources, templates...) {
		if strings.HasPrefix(name, "words") || name == "doc.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all += string(raw)
		for _, m := range used.FindAllStringSubmatch(string(raw), -1) {
			says[m[1]] = true
			if _, known := words[m[1]]; !known && !strings.HasSuffix(m[1], ".") {
				t.Errorf("%s says %q, which is no text of words", name, m[1])
			}
		}
		if !strings.HasSuffix(name, ".html") {
			continue
		}
		bare := action.ReplaceAllString(string(raw), " ")
		for _, m := range shownTag.FindAllStringSubmatch(bare, -1) {
			if strings.TrimSpace(m[1]) != "" {
				t.Errorf("%s has an attribute of its own: %q", name, m[0])
			}
		}
		for _, text := range markup.Split(bare, -1) {
			if strings.ContainsFunc(text, unicode.IsLetter) {
				t.Errorf("%s has a text of its own: %q", name, strings.TrimSpace(text))
			}
		}
	}
	prefixes := []string{"code.", "reviewed.", "wait.", "held.", "event.", "state.", "story.", "ticket.", "job.", "job.state.", "delivery.", "lane.", "age.", "done.", "check.", "decision."}
	for _, m := range prefixed.FindAllStringSubmatch(all, -1) {
		prefixes = append(prefixes, m[1])
	}
	for key := range words {
		known := says[key] || strings.Contains(all, `"`+key+`"`)
		for _, p := range prefixes {
			known = known || strings.HasPrefix(key, p)
		}
		if !known {
			t.Errorf("nobody says %s", key)
		}
	}
}

// A spreadsheet takes no cell of an export for a formula.
func TestNoCellIsAFormula(t *testing.T) {
	for text, want := range map[string]string{"": "", "A1": "A1", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\t=1": "'\t=1"} {
		if got := cell(text); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}

// A link that a login leads back to leads to the console.
func TestALoginLeadsNowhereElse(t *testing.T) {
	for path, want := range map[string]string{"": Path, "/console/reviews?account=ecticket": "/console/reviews?account=ecticket", "//evil.example/console/": Path, "https://evil.example/console/": Path,
		"/v1/orders": Path, "/console/../v1/orders": Path, `/console\evil`: Path, "javascript:alert(1)": Path} {
		if got := within(path); got != want {
			t.Errorf("%q leads to %q", path, got)
		}
	}
}
