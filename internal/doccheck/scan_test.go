package doccheck

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
)

// decode is WellFormedObject by encoding/json's Decoder.
func (c *Check) decode(path string, raw json.RawMessage, known []string) (o Object, ok bool) {
	o = Object{check: c, path: path}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, _ := dec.Token(); t != json.Delim('{') {
		c.Violate(path, "must be a JSON object", Shape(raw))
		return o, false
	}
	for dec.More() {
		name, _ := dec.Token()
		var value json.RawMessage
		_ = dec.Decode(&value) // the text is well-formed
		o.take(name.(string), slices.Contains(known, name.(string)), value, known)
	}
	return o, true
}

// The quick way through a well-formed text finds the same fields, elements and violations as
// encoding/json's Decoder.
func FuzzTheQuickScanReadsLikeTheDecoder(f *testing.F) {
	for _, s := range []string{`{}`, ` { "a" : [ 1 , "x]" , {"b":"}"} ] , "b":"\"" } `, `{"\u0061":"\\","b":null,"c":1,"a":2}`,
		`[]`, `"{"`, `{"list":[[],{},"",-1.5e3,true]}`, "{\"b\":\"\xff\"}", `{"a":123456789,"b":1234567890}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		known := []string{"a", "b", "list"}
		var quick, slow Check
		q, qok := quick.WellFormedObject("request", raw, known...)
		s, sok := slow.decode("request", raw, known)
		for _, name := range known {
			if string(q.Raw(name)) != string(s.Raw(name)) {
				t.Fatalf("%q: %s is %q, the decoder says %q", raw, name, q.Raw(name), s.Raw(name))
			}
			var want []json.RawMessage
			got, ok := q.Array(name)
			if err := json.Unmarshal(s.Raw(name), &want); ok && (err != nil || len(got) != len(want)) {
				t.Fatalf("%q: %s has %d elements, the decoder finds %d (%v)", raw, name, len(got), len(want), err)
			}
			for i := range got {
				if string(got[i]) != string(want[i]) {
					t.Fatalf("%q: %s[%d] is %q, the decoder says %q", raw, name, i, got[i], want[i])
				}
			}
			var text string
			if got, ok := q.String(name); ok && (json.Unmarshal(s.Raw(name), &text) != nil || got != text) {
				t.Fatalf("%q: %s is the string %q, the decoder says %q", raw, name, got, text)
			}
			var n int
			if got, ok := q.Int(name); ok && (json.Unmarshal(s.Raw(name), &n) != nil || got != n) {
				t.Fatalf("%q: %s is the number %d, the decoder says %d", raw, name, got, n)
			}
			s.Array(name)
			s.String(name)
			s.Int(name)
		}
		if qok != sok || !reflect.DeepEqual(quick.Err(), slow.Err()) {
			t.Fatalf("%q: %t %v, the decoder says %t %v", raw, qok, quick.Err(), sok, slow.Err())
		}
	})
}
