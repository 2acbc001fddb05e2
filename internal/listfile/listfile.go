// Package listfile reads files of settings that are a list of entries in YAML, such as `tokens: [{name: …}]`, and says
// of everything that is wrong on which line it is. It repeats no value of a file, since values may be secrets.
//
// It imports nothing of ours, and reads no file; internal/livefile does.
package listfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// File is a file that was read, and what is wrong with it.
type File[T any] struct {
	Entries []Entry[T]

	name  string // for error texts, such as "tokens file"
	known []string
	wrong []mistake
}

type mistake struct {
	line int
	text string
}

// Entry is one of a file's list. T is a struct with yaml tags.
type Entry[T any] struct {
	Value T
	// Listed is whether the entry has something to say; false when it is no list of keys.
	Listed bool
	node   *yaml.Node
}

// Parse reads the content of a file whose only key is list. name says what the file is in error texts. The error says that
// there is no list in it; other mistakes are in Err.
func Parse[T any](raw []byte, name, list string) (*File[T], error) {
	f := &File[T]{name: name, known: keysOf(reflect.TypeFor[T]())}
	var document yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(raw)).Decode(&document); err != nil {
		line, cause := Cause(raw, err)
		if errors.Is(err, io.EOF) {
			cause = ""
		}
		return nil, f.noList(list, line, cause)
	}
	top := real(document.Content[0])
	if top.Kind != yaml.MappingNode {
		return nil, f.noList(list, top.Line, "")
	}
	f.read(top, list)
	return f, nil
}

// lineOf is where an error of the library is. Its other words may repeat a secret.
var lineOf = regexp.MustCompile(`line (\d+)`)

// lineIn is the line that a text of the library names; 0 for none.
func lineIn(text string) int {
	m := lineOf.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // digits; too many of them are no line
	return n
}

func (f *File[T]) noList(list string, line int, cause string) error {
	where := "it cannot be read"
	if line > 0 {
		where = fmt.Sprintf("line %d", line)
	}
	if cause != "" {
		where += ": " + cause
	}
	return fmt.Errorf("%s: %s: it must be YAML: %s: [{%s}]", f.name, where, list, strings.Join(f.known, ", "))
}

// keysOf are the keys that a struct takes.
func keysOf(t reflect.Type) (keys []string) {
	for i := range t.NumField() {
		keys = append(keys, t.Field(i).Tag.Get("yaml"))
	}
	return keys
}

// real is what stands where a node only repeats another one.
func real(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func (f *File[T]) read(top *yaml.Node, list string) {
	f.keys(top, []string{list}, "")
	for i := 0; i+1 < len(top.Content); i += 2 {
		value := real(top.Content[i+1])
		switch {
		case top.Content[i].Value != list:
		case value.Kind == yaml.SequenceNode:
			for _, n := range value.Content {
				f.Entries = append(f.Entries, f.entry(n))
			}
		case value.Tag != "!!null":
			f.Wrong(value.Line, "%s must be a list", list)
		}
	}
}

func (f *File[T]) entry(n *yaml.Node) Entry[T] {
	e := Entry[T]{node: n}
	of := real(n)
	if of.Kind != yaml.MappingNode {
		f.Wrong(n.Line, "an entry must have keys: %s", strings.Join(f.known, ", "))
		return e
	}
	e.Listed = true
	once := *of // the library leaves the rest of an entry out that has a key twice
	once.Content = f.keys(of, append(slices.Clone(f.known), "<<"), strings.Join(f.known, ", "))
	err := once.Decode(&e.Value)
	var wrong *yaml.TypeError
	switch {
	case errors.As(err, &wrong):
		for _, text := range wrong.Errors {
			f.Wrong(lineIn(text), "a value of another kind than its key takes")
		}
	case err != nil:
		f.Wrong(n.Line, "it cannot be read")
	}
	return e
}

// looksLikeKey is what may be shown of a key that nobody knows; anything else may be a value.
var looksLikeKey = regexp.MustCompile(`^[A-Za-z][a-z_]{0,29}[0-9]{0,3}$`)

// keys reports keys that are not known, and those that are given twice, and returns the others with their values. there says
// which there are.
func (f *File[T]) keys(n *yaml.Node, known []string, there string) (once []*yaml.Node) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		name := "key"
		if looksLikeKey.MatchString(key.Value) {
			name = "key " + key.Value
		}
		switch {
		case !slices.Contains(known, key.Value) && there == "":
			f.Wrong(key.Line, "unknown %s; there is only %s, and below it %s", name, known[0], strings.Join(f.known, ", "))
		case !slices.Contains(known, key.Value):
			f.Wrong(key.Line, "unknown %s; there are %s", name, there)
		case seen[key.Value]:
			f.Wrong(key.Line, "%s is given twice", name)
		default:
			once = append(once, n.Content[i:i+2]...)
		}
		seen[key.Value] = true
	}
	return once
}

// Line is where a key of an entry stands; the entry's own line where it has no such key.
func (e Entry[T]) Line(key string) int {
	of := real(e.node)
	for i := 0; of.Kind == yaml.MappingNode && i+1 < len(of.Content); i += 2 {
		if of.Content[i].Value == key {
			return of.Content[i].Line
		}
	}
	return e.node.Line
}

// Wrong records a mistake; it must repeat no value that may be a secret.
func (f *File[T]) Wrong(line int, format string, args ...any) {
	f.wrong = append(f.wrong, mistake{line, fmt.Sprintf(format, args...)})
}

// Err lists every mistake, from the first line to the last; nil without one.
func (f *File[T]) Err() error {
	slices.SortStableFunc(f.wrong, func(a, b mistake) int { return a.line - b.line })
	var all []error
	for _, w := range f.wrong {
		all = append(all, fmt.Errorf("%s: line %d: %s", f.name, w.line, w.text))
	}
	return errors.Join(all...)
}
