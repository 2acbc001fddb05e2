// Package doccheck reads JSON documents strictly and collects every rule they break, each with
// its JSON path and the shape of what was found, never the value itself. It is the one place that
// says where a text breaks that is no JSON (WellFormed, Value).
//
// It is used by the document packages of the providers, by package tasks and by the command line; it
// imports only package providers.
package doccheck

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"issuance/providers"
)

// Check collects violations. The zero value is ready. Not safe for concurrent use.
type Check struct{ found []providers.Violation }

// Violate records that the field at path breaks rule; shape describes what was found.
func (c *Check) Violate(path, rule, shape string) {
	c.found = append(c.found, providers.Violation{Path: path, Rule: rule, Shape: shape})
}

// Add takes over the violations of err when it is an *providers.InvalidError.
func (c *Check) Add(err *providers.InvalidError) {
	if err != nil {
		c.found = append(c.found, err.Violations...)
	}
}

// OK reports whether nothing has been found yet.
func (c *Check) OK() bool { return len(c.found) == 0 }

// Err returns every violation found, or nil. Violations that several elements of one array
// share (same field, rule and shape) are reported once, with all their paths.
func (c *Check) Err() *providers.InvalidError {
	if len(c.found) == 0 {
		return nil
	}
	type key struct{ field, rule, shape string }
	at := map[key]int{}
	var out []providers.Violation
	for _, v := range c.found {
		k := key{anyIndex.ReplaceAllString(v.Path, "[]"), v.Rule, v.Shape}
		if i, seen := at[k]; seen && k.field != v.Path {
			if out[i].Path != v.Path && !strings.HasSuffix(out[i].Path, ", "+v.Path) {
				out[i].Path += ", " + v.Path
			}
			continue
		} else if seen {
			continue
		}
		at[k] = len(out)
		out = append(out, v)
	}
	return &providers.InvalidError{Violations: out}
}

var anyIndex = regexp.MustCompile(`\[\d+\]`)

// Object is one JSON object of the document.
type Object struct {
	check  *Check
	path   string
	fields []field
}

// Object reads raw as an object that may hold only the known fields. Anything else, a field
// given twice included, is recorded. ok is false when raw is no object, or no JSON. The fields are
// parts of raw, which must not be changed afterwards.
func (c *Check) Object(path string, raw json.RawMessage, known ...string) (o Object, ok bool) {
	if !c.WellFormed(path, raw) {
		return Object{check: c, path: path}, false
	}
	return c.WellFormedObject(path, raw, known...)
}

// WellFormedObject is Object for a text of which the caller knows that it is well-formed JSON,
// such as a field's or an element's. Any other may make it panic.
func (c *Check) WellFormedObject(path string, raw json.RawMessage, known ...string) (o Object, ok bool) {
	o = Object{check: c, path: path}
	s := scan{text: raw}
	if s.space(); s.pos == len(raw) || raw[s.pos] != '{' {
		at := path
		if at == "" {
			at = "document"
		}
		c.Violate(at, "must be a JSON object", Shape(raw))
		return o, false
	}
	o.fields = make([]field, 0, min(len(known), 8))
	for s.next() {
		name, isKnown := s.name(known)
		o.take(name, isKnown, s.value(), known)
	}
	return o, true
}

// take adds a field, or records what is wrong with it.
func (o *Object) take(name string, isKnown bool, value json.RawMessage, known []string) {
	switch {
	case !isKnown:
		o.unknown(name, known)
	case o.Raw(name) != nil:
		o.check.Violate(o.Path(name), "must be given only once", "given twice")
	default:
		o.fields = append(o.fields, field{name, value})
	}
}

// unknownRule names the field that was probably meant.
func unknownRule(field string, known []string) string {
	for _, k := range known {
		if strings.EqualFold(k, field) {
			return fmt.Sprintf("is not a field here; write %s", k)
		}
	}
	sorted := strings.Join(slices.Sorted(slices.Values(known)), ", ")
	if !likeName.MatchString(field) {
		return "must hold known fields alone: " + sorted
	}
	return "is not a field here; known fields: " + sorted
}

// likeName is what may be shown of a field that nobody knows: where a document is malformed, customers' data stands for
// names, too.
var likeName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)

// unknown records a field that is none of the known ones.
func (o *Object) unknown(name string, known []string) {
	shape := "unknown field"
	if !likeName.MatchString(name) {
		shape = "unknown field with a name of " + characters(utf8.RuneCountInString(name))
	}
	o.check.Violate(o.at(name), unknownRule(name, known), shape)
}

// at is the path of a field that may not be known: the object's own where the name may be no name.
func (o Object) at(name string) string {
	if likeName.MatchString(name) {
		return o.Path(name)
	}
	return cmp.Or(o.path, "document")
}

// Path is the JSON path of the object's field name.
func (o Object) Path(name string) string {
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

// Raw returns a field as it stands, nil when it is missing.
func (o Object) Raw(name string) json.RawMessage {
	for _, f := range o.fields {
		if f.name == name {
			return f.raw
		}
	}
	return nil
}

// Has reports whether the field is there with a value: missing, null and "" count as absent,
// as they do at the providers.
func (o Object) Has(name string) bool { return Present(o.Raw(name)) }

// Present reports whether a value counts as there, see Object.Has.
func Present(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && !bytes.Equal(raw, []byte("null")) && !bytes.Equal(raw, []byte(`""`))
}

// Violate records that the field breaks rule.
func (o Object) Violate(name, rule string) {
	o.check.Violate(o.Path(name), rule, Shape(o.Raw(name)))
}

// ViolateMerchant is Violate of a field that names another merchant.
func (o Object) ViolateMerchant(name, rule, id string) {
	o.check.Violate(o.Path(name), rule, ShapeOfMerchant(id))
}

// Require records rule when the field is absent, and reports whether it is there.
func (o Object) Require(name, rule string) bool {
	if o.Has(name) {
		return true
	}
	o.Violate(name, rule)
	return false
}

// Forbid records rule when the field is there.
func (o Object) Forbid(name, rule string) {
	if o.Has(name) {
		o.Violate(name, rule)
	}
}

// String returns a field that must be a string. ok is false when it is absent or, then with
// a violation, of another type.
func (o Object) String(name string) (s string, ok bool) {
	raw := o.Raw(name)
	if !Present(raw) {
		return "", false
	}
	if s, ok = plain(raw); ok {
		return s, true
	}
	if raw[0] != '"' {
		o.Violate(name, "must be a string")
		return "", false
	}
	return decoded(raw), true
}

// Int returns a field that must be a whole number. ok is false when it is absent or, then with
// a violation, of another type.
func (o Object) Int(name string) (n int, ok bool) {
	raw := o.Raw(name)
	if !Present(raw) {
		return 0, false
	}
	if n, ok = digits(raw); ok {
		return n, true
	}
	if n, ok = whole(raw); !ok {
		o.Violate(name, "must be a whole number")
		return 0, false
	}
	return n, true
}

// Bool returns a field that must be true or false.
func (o Object) Bool(name string) (b, ok bool) {
	if !o.Has(name) {
		return false, false
	}
	if err := json.Unmarshal(o.Raw(name), &b); err != nil {
		o.Violate(name, "must be true or false")
		return false, false
	}
	return b, true
}

// Array returns a field that must be an array. ok is false when it is absent or, then with a
// violation, of another type.
func (o Object) Array(name string) (elements []json.RawMessage, ok bool) {
	raw := o.Raw(name)
	if !Present(raw) {
		return nil, false
	}
	if raw[0] != '[' {
		o.Violate(name, "must be an array")
		return nil, false
	}
	s := scan{text: raw}
	for s.next() {
		elements = append(elements, s.value())
	}
	return elements, true
}

// Shape describes a JSON value by its kind and length, without showing it.
func Shape(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "missing"
	}
	if !json.Valid(raw) { // the decoder alone would overlook what follows the value
		return "not JSON"
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return "not JSON"
	}
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case json.Number:
		return "number of " + characters(len(v))
	case string:
		return ShapeOf(v)
	case []any:
		return fmt.Sprintf("array of %d", len(v))
	default:
		return "object"
	}
}

// ShapeOf is the shape of a string.
func ShapeOf(s string) string {
	if s == "" {
		return "empty string"
	}
	return "string of " + characters(utf8.RuneCountInString(s))
}

var merchantID = regexp.MustCompile(`^[0-9A-Za-z]{1,10}$`)

// ShapeOfMerchant names a merchant, whose id is part of an account's name and no secret. Anything longer may be a key, or a
// customer's data, and is not shown.
func ShapeOfMerchant(id string) string {
	if merchantID.MatchString(id) {
		return "merchant " + id
	}
	return ShapeOf(id)
}

func characters(n int) string {
	if n == 1 {
		return "1 character"
	}
	return fmt.Sprintf("%d characters", n)
}
