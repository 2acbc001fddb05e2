package frontdoor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"issuance/internal/doccheck"
	"issuance/providers"
	"issuance/tasks"
)

// numberedBody is a body with the number of its order.
type numberedBody struct {
	request []byte
	wrong   []ProblemViolation
	filled  string // pointer to the number, where it is the path's; "" where the body has its own
}

// numberField finds the field of a request in which the number of its order belongs.
type numberField func(codec providers.Codec, request []byte) (string, error)

// shownField is the field that the rest of an order's request shows.
func shownField(codec providers.Codec, request []byte) (string, error) {
	if codec.NumberField == nil {
		return codec.Columns.IDs[0], nil
	}
	return codec.NumberField(request), nil
}

// recordedField finds the field in which the record of an order has the number; of an order that is not recorded here, it is
// the one that stands empty in the request, or else the first one.
func (s *Server) recordedField(ctx context.Context, a tasks.Account, orderID string) numberField {
	return func(codec providers.Codec, request []byte) (string, error) {
		if codec.NumberField == nil {
			return codec.Columns.IDs[0], nil
		}
		field, err := s.Client.NumberField(ctx, tasks.Ref{Account: a, OrderID: orderID})
		return cmp.Or(field, reserved(codec, request), codec.Columns.IDs[0]), err
	}
}

// numbered puts the order's number into a request that has none. Its error is that the field of the number was not found out.
func numbered(p providers.Name, request []byte, number string, field numberField) (numberedBody, error) {
	request, marked := unmarked(request)
	out := numberedBody{request: request, wrong: marked}
	codec, known := providers.CodecOf(p)
	var fields map[string]json.RawMessage
	if !known || json.Unmarshal(request, &fields) != nil || fields == nil {
		return out, nil // the parser says what is wrong with it
	}
	if repeated(codec, request) {
		return out, nil // as above
	}
	maps.DeleteFunc(fields, func(_ string, raw json.RawMessage) bool { return string(raw) == "null" }) // as one that is left out
	if own := numbersOf(codec, fields); len(own) > 0 {
		var text string
		if number != "" && json.Unmarshal(fields[own[0]], &text) == nil && text != number {
			out.wrong = append(out.wrong, ProblemViolation{Where: inBody, Pointer: "/" + own[0], Rule: "must be the number in the path, or be left out", Shape: "another number"})
		}
		return out, nil
	}
	name, err := field(codec, request)
	if err != nil {
		return out, err
	}
	out.filled = "/" + name
	out.request = filled(codec, request, name, number)
	return out, nil
}

// violations are those of the number and of the document. A number that the body does not have is the path's.
func (b numberedBody) violations(err error) []ProblemViolation {
	list := b.wrong
	if err == nil {
		return list
	}
	for _, v := range explain(err, accountInPath).Violations {
		if v.Pointer == b.filled && b.filled != "" {
			v.Where, v.Pointer = "path order_id", ""
		}
		list = append(list, v)
	}
	return list
}

// numbersOf are the fields of a request that hold a number of its order, or something else in place of one.
func numbersOf(codec providers.Codec, fields map[string]json.RawMessage) (own []string) {
	for _, id := range codec.Columns.IDs {
		if raw, there := fields[id]; there && !empty(raw) {
			own = append(own, id)
		}
	}
	return own
}

// repeated reports whether a request has a field for numbers twice, of which reading keeps the last.
func repeated(codec providers.Codec, request []byte) bool {
	seen := map[string]bool{}
	d := json.NewDecoder(bytes.NewReader(request))
	_, _ = d.Token() // the caller has read the request, so that nothing of it can fail
	for d.More() {
		name, _ := d.Token()
		var value json.RawMessage
		_ = d.Decode(&value)
		if id, _ := name.(string); slices.Contains(codec.Columns.IDs, id) {
			if seen[id] {
				return true
			}
			seen[id] = true
		}
	}
	return false
}

// reserved is the one field for numbers that stands empty in a request, by which its author says where the number belongs;
// "" where there is none, or several.
func reserved(codec providers.Codec, request []byte) string {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(request, &fields) // the caller has read it
	var list []string
	for _, id := range codec.Columns.IDs {
		if raw, there := fields[id]; there && empty(raw) {
			list = append(list, id)
		}
	}
	if len(list) != 1 {
		return ""
	}
	return list[0]
}

func empty(raw json.RawMessage) bool { return string(raw) == `""` }

// filled is a request without a number, which has one now in a field.
func filled(codec providers.Codec, request []byte, field, number string) []byte {
	for _, id := range codec.Columns.IDs {
		if without, had := doccheck.WithoutMember(request, id); had {
			request = without
		}
	}
	return inserted(request, field, number)
}

// inserted adds a field at the beginning of a JSON object.
func inserted(object []byte, name, value string) []byte {
	field, _ := json.Marshal(map[string]string{name: value}) // strings cannot fail
	rest := bytes.TrimSpace(object)[1:]
	out := slices.Concat(field[:len(field)-1], []byte(","), rest)
	if bytes.HasPrefix(bytes.TrimSpace(rest), []byte("}")) {
		out = slices.Concat(field[:len(field)-1], rest)
	}
	return out
}
