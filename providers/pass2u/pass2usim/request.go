package pass2usim

import (
	"encoding/json"
	"math"
	"time"

	"issuance/providers/pass2u/pass2udoc"
)

// The error messages of the documents, verbatim.
const (
	MsgSaleUnknown      = "productSaleId Does Not Exist."
	MsgSaleExpired      = "Sale Campaign Has Expired."
	MsgRefUnknown       = "pass2uOrderId Does Not Exist."
	MsgStock            = "quantity Is Not Enough."
	MsgExpiryFormat     = "expriationDate Format Error."
	MsgExpiryPast       = "expiration Date Is Before Now."
	MsgPickupFormat     = "pickupType Format Error."
	MsgRepeated         = "channelOrderId Repeated."
	MsgOrderUnknown     = "channelOrderId Does Not Exist" // without a final period, as printed
	MsgCreateFailed     = "Create Trade Fail."
	MsgQuantityFormat   = "quantity Format Error."
	MsgRefundableTooFew = "Refundable Quantity Is Not Enough."
	MsgInvalidQuery     = "Invalid Query Criteria."
	MsgOops             = "Oops! Something Went Wrong."
	typeNonExisted      = "NonExistedException" // the only type the documents show
	typeIllegalArgument = "IllegalArgumentException"
	typeInternal        = "InternalException"
)

// Messages lists every message of the documents' error table.
func Messages() []string {
	return []string{MsgSaleUnknown, MsgSaleExpired, MsgRefUnknown, MsgStock, MsgExpiryFormat, MsgExpiryPast, MsgPickupFormat,
		MsgRepeated, MsgOrderUnknown, MsgCreateFailed, MsgQuantityFormat, MsgRefundableTooFew, MsgInvalidQuery, MsgOops}
}

// no is an error answer.
func (s *Sim) no(message string) reply {
	kind := typeIllegalArgument
	switch message {
	case MsgSaleUnknown, MsgRefUnknown, MsgOrderUnknown:
		kind = typeNonExisted
	case MsgOops, MsgCreateFailed:
		kind = typeInternal
	}
	return reply{status: s.cfg.ErrorStatus, body: errorBody{message, kind}}
}

// request is the body of any of the three calls.
type request struct {
	Pass2uOrderID  string `json:"pass2uOrderId"`
	ProductSaleID  string `json:"productSaleId"`
	ChannelOrderID string `json:"channelOrderId"`
	MailTo         string `json:"mailTo"`
	PickupType     string `json:"pickupType"`
	Quantity       any    `json:"quantity"`
	Quanity        any    `json:"quanity"`

	off time.Duration // how far the clock of the machine that answers is ahead
}

func readRequest(raw []byte) (request, bool) {
	var r request
	err := json.Unmarshal(raw, &r)
	return r, err == nil
}

// whole reads a number of tickets; 0 means that there is none.
func whole(v any) int {
	f, ok := v.(float64)
	if !ok || f < 1 || f > 1e9 || f != math.Trunc(f) {
		return 0
	}
	return int(f)
}

// refundQuantity reads the key or keys that this simulator takes; 0 means that none is right.
func (s *Sim) refundQuantity(r request) int {
	switch s.cfg.RefundQuantityKey {
	case "quantity":
		return whole(r.Quantity)
	case "quanity":
		return whole(r.Quanity)
	}
	a, b := whole(r.Quantity), whole(r.Quanity)
	if a != 0 && b != 0 && a != b {
		return 0
	}
	return max(a, b)
}

func pickupOK(p string) bool { return p == pass2udoc.PickupOrder || p == pass2udoc.PickupVoucher }

// count records the call and names it; s.mu is held.
func (s *Sim) count(op Op, r request) Call {
	id := r.ChannelOrderID
	if o := s.byRef[r.Pass2uOrderID]; id == "" && o != nil {
		id = o.channelID
	}
	s.tally.calls[op]++
	k := askedKey{op, id}
	s.asked[k]++
	return Call{Op: op, OrderID: id, N: s.asked[k]}
}

// do carries a call out; s.mu is held.
func (s *Sim) do(op Op, r request, origin string) reply {
	switch op {
	case Generate:
		return s.generate(r, origin)
	case Refund:
		return s.refund(r, origin)
	default:
		return s.query(r, origin)
	}
}
