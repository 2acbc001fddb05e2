package listfile

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Cause is what is wrong with a text that is no YAML, by the library's error about it, and on which line as far as that is known; 0 where
// it is not. The library names where the list begins in which it lost its way, so the entry is looked for that is wrong by itself.
// No value of the text is repeated.
func Cause(raw []byte, err error) (line int, cause string) {
	if m := unknownAnchor.FindStringSubmatch(err.Error()); m != nil {
		return anchorAt(raw, m[1])
	}
	lines := strings.Split(string(raw), "\n")
	head := "x: [" + definedAnchors(raw) + "]\nlist:\n"
	starts := entryLines(lines)
	for i, start := range starts {
		end := len(lines)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		own := unmarshal([]byte(head + strings.Join(lines[start:end], "\n") + "\n"))
		if own == nil || unknownAnchor.MatchString(own.Error()) {
			continue
		}
		at := lineIn(own.Error()) - strings.Count(head, "\n")
		return start + max(1, min(at, end-start)), words(own)
	}
	return lineIn(err.Error()), words(err)
}

var unknownAnchor = regexp.MustCompile(`anchor '(.*)' (?:referenced|value contains itself)$`)

// words are an error's without its line. Those of the library's parser repeat nothing of the text.
func words(err error) string {
	return libraryPlace.ReplaceAllString(err.Error(), "")
}

var libraryPlace = regexp.MustCompile(`^yaml: (line \d+: )?`)

func unmarshal(raw []byte) error {
	var n yaml.Node
	return yaml.NewDecoder(bytes.NewReader(raw)).Decode(&n)
}

var entryStart = regexp.MustCompile(`^( *)-( |$)`)

// entryLines are the lines, from 0, at which the entries of a list begin: those with the leftmost dashes.
func entryLines(lines []string) (starts []int) {
	least := -1
	for i, text := range lines {
		m := entryStart.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		indent := len(m[1])
		if least < 0 || indent < least {
			least, starts = indent, nil
		}
		if indent == least {
			starts = append(starts, i)
		}
	}
	return starts
}

var anchorDefined = regexp.MustCompile(`&([A-Za-z0-9_-]+)`)

// definedAnchors defines the anchors of a text again, so that its parts can be read alone.
func definedAnchors(raw []byte) string {
	var all []string
	for _, m := range anchorDefined.FindAllStringSubmatch(string(raw), -1) {
		all = append(all, "&"+m[1]+" {}")
	}
	return strings.Join(all, ", ")
}

// anchorAt says that an anchor is not defined. It is named only where an entry merges it: elsewhere it may be a secret that begins
// with an asterisk.
func anchorAt(raw []byte, name string) (line int, cause string) {
	used := regexp.MustCompile(`\*` + regexp.QuoteMeta(name) + `([^A-Za-z0-9_-]|$)`)
	merged := regexp.MustCompile(`<<: *(\[[^\]]*)?\*` + regexp.QuoteMeta(name) + `([^A-Za-z0-9_-]|$)`)
	for i, text := range strings.Split(string(raw), "\n") {
		switch {
		case merged.MatchString(text):
			return i + 1, fmt.Sprintf("unknown anchor %s", name)
		case used.MatchString(text):
			return i + 1, "unknown anchor: quote a value that begins with an asterisk"
		}
	}
	return 0, "unknown anchor"
}
