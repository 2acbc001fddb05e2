package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
)

// respelled is a document written otherwise: other white space, the members of objects in reverse
// order, every letter of strings as an escape, and an absent field said to be null.
func respelled(t testing.TB, doc json.RawMessage) json.RawMessage {
	t.Helper()
	var v any
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return append(spell(nil, v), '\n')
}

func spell(out []byte, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		out = append(out, " {\r\n"...)
		names := slices.Sorted(maps.Keys(v))
		for i, name := range slices.Backward(names) {
			out = append(spell(out, name), "\t:"...)
			if out = spell(out, v[name]); i > 0 {
				out = append(out, " ,"...)
			}
		}
		return append(out, " }"...)
	case []any:
		out = append(out, "[ "...)
		for i, element := range v {
			if i > 0 {
				out = append(out, ",\n"...)
			}
			out = spell(out, element)
		}
		return append(out, " ]"...)
	case string:
		out = append(out, '"')
		for _, r := range v {
			if r < 0x10000 {
				out = fmt.Appendf(out, `\u%04X`, r)
			} else {
				out = append(out, string(r)...)
			}
		}
		return append(out, '"')
	default:
		raw, _ := json.Marshal(v) // a number, true, false or null
		return append(out, raw...)
	}
}

// with is a document with one more, or another, field.
func with(t testing.TB, doc json.RawMessage, field string, value any) json.RawMessage {
	t.Helper()
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(doc, &fields); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	fields[field] = raw
	return object(t, fields)
}

func object(t testing.TB, fields map[string]json.RawMessage) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// fields are the names of a document's fields.
func fields(t testing.TB, doc json.RawMessage) []string {
	t.Helper()
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(doc, &all); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(all))
}
