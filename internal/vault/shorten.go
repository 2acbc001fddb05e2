package vault

import (
	"bytes"
	"slices"
)

// Half of a typical request is the names of its fields. A document waits in Redis under many others, so
// before it is sealed each name that providers use often becomes one byte; a name that is not in the table
// stays as it is. Documents are well-formed JSON, which has no control characters beside tab and line ends,
// so the other control characters are free to stand for names.

// names are the fields that are shortened. Their places are part of what is stored: never change or reuse one.
var names = [...]string{
	2: "MerchantTradeNo", 3: "FreeTradeNo", 4: "MerchantID", 5: "IssueType", 6: "PrintType", 7: "IsImmediate", 8: "RefundNotifyURL",
	11: "UseStatusNotifyURL", 12: "StoreID", 14: "Operator", 15: "CustomerName", 16: "CustomerPhone", 17: "CustomerEmail",
	18: "CustomerAddress", 19: "TicketInfo", 20: "ItemNo", 21: "ItemName", 22: "TicketPrice", 23: "TicketAmount", 24: "StartDate",
	25: "ExpireDate", 26: "productSaleId", 27: "channelOrderId", 28: "mailTo", 29: "quantity", 30: "pickupType", 31: "TicketNo",
}

// The first byte says how the rest is to be read. Neither can begin a JSON text.
const (
	verbatim  = 0 // as it is
	shortened = 1 // with bytes in the place of names
)

var places = func() map[string]byte {
	m := map[string]byte{}
	for i, name := range names {
		if name != "" {
			m[name] = byte(i)
		}
	}
	return m
}()

// stands reports whether a byte may stand for a name, or begin what shorten makes.
func stands(b byte) bool { return b < ' ' && b != '\t' && b != '\n' && b != '\r' }

// shorten is undone by lengthen, whatever the text is.
func shorten(text []byte) []byte {
	out := make([]byte, 1, len(text)+1)
	if slices.ContainsFunc(text, stands) {
		out[0] = verbatim
		return append(out, text...)
	}
	out[0] = shortened
	for {
		before, rest, found := bytes.Cut(text, []byte{'"'})
		if out = append(out, before...); !found {
			return out
		}
		// The name in quotes, and a colon right behind it.
		if end := bytes.IndexByte(rest, '"'); end > 0 && end+1 < len(rest) && rest[end+1] == ':' {
			if place, known := places[string(rest[:end])]; known {
				out, text = append(out, place), rest[end+2:]
				continue
			}
		}
		out, text = append(out, '"'), rest
	}
}

// lengthen reads what shorten wrote, and any text that it did not write as it is.
func lengthen(s []byte) []byte {
	if len(s) == 0 || s[0] > shortened {
		return s
	}
	if s[0] == verbatim {
		return s[1:]
	}
	out := make([]byte, 0, 2*len(s))
	for _, b := range s[1:] {
		if !stands(b) || names[b] == "" {
			out = append(out, b)
			continue
		}
		out = append(append(append(out, '"'), names[b]...), '"', ':')
	}
	return out
}
