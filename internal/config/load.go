package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Mistake is one thing to correct.
type Mistake struct {
	Variable string
	Text     string // what to write instead; never the value of a secret
}

// Error holds every mistake of an environment.
type Error struct{ Mistakes []Mistake }

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("the configuration has mistakes:")
	for _, m := range e.Mistakes {
		fmt.Fprintf(&b, "\n  %s %s", m.Variable, m.Text)
	}
	return b.String()
}

// Need is something a process cannot do without.
type Need int

const (
	NeedRedis    Need = iota // REDIS_URL or REDIS_CLUSTER_ADDRS
	NeedSealKeys             // ISSUANCE_SEAL_KEYS
	NeedProvider             // credentials of at least one provider
)

// loader gathers mistakes and warnings while reading.
type loader struct {
	cfg      Config
	mistakes []Mistake
}

func (l *loader) wrong(variable, format string, a ...any) {
	l.mistakes = append(l.mistakes, Mistake{variable, fmt.Sprintf(format, a...)})
}

func (l *loader) warn(format string, a ...any) {
	l.cfg.Warnings = append(l.cfg.Warnings, fmt.Sprintf(format, a...))
}

// Load reads the environment given and checks what is set; needs says what has to be. A
// production worker needs all three, a producer Redis and the seal keys, a sandbox nothing.
// The error is an *Error with every mistake. Files named by X_FILE are read now, once.
func Load(environment map[string]string, needs ...Need) (Config, error) {
	l := &loader{}
	given := l.readFiles(environment)
	broken := l.parse(given)
	l.check(given, broken)
	l.require(needs)
	l.unknown(environment)
	if len(l.mistakes) > 0 {
		sortByTable(l.mistakes)
		return Config{}, &Error{l.mistakes}
	}
	return l.cfg, nil
}

// sortByTable makes the order of mistakes the documentation's.
func sortByTable(ms []Mistake) {
	place := map[string]int{}
	for i, v := range Table() {
		place[v.Name], place[v.Name+"_FILE"] = i, i
	}
	slices.SortStableFunc(ms, func(a, b Mistake) int { return cmp.Compare(place[a.Variable], place[b.Variable]) })
}

// readFiles returns the variables that are set, the secrets among them also from their files.
func (l *loader) readFiles(environment map[string]string) map[string]string {
	given := map[string]string{} // never nil, for which the library would take the process's own
	maps.Copy(given, environment)
	maps.DeleteFunc(given, func(_, v string) bool { return strings.TrimSpace(v) == "" })
	for _, v := range Table() {
		if !v.Secret {
			continue
		}
		path := given[v.FileName()]
		if path == "" {
			continue
		}
		if _, both := given[v.Name]; both {
			l.wrong(v.FileName(), "and %s are both set: remove one", v.Name)
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			l.wrong(v.FileName(), "names a file that cannot be read: %v", err)
			continue
		}
		text := strings.TrimRight(string(b), " \t\r\n") // editors and echo end files with a newline
		if text == "" {
			l.wrong(v.FileName(), "names an empty file (%s): put the value of %s there", path, v.Name)
			continue
		}
		given[v.Name] = text
	}
	return given
}

// parse fills the Config group by group, because the library names fields, not variables. It
// returns the variables that could not be read, so that no rule is applied to their zero.
func (l *loader) parse(given map[string]string) map[string]bool {
	broken := map[string]bool{}
	cfg := reflect.ValueOf(&l.cfg).Elem()
	for g := range cfg.NumField() {
		group := cfg.Field(g)
		if group.Kind() != reflect.Struct {
			continue
		}
		err := env.ParseWithOptions(group.Addr().Interface(), env.Options{Environment: given})
		var all env.AggregateError
		if !errors.As(err, &all) {
			continue
		}
		for _, err := range all.Errors {
			var pe env.ParseError
			if !errors.As(err, &pe) {
				panic("config: " + err.Error()) // a tag is wrong, not the environment
			}
			field, _ := group.Type().FieldByName(pe.Name)
			name := field.Tag.Get("env")
			broken[name] = true
			l.wrong(name, "is %q, which is not %s; write for example %s", given[name], form(field.Type), field.Tag.Get("envDefault"))
		}
	}
	return broken
}

// form says in words what a type wants.
func form(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int64: // of these, only durations
		return "a duration (a number with a unit: s, m or h)"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	}
	return "valid"
}
