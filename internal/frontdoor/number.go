package frontdoor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
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
	if !known {
		return out, nil // the parser says what is wrong with it
	}
	in, ok := numbersOf(codec, request)
	if !ok {
		return out, nil // as above
	}
	if len(in.own) > 0 {
		var text string
		if number != "" && json.Unmarshal(in.own[0].value, &text) == nil && text != number {
			out.wrong = append(out.wrong, ProblemViolation{Where: inBody, Pointer: "/" + in.own[0].field, Rule: "must be the number in the path, or be left out", Shape: "another number"})
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

// numbers are the fields of a request for the number of its order, in the codec's order.
type numbers struct {
	own   []ownNumber // with a number, or something else in place of one
	null  []string
	empty []string // with an empty text
}

type ownNumber struct {
	field string
	value json.RawMessage
}

// numbersOf reads them. ok is false of what is no object, and where one of them stands twice, of which reading would keep the
// last: the parser says so.
func numbersOf(codec providers.Codec, request []byte) (n numbers, ok bool) {
	var whole map[string]json.RawMessage
	if json.Unmarshal(request, &whole) != nil || whole == nil {
		return numbers{}, false
	}
	times := map[string]int{}
	d := json.NewDecoder(bytes.NewReader(request))
	_, _ = d.Token() // it was read, so that nothing of it can fail
	for d.More() {
		name, _ := d.Token()
		_ = d.Decode(new(json.RawMessage))
		field, _ := name.(string)
		times[field]++
	}
	for _, id := range codec.Columns.IDs {
		switch value, there := whole[id]; {
		case times[id] > 1:
			return numbers{}, false
		case !there:
		case string(value) == "null":
			n.null = append(n.null, id)
		case string(value) == `""`:
			n.empty = append(n.empty, id)
		default:
			n.own = append(n.own, ownNumber{id, value})
		}
	}
	return n, true
}

// reserved is the one field for numbers that stands empty in a request, by which its author says where the number belongs;
// "" where there is none, or several.
func reserved(codec providers.Codec, request []byte) string {
	if n, _ := numbersOf(codec, request); len(n.empty) == 1 {
		return n.empty[0]
	}
	return ""
}

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
