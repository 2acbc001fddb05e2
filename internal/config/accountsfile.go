package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"issuance/providers"
)

// FileMistake is one thing to correct in the accounts file.
type FileMistake struct {
	Line int    // 0: the whole file
	Name string // of the entry; "" for the whole file
	Text string // what is wrong; never the value of a secret
}

func (m FileMistake) String() string {
	text := m.Text
	if m.Name != "" {
		text = m.Name + ": " + text
	}
	if m.Line > 0 {
		text = fmt.Sprintf("line %d: %s", m.Line, text)
	}
	return text
}

// FileError holds every mistake of an accounts file.
type FileError struct{ Mistakes []FileMistake }

func (e *FileError) Error() string {
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = "accounts file: " + m.String()
	}
	return strings.Join(lines, "\n")
}

// fileReading gathers what an accounts file says.
type fileReading struct {
	reads       func(Variable) bool
	read        func(path string) ([]byte, error)
	taskTimeout time.Duration // that calls must be shorter than; 0: any
	mistakes    []FileMistake
	warnings    []string
	lines       map[providers.Account]int // where an account's entry is
}

// mostWarnings is how many warnings of a file are shown.
const mostWarnings = 20

func (r *fileReading) warn(format string, a ...any) {
	r.warnings = append(r.warnings, "accounts file: "+fmt.Sprintf(format, a...))
}

// shownWarnings are the first warnings, and how many there are more.
func (r *fileReading) shownWarnings() []string {
	if more := len(r.warnings) - mostWarnings; more > 0 {
		return append(r.warnings[:mostWarnings:mostWarnings], fmt.Sprintf("accounts file: and %d more warnings of this kind", more))
	}
	return r.warnings
}

func (r *fileReading) wrongAt(line int, name, format string, a ...any) {
	r.mistakes = append(r.mistakes, FileMistake{line, name, fmt.Sprintf(format, a...)})
}

// wrong reports a mistake of an entry's key, at the line of the key where it is there.
func (r *fileReading) wrong(e entry, key, format string, a ...any) {
	r.wrongAt(e.lineOf(key), e.name(), "%s %s", key, fmt.Sprintf(format, a...))
}

// accounts reads the whole file. The error is a *FileError.
func (r *fileReading) accounts(raw []byte) ([]Account, error) {
	var list []Account
	r.lines = map[providers.Account]int{}
	for _, e := range r.entries(raw) {
		a, ok := r.account(e)
		if first := r.lines[a.Name]; first > 0 && a.Name.Merchant != "" {
			r.wrongAt(e.line, e.name(), "is there twice; the first is in line %d", first)
			continue
		}
		r.lines[a.Name] = e.line
		if ok {
			list = append(list, a)
		}
	}
	if len(r.lines)+len(r.mistakes) == 0 {
		r.wrongAt(0, "", "it has no accounts")
	}
	r.defaults(list)
	r.allowances(list)
	if len(r.mistakes) > 0 {
		slices.SortStableFunc(r.mistakes, func(a, b FileMistake) int { return cmp.Compare(a.Line, b.Line) })
		return nil, &FileError{r.mistakes}
	}
	return list, nil
}

// defaults finds each provider's default account: the one that says so, or the only one.
func (r *fileReading) defaults(list []Account) {
	for _, k := range kinds {
		var of []int
		said := -1
		for i, a := range list {
			if a.Name.Provider != k.provider {
				continue
			}
			of = append(of, i)
			switch {
			case a.Default && said >= 0:
				r.wrongAt(r.lines[a.Name], a.Name.String(), "default is %s already, in line %d", list[said].Name, r.lines[list[said].Name])
			case a.Default:
				said = i
			}
		}
		if len(of) == 1 && said < 0 {
			list[of[0]].Default = true
		}
	}
}

// allowances wants the accounts of one allowance to agree in what they share.
func (r *fileReading) allowances(list []Account) {
	first := map[string]Account{}
	for _, a := range list {
		name := cmp.Or(a.Allowance, a.Name.String())
		f, shared := first[name]
		if !shared {
			first[name] = a
			continue
		}
		for _, c := range []struct {
			key       string
			own, his  any
			different bool
		}{
			{keyProvider, a.Name.Provider, f.Name.Provider, a.Name.Provider != f.Name.Provider},
			{"calls_per_second", a.CallsPerSecond, f.CallsPerSecond, a.CallsPerSecond != f.CallsPerSecond},
			{"ban", a.Ban, f.Ban, a.Ban != f.Ban},
		} {
			if c.different {
				r.wrongAt(r.lines[a.Name], a.Name.String(), "%s is %v, and %v for %s in line %d, with which it shares the allowance %s; they must be the same",
					c.key, c.own, c.his, f.Name, r.lines[f.Name], name)
			}
		}
	}
}

// entry is one account of the file, as it is written.
type entry struct {
	n    int // from 1
	line int
	keys []entryKey
}

type entryKey struct {
	name, text string
	line       int
}

func (e entry) find(key string) (entryKey, bool) {
	i := slices.IndexFunc(e.keys, func(k entryKey) bool { return k.name == key })
	if i < 0 {
		return entryKey{}, false
	}
	return e.keys[i], true
}

func (e entry) text(key string) string {
	k, _ := e.find(key)
	return strings.TrimSpace(k.text)
}

func (e entry) lineOf(key string) int {
	if k, ok := e.find(key); ok {
		return k.line
	}
	return e.line
}

var entryName = regexp.MustCompile(`^[a-z0-9]{1,20}(:[A-Za-z0-9_-]{1,40})?$`)

// name is the account's, as far as it has one.
func (e entry) name() string {
	name := e.text(keyProvider)
	if m := e.text(keyAccount); m != "" {
		name += ":" + m
	}
	if !entryName.MatchString(name) {
		return fmt.Sprintf("entry %d", e.n)
	}
	return name
}

// MostAccountsFile bounds an accounts file, in bytes.
const MostAccountsFile = 16 << 20

var yamlLine = regexp.MustCompile(`line (\d+)`)

// entries reads the file's form. The library's own words are not repeated, because they may hold a secret.
func (r *fileReading) entries(raw []byte) (out []entry) {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		line := 0
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			_, _ = fmt.Sscan(m[1], &line)
		}
		r.wrongAt(line, "", "it is no YAML; it must be accounts: [{provider, account, …}]")
		return nil
	}
	if len(doc.Content) == 0 {
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		r.wrongAt(root.Line, "", "it must be accounts: [{provider, account, …}]")
		return nil
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		switch {
		case strings.HasPrefix(key.Value, "x-"): // holds what entries merge
		case key.Value != "accounts":
			r.wrongAt(key.Line, "", "unknown key; there are accounts, and x-… for what entries merge")
		case value.Kind != yaml.SequenceNode:
			r.wrongAt(value.Line, "", "accounts must be a list of accounts")
		case out != nil:
			r.wrongAt(key.Line, "", "accounts is there twice")
		default:
			for n, item := range value.Content {
				out = append(out, r.entry(n+1, item))
			}
		}
	}
	return out
}

func (r *fileReading) entry(n int, node *yaml.Node) entry {
	e := entry{n: n, line: node.Line}
	if err := e.add(node, false, 0); err != nil {
		r.wrongAt(node.Line, e.name(), "%v", err)
	}
	for i, k := range e.keys {
		if slices.ContainsFunc(e.keys[:i], func(o entryKey) bool { return o.name == k.name }) {
			r.wrongAt(k.line, e.name(), "a key is there twice")
		}
	}
	return e
}

// mostMerged is how deep entries may merge others.
const mostMerged = 5

// add takes the keys of a mapping. Of what is merged, keys that are there already are left out.
func (e *entry) add(node *yaml.Node, merged bool, depth int) error {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind != yaml.MappingNode || depth > mostMerged {
		return errors.New("it must be keys and values: provider: …")
	}
	var merges []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Tag == "!!merge" {
			merges = append(merges, value)
			continue
		}
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		if value.Kind != yaml.ScalarNode {
			return fmt.Errorf("line %d: a key has no single value", key.Line)
		}
		if _, there := e.find(key.Value); merged && there {
			continue
		}
		text := value.Value
		if value.Tag == "!!null" {
			text = ""
		}
		line := key.Line
		if merged {
			line = e.line
		}
		e.keys = append(e.keys, entryKey{key.Value, text, line})
	}
	for _, m := range merges {
		list := []*yaml.Node{m}
		if m.Kind == yaml.SequenceNode {
			list = m.Content
		}
		for _, from := range list {
			if err := e.add(from, true, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
