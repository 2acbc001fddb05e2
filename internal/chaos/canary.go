package chaos

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Canary is a value that must not show up where others can read it.
type Canary struct {
	Field string // what it is, for the finding
	Owner string // whose it is
	Value string
}

// Search finds canaries in any text, in the spellings in which a value usually leaks: as it is, in
// a URL, escaped in JSON, in base64 and in hexadecimal digits.
type Search struct {
	needles []needle
	byHead  map[string][]int // the first headSize bytes → needles
}

type needle struct {
	Canary
	text    string
	form    string
	digits  bool // a number: part of a longer one is another
	letters bool // short: part of a longer word is another
}

// headSize is shorter than every needle.
const headSize = 6

// NewSearch prepares a search. A canary of less than 6 characters is refused: it would be found by
// chance.
func NewSearch(list []Canary) (*Search, error) {
	s := &Search{byHead: map[string][]int{}}
	for _, c := range list {
		if len(c.Value) < headSize {
			return nil, fmt.Errorf("chaos: %s of %s is too short to be searched for", c.Field, c.Owner)
		}
		for form, text := range spellings(c.Value) {
			n := needle{Canary: c, text: text, form: form, digits: strings.Trim(text, "0123456789") == "", letters: len(text) < 10}
			s.byHead[text[:headSize]] = append(s.byHead[text[:headSize]], len(s.needles))
			s.needles = append(s.needles, n)
		}
	}
	return s, nil
}

// spellings are the forms of a value, by name.
func spellings(v string) map[string]string {
	out := map[string]string{"plain": v}
	add := func(form, text string) {
		if len(text) >= headSize && text != v {
			out[form] = text
		}
	}
	if len(v) < 10 {
		return out // encoded, short values are found by chance
	}
	add("in a URL", url.QueryEscape(v))
	add("in a path", url.PathEscape(v))
	add("in JSON", strings.ReplaceAll(v, " ", `\u0020`))
	add("in hexadecimal", hex.EncodeToString([]byte(v)))
	// base64 has three spellings, after where in a group of three bytes the value begins; of each,
	// the part that does not depend on what stands around.
	for shift := range 3 {
		text := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + v))
		text = text[[]int{0, 2, 3}[shift]:]
		text = text[:len(text)-2]
		add(fmt.Sprintf("in base64 (%d)", shift), text)
		if other := strings.NewReplacer("+", "-", "/", "_").Replace(text); other != text {
			add(fmt.Sprintf("in base64url (%d)", shift), other)
		}
	}
	return out
}

// In finds the canaries in a text, each once.
func (s *Search) In(place, text string) []string {
	var found []string
	seen := map[int]bool{}
	for i := 0; i+headSize <= len(text); i++ {
		for _, at := range s.byHead[text[i:i+headSize]] {
			n := s.needles[at]
			if seen[at] || !strings.HasPrefix(text[i:], n.text) || !n.stands(text, i) {
				continue
			}
			seen[at] = true
			found = append(found, fmt.Sprintf("%s of %s stands %s in %s", n.Field, n.Owner, n.form, place))
		}
	}
	slices.Sort(found)
	return found
}

// stands reports whether what was found at i is the needle, and not a part of something longer.
func (n needle) stands(text string, i int) bool {
	if !n.digits && !n.letters {
		return true
	}
	longer := func(c byte) bool {
		digit := c >= '0' && c <= '9'
		return digit || n.letters && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z')
	}
	end := i + len(n.text)
	return (i == 0 || !longer(text[i-1])) && (end == len(text) || !longer(text[end]))
}
