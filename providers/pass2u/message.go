package pass2u

import (
	"regexp"
	"strings"

	"issuance/providers"
)

// Codes of Pass2U's error messages. Pass2U numbers none, so the names are ours.
const (
	CodeSaleUnknown         = "product_sale_id_does_not_exist"
	CodeSaleExpired         = "sale_campaign_has_expired"
	CodeRefUnknown          = "pass2u_order_id_does_not_exist"
	CodeQuantityNotEnough   = "quantity_not_enough"
	CodeExpirationFormat    = "expiration_date_format_error"
	CodeExpirationPast      = "expiration_date_before_now"
	CodePickupFormat        = "pickup_type_format_error"
	CodeRepeated            = "channel_order_id_repeated"
	CodeOrderUnknown        = "channel_order_id_does_not_exist"
	CodeCreateTradeFail     = "create_trade_fail"
	CodeQuantityFormat      = "quantity_format_error"
	CodeRefundableNotEnough = "refundable_quantity_not_enough"
	CodeInvalidQuery        = "invalid_query_criteria"
	CodeOops                = "oops_something_went_wrong"
)

// Codes of our own, besides those of internal/httpcall and "http_" with a status.
const (
	CodeCredentials   = "credentials_refused"   // the key or this machine's address is refused
	CodeUnreadable    = "unreadable_answer"     // not a JSON object of Pass2U's
	CodeUnknownText   = "unrecognised_message"  // an error message that no document lists
	CodeContradictory = "contradictory_answer"  // a confirmation with an error message
	CodeUnauthentic   = "unauthentic_answer"    // the answer is about another order
	CodeOldAnswer     = "old_answer"            // it was made before its request was
	CodeCountMismatch = "ticket_count_mismatch" // the order found has more tickets than ours
	CodeWrongPickup   = "pickup_type_mismatch"  // the order found is of the other pickupType
	CodeIncomplete    = "not_complete_yet"      // the order is there, not all of its tickets
	CodeNoVouchers    = "no_vouchers"           // a voucher-type order without a single voucher
	CodeInvalid       = "invalid_document"      // our own order cannot be sent
	CodeHeld          = "held"                  // the Gate holds the call back
	CodeGate          = "call_budget_unknown"   // the Gate could not be asked
)

type op string

// The operations, as they are named in the documents.
const (
	opGenerate op = "generate"
	opQuery    op = "query"
	opRefund   op = "refund"
)

// message is one row of the document's error table. The three kinds say what it means as an
// answer to each operation; a message that makes no sense there is Unknown.
type message struct {
	text                    string
	code                    string
	generate, query, refund providers.Kind
	// exists: the order number is taken.
	exists bool
}

const (
	no    = providers.Rejected
	doubt = providers.Unknown
)

// messages is the document's error table ("API 錯誤訊息規格說明"), duplicates left out.
var messages = []message{
	{"productSaleId Does Not Exist.", CodeSaleUnknown, no, no, no, false},
	{"Sale Campaign Has Expired.", CodeSaleExpired, no, no, no, false},
	{"pass2uOrderId Does Not Exist.", CodeRefUnknown, doubt, no, no, false},
	{"quantity Is Not Enough.", CodeQuantityNotEnough, no, doubt, no, false},
	{"expriationDate Format Error.", CodeExpirationFormat, no, no, no, false},
	{"expiration Date Is Before Now.", CodeExpirationPast, no, no, no, false},
	{"pickupType Format Error.", CodePickupFormat, no, no, no, false},
	{"channelOrderId Repeated.", CodeRepeated, doubt, doubt, doubt, true},
	{"channelOrderId Does Not Exist", CodeOrderUnknown, doubt, no, no, false},
	{"Create Trade Fail.", CodeCreateTradeFail, doubt, doubt, doubt, false},
	{"quantity Format Error.", CodeQuantityFormat, no, no, no, false},
	{"Refundable Quantity Is Not Enough.", CodeRefundableNotEnough, doubt, doubt, no, false},
	{"Invalid Query Criteria.", CodeInvalidQuery, doubt, no, no, false},
	{"Oops! Something Went Wrong.", CodeOops, doubt, doubt, doubt, false},
}

var byText = func() map[string]*message {
	m := make(map[string]*message, len(messages))
	for i := range messages {
		m[normal(messages[i].text)] = &messages[i]
	}
	return m
}()

// normal makes a message comparable: the document is careless with the final period, and so
// case and spaces are not trusted either.
func normal(text string) string {
	return strings.TrimRight(strings.ToLower(strings.Join(strings.Fields(text), " ")), ". ")
}

// health is what the message says of the account. "Oops!" is what Pass2U says when it fails itself.
func (m *message) health() providers.Health {
	if m.code == CodeOops {
		return providers.HealthUnreachable
	}
	return providers.HealthOK
}

func (m *message) kind(o op) providers.Kind {
	switch o {
	case opGenerate:
		return m.generate
	case opRefund:
		return m.refund
	default:
		return m.query
	}
}

// mayHide reports whether the request may have taken effect all the same: a copy of one that did is answered like this as well,
// for its effect may have used up what there was, or the answer is an older one. Of a refund no rejection is to be expected:
// its order was issued, and its request was checked.
func (m *message) mayHide(o op) bool {
	return o == opGenerate && m.generate == no || o == opRefund && m.refund == no
}

// polite finds messages that only repeat a confirmation; none is documented either.
var polite = regexp.MustCompile(`(?i)^(ok|okay|done|success|succeeded|successful|successfully)?\.?!?$`)

// refusal finds messages about the key or the caller's address; Pass2U documents none, so that
// they count only where refused says so. The
// bare word "Forbidden" is not among them: gateways use it for a ban too.
var refusal = regexp.MustCompile(`(?i)unauthori[sz]ed|authori[sz]ation|authenticat|permission|\bapi[ _-]?key\b|\bip\b|\bwhite-?list|\ballow-?list`)
