package bulk

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"issuance/providers"
	"issuance/tasks"
)

// lines is the format of an NDJSON file: one document a line.
type lines struct {
	// account wraps bare requests; zero: every document names its own.
	account tasks.Account
	// explain says what a document lacks that looks like a bare request, or like a wrapped one
	// where a bare one is wanted; nil when there is no more to say than its violations do.
	explain func(json.RawMessage) error
}

// Order implements Format.
func (l *lines) Order(raw []byte, rules tasks.Rules) (o *tasks.Order, problems []Problem) {
	doc := stripNote(bytes.Trim(raw, " \t\r"))
	if len(doc) == 0 {
		return nil, nil
	}
	var err error
	if l.account.IsZero() {
		o, err = tasks.ParseOrder(doc, rules)
	} else {
		o, err = tasks.ParseRequest(l.account, doc, rules, false)
	}
	if err != nil {
		return nil, problemsOf(l, raw, err)
	}
	return o, nil
}

// Problems implements Format.
func (l *lines) Problems(raw []byte, found []providers.Violation) []Problem {
	doc := stripNote(bytes.Trim(raw, " \t\r"))
	switch {
	case json.Valid(doc):
	case utf8.Valid(doc):
		return wrong("must be one JSON document in one line")
	default: // characters of another encoding may hold a backslash or a bracket
		return []Problem{{Rule: "must be one JSON document in one line, in UTF-8", Shape: "text in another encoding"}}
	}
	if IsRefund(doc) {
		return wrong(refundLine)
	}
	if l.explain != nil {
		if err := l.explain(doc); err != nil {
			return wrong(err.Error())
		}
	}
	var problems []Problem
	for _, v := range found {
		p := violated(v, func(path string) string {
			if l.account.IsZero() {
				return path
			}
			return strings.TrimPrefix(path, "request.") // the envelope is ours, its names would mislead
		})
		p.IsPath = true
		problems = append(problems, p)
	}
	return problems
}

// ID implements Format.
func (l *lines) ID(raw []byte) (id ID, ok bool) {
	request, a := json.RawMessage(stripNote(bytes.Trim(raw, " \t\r"))), l.account
	if a.IsZero() {
		var wrapped struct {
			Provider providers.Name
			Account  string
			Request  json.RawMessage
		}
		if json.Unmarshal(request, &wrapped) != nil {
			return ID{}, false
		}
		a.Provider, request = wrapped.Provider, wrapped.Request
		if wrapped.Account != string(a.Provider) {
			a.Merchant = strings.TrimPrefix(wrapped.Account, string(a.Provider)+":")
		}
	}
	codec, known := providers.CodecOf(a.Provider)
	if !known {
		return ID{}, false
	}
	return idOf(codec, a.Merchant, request)
}

// Number implements Format.
func (l *lines) Number(raw []byte) (ref tasks.Ref, ok bool) {
	id, ok := l.ID(raw)
	return tasks.Ref{Account: id.Account, OrderID: id.OrderID}, ok
}

// Header implements Format.
func (l *lines) Header() []byte { return nil }

// appendString appends a text as JSON.
func appendString(out, text []byte) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < ' ':
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}
