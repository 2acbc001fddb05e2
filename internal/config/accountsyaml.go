package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"issuance/internal/listfile"
)

// entry is one account of the file, as it is written.
type entry struct {
	n    int // from 1
	line int
	keys []entryKey
}

type entryKey struct {
	name, text string
	line       int
	merged     bool // it stands where other entries may merge it, too
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

// entries reads the file's form.
func (r *fileReading) entries(raw []byte) (out []entry) {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		line, cause := listfile.Cause(raw, err)
		r.wrongAt(line, "", "it is no YAML: %s", cause)
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
		e.keys = append(e.keys, entryKey{key.Value, text, key.Line, merged})
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
