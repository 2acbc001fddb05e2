package doccheck

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"issuance/providers"
)

// read reads a document with the fields a, b and list, and returns what it found.
func read(doc string) (Object, *Check, bool) {
	var c Check
	o, ok := c.Object("request", json.RawMessage(doc), "a", "b", "list")
	return o, &c, ok
}

func paths(err *providers.InvalidError) []string {
	if err == nil {
		return nil
	}
	var out []string
	for _, v := range err.Violations {
		out = append(out, v.Path)
	}
	return out
}

// Every unknown field is reported at once, each with its path and what was probably meant.
func TestAllUnknownFieldsAreReported(t *testing.T) {
	o, c, ok := read(`{"a":1,"x":2,"A":3,"y":{"deep":1},"b":"v"}`)
	if !ok || !o.Has("a") || !o.Has("b") {
		t.Error("the known fields cannot be read")
	}
	err := c.Err()
	if got := paths(err); !slices.Equal(got, []string{"request.x", "request.A", "request.y"}) {
		t.Fatalf("reported: %v", got)
	}
	if v := err.Violations[0]; v.Rule != "is not a field here; known fields: a, b, list" || v.Shape != "unknown field" {
		t.Errorf("%+v", v)
	}
	if v := err.Violations[1]; v.Rule != "is not a field here; write a" {
		t.Errorf("a slip of the shift key: %+v", v)
	}
}

// A field given twice is refused: which of the two is meant, nobody knows. Neither is a null or an
// empty one forgotten.
func TestAFieldGivenTwiceIsRefused(t *testing.T) {
	for _, doc := range []string{`{"a":1,"a":2}`, `{"a":null,"a":2}`, `{"a":"","a":2}`, `{"a":1,"a":1}`, `{"a":1,"\u0061":2}`} {
		_, c, _ := read(doc)
		if err := c.Err(); err == nil || len(err.Violations) != 1 || err.Violations[0].Path != "request.a" || err.Violations[0].Rule != "must be given only once" {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

// What is no JSON object is refused, whatever it is, and what follows one is not overlooked.
func TestOnlyOneObjectIsADocument(t *testing.T) {
	for _, doc := range []string{"", " ", "null", "1", `"a"`, "true", "[]", "[{}]", "{", `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a" 1}`,
		`{1:2}`, `{a:1}`, `{]`, `{"a":}`, `{"a":1 "b":2}`, `{"a":01}`, `{"a":nul}`, "{'a':1}", `{"a":"` + "\n" + `"}`,
		`{}{}`, `{} x`, `{"a":1}]`, `{"a":1},`, `{} null`, "\ufeff{}"} {
		_, c, ok := read(doc)
		if err := c.Err(); ok || err == nil || len(err.Violations) != 1 || !strings.HasPrefix(err.Violations[0].Path, "request") {
			t.Errorf("%q: ok %t, %v", doc, ok, err)
		}
	}
	for _, doc := range []string{"{}", " {\n} \n", `{"a":{"x":[1,{"y":null}]}}`} {
		if _, c, ok := read(doc); !ok || !c.OK() {
			t.Errorf("%q: %v", doc, c.Err())
		}
	}
	var c Check
	if _, ok := c.Object("", json.RawMessage("[]"), "a"); ok || c.Err().Violations[0].Path != "document" {
		t.Error("a document without a path is called so")
	}
	if o, _ := c.Object("", json.RawMessage(`{"a":1}`), "a"); o.Path("a") != "a" {
		t.Errorf("path %q", o.Path("a"))
	}
}

// null and "" count as absent, as they do at the providers; false, 0 and empty collections do not.
func TestWhatCountsAsAbsent(t *testing.T) {
	for value, has := range map[string]bool{"null": false, `""`: false, ` "" `: false, "0": true, "false": true, "[]": true, "{}": true,
		`" "`: true, `"null"`: true} {
		o, c, _ := read(`{"a":` + value + `}`)
		if o.Has("a") != has || o.Has("b") || !c.OK() {
			t.Errorf("%s: has %t", value, o.Has("a"))
		}
		if got := o.Require("a", "is required"); got != has || c.OK() != has {
			t.Errorf("%s: required %t, %v", value, got, c.Err())
		}
		c = &Check{}
		o, _ = c.Object("", json.RawMessage(`{"a":`+value+`}`), "a")
		if o.Forbid("a", "must be left out"); c.OK() != !has {
			t.Errorf("%s: forbidden, %v", value, c.Err())
		}
	}
	var none Object
	if none.Has("a") || none.Raw("a") != nil {
		t.Error("the zero object has fields")
	}
}

// Each accessor takes its own type and refuses every other with one violation that holds the shape.
func TestWrongTypesAreReported(t *testing.T) {
	values := map[string]string{"string": `"x"`, "int": "12", "float": "1.5", "exponent": "1e2", "huge": "99999999999999999999999", "bool": "true",
		"array": `["p","q"]`, "object": `{"k":"v"}`}
	accessors := map[string]struct {
		read  func(o Object) bool
		takes []string
		rule  string
	}{
		"String": {func(o Object) bool { s, ok := o.String("a"); return ok && s == "x" }, []string{"string"}, "must be a string"},
		"Int":    {func(o Object) bool { n, ok := o.Int("a"); return ok && n == 12 }, []string{"int"}, "must be a whole number"},
		"Bool":   {func(o Object) bool { b, ok := o.Bool("a"); return ok && b }, []string{"bool"}, "must be true or false"},
		"Array":  {func(o Object) bool { l, ok := o.Array("a"); return ok && len(l) == 2 && string(l[1]) == `"q"` }, []string{"array"}, "must be an array"},
	}
	for name, a := range accessors {
		for kind, value := range values {
			o, c, _ := read(`{"a":` + value + `}`)
			want := slices.Contains(a.takes, kind)
			if got := a.read(o); got != want || c.OK() != want {
				t.Errorf("%s of %s: %t, %v", name, kind, got, c.Err())
			}
			if err := c.Err(); !want && (len(err.Violations) != 1 || err.Violations[0].Rule != a.rule || err.Violations[0].Shape != Shape(json.RawMessage(value))) {
				t.Errorf("%s of %s: %v", name, kind, err)
			}
		}
		o, c, _ := read(`{"b":1}`)
		if a.read(o) || !c.OK() {
			t.Errorf("%s of an absent field: %v", name, c.Err())
		}
	}
}

// What several elements of an array break in the same way is reported once, with all their paths; what
// differs is reported separately.
func TestElementsThatBreakOneRuleAreReportedTogether(t *testing.T) {
	var c Check
	for i := range 3 {
		c.Violate(fmt.Sprintf("r.list[%d].x", i), "must be even", "number 1")
	}
	c.Violate("r.list[3].x", "must be even", "number 3")
	c.Violate("r.list[1].y", "must be even", "number 1")
	c.Violate("r.list[0].x", "must be small", "number 1")
	c.Violate("r.list[2].x", "must be even", "number 1") // once more
	c.Violate("r.z", "must be even", "number 1")
	c.Violate("r.z", "must be even", "number 1")
	want := []providers.Violation{
		{Path: "r.list[0].x, r.list[1].x, r.list[2].x", Rule: "must be even", Shape: "number 1"},
		{Path: "r.list[3].x", Rule: "must be even", Shape: "number 3"},
		{Path: "r.list[1].y", Rule: "must be even", Shape: "number 1"},
		{Path: "r.list[0].x", Rule: "must be small", Shape: "number 1"},
		{Path: "r.z", Rule: "must be even", Shape: "number 1"},
	}
	if got := c.Err(); !slices.Equal(got.Violations, want) {
		t.Errorf("got  %+v\nwant %+v", got.Violations, want)
	}
	if again := c.Err(); !slices.Equal(again.Violations, want) {
		t.Errorf("asked twice, it reports %+v", again.Violations)
	}
	var all Check
	all.Add(nil)
	if all.OK(); all.Err() != nil {
		t.Error("nothing found is an error")
	}
	all.Add(c.Err())
	if got := all.Err(); len(got.Violations) != len(want) {
		t.Errorf("taken over: %v", got)
	}
}

// A shape says what is there and never the value: of what is no kind by itself, it says only the
// length.
func TestShapesDescribeWithoutTheValue(t *testing.T) {
	for value, want := range map[string]string{
		"": "missing", "  ": "missing", "null": "null", "true": "boolean", "false": "boolean",
		"0": "number of 1 character", "-3": "number of 2 characters", "9999": "number of 4 characters", "10000": "number of 5 characters",
		"0912345678": "not JSON", "912345678": "number of 9 characters", "1.25": "number of 4 characters",
		"99999999999999999999": "number of 20 characters", "-10000": "number of 6 characters", "1e3": "number of 3 characters",
		`""`: "empty string", `"x"`: "string of 1 character", `"王珊珊"`: "string of 3 characters", `"\u738b"`: "string of 1 character",
		"[]": "array of 0", `["a",{"b":1}]`: "array of 2", "{}": "object", `{"a":"b"}`: "object", "{": "not JSON",
	} {
		if got := Shape(json.RawMessage(value)); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

// Nothing of a customer's data stands in an error, whichever rule it breaks.
func TestErrorsNeverHoldValues(t *testing.T) {
	const canary = "CANARY-王珊珊-0912345678"
	for _, doc := range []string{
		`{"a":"` + canary + `","x":"` + canary + `","list":["` + canary + `"]}`,
		`{"a":["` + canary + `"],"list":{"k":"` + canary + `"},"b":"` + canary + `"}`,
		`{"a":{"` + canary + `":1},"a":"` + canary + `"}`,
		`{"a":"` + canary, `{"a":"` + canary + `"} "` + canary + `"`, `["` + canary + `"]`, `"` + canary + `"`, `{"a":` + canary + `}`,
	} {
		o, c, ok := read(doc)
		if ok {
			o.Int("a")
			o.Bool("a")
			o.Array("b")
			o.Int("list")
			o.Violate("a", "must be another")
			o.Forbid("b", "must be left out")
		}
		err := c.Err()
		if err == nil {
			t.Errorf("%s breaks no rule", doc)
			continue
		}
		raw, _ := json.Marshal(err)
		for _, text := range []string{err.Error(), string(raw), fmt.Sprintf("%+v", err.Violations)} {
			if strings.Contains(text, "CANARY") || strings.Contains(text, "王") || strings.Contains(text, "0912") {
				t.Errorf("%s: %s", doc, text)
			}
		}
	}
}

// What is no name by its looks may be a customer's, so an unknown field of such a name is not shown.
func TestUnknownFieldsAreNamedOnlyWhereTheyLookLikeNames(t *testing.T) {
	for name, want := range map[string]string{"Ticket_Amount2": "request.Ticket_Amount2 unknown field", "王小明 A123456789": "request unknown field with a name of 14 characters",
		"0912345678": "request unknown field with a name of 10 characters", `a\nb`: "request unknown field with a name of 3 characters", "": "request unknown field with a name of 0 characters",
		strings.Repeat("a", 41): "request unknown field with a name of 41 characters"} {
		_, c, _ := read(`{"` + name + `":1}`)
		if v := c.Err().Violations; len(v) != 1 || v[0].Path+" "+v[0].Shape != want {
			t.Errorf("%q is shown as %+v", name, v)
		}
	}
}

// A document nested without end is refused, not followed.
func TestDeepNestingIsRefused(t *testing.T) {
	for _, open := range []string{"[", `{"a":`} {
		deep := `{"a":` + strings.Repeat(open, 100_000)
		if _, c, ok := read(deep); ok || c.OK() {
			t.Error("taken")
		}
	}
	within := `{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`
	if o, c, ok := read(within); !ok || !c.OK() || Shape(o.Raw("a")) != "array of 1" {
		t.Errorf("a thousand levels: %v", c.Err())
	}
	if got := Shape(json.RawMessage(strings.Repeat("[", 100_000))); got != "not JSON" {
		t.Errorf("its shape: %s", got)
	}
}
