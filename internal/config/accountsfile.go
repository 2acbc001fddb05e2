package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

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

// FileError holds every mistake of an accounts file, and what is unwise in it besides.
type FileError struct{ Mistakes, Warnings []FileMistake }

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
	warnings    []FileMistake
	lines       map[providers.Account]int // where an account's entry is
}

// mostWarnings is how many warnings of a file are shown.
const mostWarnings = 20

func (r *fileReading) warn(e entry, format string, a ...any) {
	r.warnings = append(r.warnings, FileMistake{Line: e.line, Name: e.name(), Text: fmt.Sprintf(format, a...)})
}

// inLog are warnings as the log of a program shows them that reads more than the file.
func inLog(warnings []FileMistake) []string {
	out := make([]string, len(warnings))
	for i, w := range warnings {
		out[i] = "accounts file: " + w.String()
	}
	return out
}

// shownWarnings are the first warnings, and how many there are more.
func (r *fileReading) shownWarnings() []FileMistake {
	if more := len(r.warnings) - mostWarnings; more > 0 {
		return append(r.warnings[:mostWarnings:mostWarnings], FileMistake{Text: fmt.Sprintf("and %d more warnings of this kind", more)})
	}
	return r.warnings
}

func (r *fileReading) wrongAt(line int, name, format string, a ...any) {
	r.mistakes = append(r.mistakes, FileMistake{line, name, fmt.Sprintf(format, a...)})
}

// wrong reports a mistake of an entry's key, at the line of the key where it is there.
func (r *fileReading) wrong(e entry, key, format string, a ...any) {
	k, _ := e.find(key)
	r.wrongKey(e, k, cmp.Or(k.line, e.line), "%s %s", key, fmt.Sprintf(format, a...))
}

// wrongKey reports a mistake of a key, once for all entries that merge it.
func (r *fileReading) wrongKey(e entry, k entryKey, line int, format string, a ...any) {
	m := FileMistake{line, e.name(), fmt.Sprintf(format, a...)}
	if k.merged {
		if m.Name = ""; slices.Contains(r.mistakes, m) {
			return
		}
	}
	r.mistakes = append(r.mistakes, m)
}

// accounts reads the whole file. The error is a *FileError.
func (r *fileReading) accounts(raw []byte) ([]Account, error) {
	var list, comparable []Account // an entry with mistakes, a secret's for example, is compared with the others all the same
	r.lines = map[providers.Account]int{}
	seen := map[string]providers.Account{}
	for _, e := range r.entries(raw) {
		a, terms := r.account(e)
		if first := r.lines[a.Name]; first > 0 && a.Name.Merchant != "" {
			r.wrongAt(e.line, e.name(), "is there twice; the first is in line %d", first)
			continue
		}
		r.lines[a.Name] = e.line
		if a.Name.Merchant == "" {
			continue
		}
		r.distinct(a, seen)
		list = append(list, a)
		if terms {
			comparable = append(comparable, a)
		}
	}
	if len(r.lines)+len(r.mistakes) == 0 {
		r.wrongAt(0, "", "it has no accounts")
	}
	r.defaults(list)
	r.allowances(comparable)
	if len(r.mistakes) > 0 {
		slices.SortStableFunc(r.mistakes, func(a, b FileMistake) int { return cmp.Compare(a.Line, b.Line) })
		return nil, &FileError{r.mistakes, r.shownWarnings()}
	}
	return list, nil
}

// distinct wants no two entries to be one account of the provider's: each would take the other's orders for its own, and both
// together would make twice the calls that it allows.
func (r *fileReading) distinct(a Account, seen map[string]providers.Account) {
	variable, value := a.settings.sole()
	if value == "" {
		return
	}
	value = string(a.Name.Provider) + " " + value
	first, double := seen[value]
	if !double {
		seen[value] = a.Name
		return
	}
	k, _ := kindOf(a.Name.Provider)
	r.wrongAt(r.lines[a.Name], a.Name.String(), "%s is the same as that of %s in line %d: they would be one account of the provider's, and each would take the other's orders for its own",
		k.key(variable), first, r.lines[first])
}

// defaults finds each provider's default account: the one that says so, or the only one. Where documents without an account
// have one by the provider's rules, it is that.
func (r *fileReading) defaults(list []Account) {
	for _, k := range kinds {
		codec, _ := providers.CodecOf(k.provider)
		if codec.DefaultMerchant != "" {
			r.fixedDefault(list, providers.Account{Provider: k.provider, Merchant: codec.DefaultMerchant})
			continue
		}
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

// fixedDefault makes the account of this name its provider's default, and no other.
func (r *fileReading) fixedDefault(list []Account, name providers.Account) {
	for i, a := range list {
		switch {
		case a.Name == name:
			list[i].Default = true
		case a.Name.Provider == name.Provider && a.Default:
			r.wrongAt(r.lines[a.Name], a.Name.String(), "default is always %s: leave it out, or name the account %s", name, name.Merchant)
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
			key        string
			own, other any
			different  bool
		}{
			{keyProvider, a.Name.Provider, f.Name.Provider, a.Name.Provider != f.Name.Provider},
			{"calls_per_second", a.CallsPerSecond, f.CallsPerSecond, a.CallsPerSecond != f.CallsPerSecond},
			{"ban", a.Ban, f.Ban, a.Ban != f.Ban},
		} {
			if c.different {
				r.wrongAt(r.lines[a.Name], a.Name.String(), "%s is %v, and %v for %s in line %d, with which it shares the allowance %s; they must be the same",
					c.key, c.own, c.other, f.Name, r.lines[f.Name], name)
			}
		}
	}
}
