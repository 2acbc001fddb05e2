package bulk

import (
	"bytes"
	"encoding/json"

	"issuance/internal/doccheck"
)

// Noted implements Format. A document gets the note as its last field. What is no document gets
// it behind itself, or in front where nothing else would show that the file holds documents.
func (l *lines) Noted(raw []byte, notes []string) []byte {
	note, err := json.Marshal(map[string][]string{Note: notes})
	if err != nil { // strings always have a JSON
		note = []byte("{}")
	}
	doc := bytes.Clone(stripNote(bytes.Trim(raw, " \t\r")))
	var fields map[string]json.RawMessage
	switch {
	case len(doc) == 0 || doc[0] != '{':
		return append(append(append(note, ' '), doc...), '\n')
	case json.Unmarshal(doc, &fields) != nil, len(fields) == 0: // a note alone would mean nothing
		return append(append(append(doc, ' '), note...), '\n')
	}
	doc = bytes.TrimRight(doc[:len(doc)-1], " \t\r")
	return append(append(append(doc, ','), note[1:]...), '\n')
}

// stripNote leaves out what Noted has written, wherever a JSON tool has put it since. Nothing is
// left of a line that was only a note.
func stripNote(doc []byte) []byte {
	if !bytes.Contains(doc, []byte(`"`+Note+`"`)) {
		return doc
	}
	if json.Valid(doc) {
		rest, dropped := doccheck.WithoutMember(doc, Note)
		if dropped && len(bytes.Trim(rest[1:len(rest)-1], " \t\r")) == 0 {
			return nil
		}
		return rest
	}
	if behind, ok := behindNote(doc); ok {
		return behind
	}
	return beforeNote(doc)
}

// behindNote is what follows a note that a line starts with.
func behindNote(doc []byte) (rest []byte, ok bool) {
	var note map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(doc))
	if dec.Decode(&note) != nil || len(note) != 1 || note[Note] == nil {
		return nil, false
	}
	return bytes.TrimLeft(doc[dec.InputOffset():], " \t\r"), true
}

// beforeNote is a line without the note behind it, which may be inside a text that is no document.
func beforeNote(doc []byte) []byte {
	at := bytes.LastIndex(doc, []byte(`"`+Note+`":[`))
	if at < 0 || !bytes.HasSuffix(doc, []byte("]}")) {
		return doc
	}
	var notes []string
	if json.Unmarshal(doc[at+len(`"`+Note+`":`):len(doc)-1], &notes) != nil {
		return doc // it is inside something else
	}
	before := doc[:at]
	switch {
	case bytes.HasSuffix(before, []byte(" {")): // behind what was no document
		return bytes.TrimRight(before[:len(before)-1], " ")
	case bytes.HasSuffix(before, []byte(",")):
		return append(bytes.Clone(before[:len(before)-1]), '}')
	}
	return append(bytes.Clone(before), '}')
}
