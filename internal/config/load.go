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
	"time"

	"github.com/caarlos0/env/v11"
)

// Mistake is one thing to correct.
type Mistake struct {
	Variable string
	Text     string // what is wrong and what to write instead; never the value of a secret
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

// Load reads the environment given and checks what is set; needs says what has to be. A
// production worker needs all three, a sandbox nothing. The error is an *Error with every mistake.
// Files named by X_FILE are read now, once.
func Load(environment map[string]string, needs ...Need) (Config, error) {
	l := newLoader(environment, func(Variable) bool { return true })
	l.unknown(environment)
	return l.load(needs...)
}

// loader gathers mistakes and warnings while reading.
type loader struct {
	cfg   Config
	given map[string]string // what is set of the variables to read
	// table holds the variables to read by name. Those that are broken are unusable: no rule is
	// applied to their zero.
	table    map[string]Variable
	broken   map[string]bool
	mistakes []Mistake
	read     func(path string) ([]byte, error) // reads a file with a secret
}

// newLoader limits an environment to the variables to read.
func newLoader(environment map[string]string, reads func(Variable) bool) *loader {
	l := &loader{given: map[string]string{}, table: map[string]Variable{}, broken: map[string]bool{}, read: os.ReadFile}
	for _, v := range Table() {
		if !reads(v) {
			continue
		}
		l.table[v.Name] = v
		for _, name := range []string{v.Name, v.FileName()} {
			if value := environment[name]; strings.TrimSpace(value) != "" {
				l.given[name] = value
			}
		}
	}
	return l
}

func (l *loader) load(needs ...Need) (Config, error) {
	l.readFiles()
	l.parse()
	l.check()
	l.accounts()
	l.require(needs)
	if len(l.mistakes) > 0 {
		sortByTable(l.mistakes)
		return Config{}, &Error{l.mistakes}
	}
	return l.cfg, nil
}

func (l *loader) wrong(variable, format string, a ...any) {
	l.mistakes = append(l.mistakes, Mistake{variable, fmt.Sprintf(format, a...)})
	l.broken[variable] = true
}

func (l *loader) warn(format string, a ...any) {
	l.cfg.Warnings = append(l.cfg.Warnings, fmt.Sprintf(format, a...))
}

// usable reports whether variables were to be read and could be.
func (l *loader) usable(names ...string) bool {
	for _, name := range names {
		if _, read := l.table[name]; !read || l.broken[name] {
			return false
		}
	}
	return true
}

// sortByTable makes the order of mistakes the documentation's.
func sortByTable(ms []Mistake) {
	place := map[string]int{}
	for i, v := range Table() {
		place[v.Name], place[v.Name+"_FILE"] = i, i
	}
	slices.SortStableFunc(ms, func(a, b Mistake) int { return cmp.Compare(place[a.Variable], place[b.Variable]) })
}

// readFiles takes secrets from the files that are named for them.
func (l *loader) readFiles() {
	for _, v := range l.table {
		path := l.given[v.FileName()]
		if path == "" {
			continue
		}
		if _, both := l.given[v.Name]; both {
			l.wrong(v.FileName(), "and %s are both set: remove one", v.Name)
			continue
		}
		b, err := l.read(path)
		if err != nil {
			l.wrong(v.FileName(), "names a file that cannot be read: %v", err)
			continue
		}
		text := strings.TrimRight(string(b), " \t\r\n") // editors and echo end files with a newline
		if text == "" {
			l.wrong(v.FileName(), "names an empty file (%s): put the value of %s there", path, v.Name)
			continue
		}
		l.given[v.Name] = text
	}
}

// parse fills the Config group by group, because the library names fields, not variables.
func (l *loader) parse() {
	cfg := reflect.ValueOf(&l.cfg).Elem()
	for g := range cfg.NumField() {
		if group := cfg.Field(g); group.Kind() == reflect.Struct {
			l.parseGroup(group)
		}
	}
}

func (l *loader) parseGroup(group reflect.Value) {
	err := env.ParseWithOptions(group.Addr().Interface(), env.Options{
		Environment: maps.Clone(l.given), // never nil, for which the library would take the process's own
		FuncMap:     map[reflect.Type]env.ParserFunc{reflect.TypeFor[time.Duration](): parseDuration},
	})
	var all env.AggregateError
	if !errors.As(err, &all) {
		return
	}
	for _, err := range all.Errors {
		var pe env.ParseError
		if !errors.As(err, &pe) {
			panic("config: " + err.Error()) // a tag is wrong, not the environment
		}
		field, _ := group.Type().FieldByName(pe.Name)
		name := field.Tag.Get("env")
		l.wrong(name, "is %q, which is not %s; write for example %s", l.given[name], form(field.Type), field.Tag.Get("envDefault"))
	}
}

// form says in words what a type wants.
func form(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int64: // of these, only durations
		return "a duration (a number with a unit: s, m, h or d)"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	}
	return "valid"
}

// parseDuration reads what time.ParseDuration does, and whole durations in days: 90d.
func parseDuration(s string) (any, error) {
	days, ok := strings.CutSuffix(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	d, err := time.ParseDuration(days + "h")
	if err != nil || d.Abs() > maxDuration/24 {
		return nil, errors.New("not a number of days")
	}
	return d * 24, nil
}

const maxDuration = time.Duration(1<<63 - 1)
