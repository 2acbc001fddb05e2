package ecticket

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"issuance/providers"
)

// What ECPay publishes in part, or contradicts itself in, a merchant can set: paths, the meaning of
// RtnCodes, and the body of Refund. Each is written as NAME=VALUE, separated by commas; spaces around
// names and values mean nothing. The Parse functions report every mistake at once, and return nil for
// an empty text.

// Meaning is what a RtnCode other than 1 says.
type Meaning string

// Meanings of a RtnCode.
const (
	// MeansRejected: a definite business rejection. Default.
	MeansRejected Meaning = "rejected"
	// MeansNotSent: ECTicket certainly did nothing; the same call may be sent again.
	MeansNotSent Meaning = "not_sent"
	// MeansUnknown: the call may have taken effect.
	MeansUnknown Meaning = "unknown"
	// MeansHeld: ECTicket refuses this caller, not this order; somebody has to act.
	MeansHeld Meaning = "held"
	// MeansNotFound: there is no such order. Where one code is known to mean that, no other
	// rejection of a look-up is taken for it.
	MeansNotFound Meaning = "not_found"
	// MeansExists: the order number is taken.
	MeansExists Meaning = "exists"
)

// Meanings lists every meaning.
func Meanings() []Meaning {
	return []Meaning{MeansRejected, MeansNotSent, MeansUnknown, MeansHeld, MeansNotFound, MeansExists}
}

// kind is how a call ended that was answered with a code of this meaning.
func (m Meaning) kind() providers.Kind {
	switch m {
	case MeansNotSent:
		return providers.NotSent
	case MeansUnknown, MeansExists:
		return providers.Unknown
	case MeansHeld:
		return providers.Held
	default:
		return providers.Rejected
	}
}

// ParsePaths reads Config.Paths: CALL=PATH, such as "Refund=/api/issuance/Refund".
func ParsePaths(text string) (map[Op]string, error) {
	pairs, err := parsePairs(text, "CALL=PATH")
	paths := map[Op]string{}
	for _, p := range pairs {
		op := Op(p.name)
		if _, twice := paths[op]; twice {
			err = errors.Join(err, fmt.Errorf("%s is given twice", p.name))
		}
		paths[op] = p.value
	}
	return parsed(paths, errors.Join(err, checkPaths(paths)))
}

// ParseCodes reads Config.Codes: MEANING=RTNCODE, such as "not_found=10200047,exists=10200050". A
// meaning may be given several times.
func ParseCodes(text string) (map[string]Meaning, error) {
	pairs, err := parsePairs(text, "MEANING=RTNCODE")
	codes := map[string]Meaning{}
	for _, p := range pairs {
		if _, twice := codes[p.value]; twice {
			err = errors.Join(err, fmt.Errorf("code %s is given twice", p.value))
		}
		codes[p.value] = Meaning(p.name)
	}
	return parsed(codes, errors.Join(err, checkCodes(codes)))
}

// ParseRefundFields reads Config.RefundFields: FIELD=TEMPLATE, such as "TicketNo={TicketNo},Action=1".
func ParseRefundFields(text string) (map[string]string, error) {
	pairs, err := parsePairs(text, "FIELD=VALUE")
	fields := map[string]string{}
	for _, p := range pairs {
		if _, twice := fields[p.name]; twice {
			err = errors.Join(err, fmt.Errorf("%s is given twice", p.name))
		}
		fields[p.name] = p.value
	}
	if len(pairs) > 0 {
		err = errors.Join(err, checkRefundFields(fields))
	}
	return parsed(fields, err)
}

type pair struct{ name, value string }

func parsePairs(text, form string) (pairs []pair, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	for i, part := range strings.Split(text, ",") {
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || value == "" {
			err = errors.Join(err, fmt.Errorf("entry %d must be %s", i+1, form))
			continue
		}
		pairs = append(pairs, pair{name, value})
	}
	return pairs, err
}

// parsed is m, or nil when there is nothing in it or something wrong with it.
func parsed[K comparable, V any](m map[K]V, err error) (map[K]V, error) {
	if err != nil || len(m) == 0 {
		return nil, err
	}
	return m, nil
}

func checkPaths(overrides map[Op]string) (err error) {
	known := paths(Pure, nil)
	for _, op := range slices.Sorted(maps.Keys(overrides)) {
		if _, ok := known[op]; !ok {
			err = errors.Join(err, fmt.Errorf("%q must be one of %s", op, listed(slices.Sorted(maps.Keys(known)))))
		}
		if path := overrides[op]; !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?# ") {
			err = errors.Join(err, fmt.Errorf("the path of %s must start with / and hold no ?, # or space", op))
		}
	}
	return err
}

var rtnCode = regexp.MustCompile(`^-?[0-9]{1,10}$`)

func checkCodes(codes map[string]Meaning) (err error) {
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		switch {
		case !rtnCode.MatchString(code):
			err = errors.Join(err, fmt.Errorf("%q must be a RtnCode, a whole number", code))
		case code == "1":
			err = errors.Join(err, errors.New("1 is success and cannot be changed"))
		case !slices.Contains(Meanings(), codes[code]):
			err = errors.Join(err, fmt.Errorf("code %s: %q must be one of %s", code, codes[code], listed(Meanings())))
		}
	}
	return err
}

func listed[T ~string](values []T) string {
	var texts []string
	for _, v := range values {
		texts = append(texts, string(v))
	}
	return strings.Join(texts, ", ")
}

// actionRefund is the Action of Refund that refunds; "2" takes a refund back, which this client
// never does: between two calls it could undo somebody else's refund.
const actionRefund = "1"

func defaultRefundFields() map[string]string {
	return map[string]string{"TicketNo": "{TicketNo}", "Action": actionRefund, "Operator": "{Operator}", "StoreID": "{StoreID}"}
}

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

func checkRefundFields(fields map[string]string) (err error) {
	named := false
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		for _, p := range placeholder.FindAllString(fields[name], -1) {
			switch p {
			case "{TicketNo}":
				named = true
			case "{Operator}", "{StoreID}":
			default:
				err = errors.Join(err, fmt.Errorf("%s holds %s; use {TicketNo}, {Operator} or {StoreID}", name, p))
			}
		}
	}
	if !named {
		err = errors.Join(err, errors.New("one field must hold {TicketNo}, or the wrong ticket could be refunded"))
	}
	if action, ok := fields["Action"]; ok && action != actionRefund {
		err = errors.Join(err, errors.New(`the field Action must be "1" (refund); this client does not take refunds back`))
	}
	return err
}
