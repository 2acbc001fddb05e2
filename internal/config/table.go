package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
)

// Variable is one line of the table of variables.
type Variable struct {
	Name    string // ECTICKET_TIMEOUT
	Default string // as it would be written; empty when there is none
	Meaning string
	// Secret values are never shown and may come from the file named by Name_FILE instead.
	Secret bool

	parts        []Part
	account      bool // it is about an account at a provider
	group, field int  // where in Config
	kind         reflect.Type
}

// FileName is the variable that names a file with the value, "" for those that are no secret.
func (v Variable) FileName() string {
	if !v.Secret {
		return ""
	}
	return v.Name + "_FILE"
}

// Table lists every variable in the order of Config.
func Table() []Variable { return slices.Clone(table()) }

var table = sync.OnceValue(func() []Variable {
	var out []Variable
	config := reflect.TypeFor[Config]()
	for g := range config.NumField() {
		group := config.Field(g).Type
		if group.Kind() != reflect.Struct {
			continue // Warnings
		}
		account := group == reflect.TypeFor[ECTicket]() || group == reflect.TypeFor[Pass2U]() || group == reflect.TypeFor[AccountsFile]()
		for i := range group.NumField() {
			f := group.Field(i)
			var parts []Part
			for _, p := range strings.Fields(f.Tag.Get("for")) {
				parts = append(parts, Part(p))
			}
			out = append(out, Variable{
				Name:    f.Tag.Get("env"),
				Default: f.Tag.Get("envDefault"),
				Meaning: f.Tag.Get("help"),
				Secret:  f.Type == reflect.TypeFor[Secret](),
				parts:   parts,
				account: account,
				group:   g,
				field:   i,
				kind:    f.Type,
			})
		}
	}
	return out
})

// WriteHelp prints the table as aligned text.
func WriteHelp(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range Table() {
		def := ""
		if v.Default != "" {
			def = " (default " + v.Default + ")"
		}
		if v.Secret {
			def += " (or " + v.FileName() + ")"
		}
		if _, err := fmt.Fprintf(tw, "  %s\t%s%s\n", v.Name, v.Meaning, def); err != nil {
			return err
		}
	}
	return tw.Flush()
}

// value is what c holds for v, as text; a Secret shows only whether it is set.
func (c Config) value(v Variable) string {
	return fmt.Sprint(reflect.ValueOf(c).Field(v.group).Field(v.field).Interface())
}

// String lists the settings, one NAME=value a line, secrets redacted.
func (c Config) String() string {
	var b strings.Builder
	for _, v := range Table() {
		fmt.Fprintf(&b, "%s=%s\n", v.Name, c.value(v))
	}
	return b.String()
}

// GoString is String.
func (c Config) GoString() string { return c.String() }

// LogValue groups the settings by name, secrets redacted.
func (c Config) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, v := range Table() {
		attrs = append(attrs, slog.String(v.Name, c.value(v)))
	}
	return slog.GroupValue(attrs...)
}

// MarshalJSON is an object of the settings by name, secrets redacted.
func (c Config) MarshalJSON() ([]byte, error) {
	out := map[string]string{}
	for _, v := range Table() {
		out[v.Name] = c.value(v)
	}
	return json.Marshal(out)
}
