package ecticketsim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Statuses of an order (QueryIssueResult).
const (
	Issued     = 1
	Failed     = 2
	Processing = 3
)

// Use statuses of a ticket (QueryTicketStatus).
const (
	Unused   = 1
	Redeemed = 2
	Refunded = 3
	Invalid  = 4 // an expired gift voucher
)

// Kinds of ticket (BatchQueryItemInfo).
const (
	pickupVoucher = "1"
	giftVoucher   = "2"
)

const (
	typeStore      = "1"
	typePaper      = "2"
	typeElectronic = "3"
	typeSerial     = "4"
)

// orderKey is what a trade number is unique by: MerchantTradeNo and FreeTradeNo share it.
type orderKey struct{ merchant, id string }

// order is kept for ever, as its number may never be used again. Guarded by Sim.mu.
type order struct {
	key          orderKey
	gift         bool // the number is a FreeTradeNo
	escrow       bool
	stranger     bool   // of another system that uses the same numbers
	ref          string // TicketTradeNo
	issueType    string
	printType    string
	payment      string // PaymentProvider
	store        string
	customer     customer
	status       int
	remark       string
	receivedAt   time.Time
	issuedAt     time.Time
	issuedOff    time.Duration // by how much the date of that is shown off
	timesIssued  int
	issueCalls   int // that named the number, refused ones included
	lines        []line
	tickets      []*ticket
	escrowExpire string // yyyymmdd
	// refundURL and useStatusURL are where notices go, "" for nowhere.
	refundURL, useStatusURL string
	platform                string // that placed it, "" for the merchant itself
}

type customer struct{ name, phone, email string }

// line is one entry of TicketInfo.
type line struct {
	itemNo, itemName string
	ticketType       string
	price            int // face value, New Taiwan dollars
	count            int
	start, expire    string // yyyymmdd; start is empty until the order is issued at once
	instructions     []string
}

type (
	ticketNo   [16]byte
	writeOffNo [18]byte
)

func (n ticketNo) String() string   { return string(n[:]) }
func (n writeOffNo) String() string { return string(n[:]) }

// ticket is kept small: a load test holds hundreds of thousands.
type ticket struct {
	order    *order
	line     *line
	redeemed *event // nil: it has not been, or that was cancelled
	refunded *event
	no       ticketNo
	code     writeOffNo
	redeems  uint16 // accepted, cancelled ones included
	refunds  uint16
	cancels  uint16 // of refunds
}

type event struct {
	at              time.Time
	off             time.Duration // by how much its date is shown off
	merchant, store string
}

// use is the ticket's UseStatus at the given time.
func (t *ticket) use(now time.Time) int {
	switch {
	case t.refunded != nil:
		return Refunded
	case t.redeemed != nil:
		return Redeemed
	case t.line.expire != "" && now.Format(dayFormat) > t.line.expire:
		return Invalid
	default:
		return Unused
	}
}

func (o *order) ticketCount() (n int) {
	for _, l := range o.lines {
		n += l.count
	}
	return n
}

// numbers splits the order's number into the two fields of the answers.
func (o *order) numbers() (merchantTradeNo, freeTradeNo string) {
	if o.gift {
		return "", o.key.id
	}
	return o.key.id, ""
}

// find looks an order up by exactly one of the two numbers, each in its own role.
func (s *Sim) find(merchant, merchantTradeNo, freeTradeNo string) (*order, *reply) {
	if (merchantTradeNo == "") == (freeTradeNo == "") {
		r := refuse(RtnField, "give either MerchantTradeNo or FreeTradeNo")
		return nil, &r
	}
	o := s.orders[orderKey{merchant, merchantTradeNo + freeTradeNo}]
	if o == nil || o.gift != (freeTradeNo != "") {
		r := unknownOrder()
		return nil, &r
	}
	return o, nil
}

func unknownOrder() reply { return refuse(RtnNotFound, "no such order") }

// findTicket looks a ticket of the merchant up by exactly one of its numbers.
func (s *Sim) findTicket(merchant, no, code string) (*ticket, *reply) {
	if (no == "") == (code == "") {
		r := refuse(RtnField, "give either TicketNo or WriteOffNo")
		return nil, &r
	}
	t := s.byNumber(no)
	if code != "" {
		t = s.byCode(code)
	}
	if t == nil || t.order.key.merchant != merchant {
		r := refuse(RtnNotFound, "no such ticket")
		return nil, &r
	}
	return t, nil
}

func (s *Sim) byNumber(no string) *ticket {
	var key ticketNo
	if len(no) != len(key) {
		return nil
	}
	copy(key[:], no)
	return s.tickets[key]
}

func (s *Sim) byCode(code string) *ticket {
	var key writeOffNo
	if len(code) != len(key) {
		return nil
	}
	copy(key[:], code)
	return s.codes[key]
}

// addTicket gives t a number unless it has one, and a redemption code, and files it.
func (s *Sim) addTicket(t *ticket, day string) {
	for t.no == (ticketNo{}) || s.tickets[t.no] != nil {
		copy(t.no[:], s.newTicketNo(day))
	}
	for t.code == (writeOffNo{}) || s.codes[t.code] != nil {
		t.code = s.newCode()
	}
	s.tickets[t.no], s.codes[t.code] = t, t
}

// newTicketNo looks like the documents' example CB2SY20220302153: five letters and digits, the
// day, three digits.
func (s *Sim) newTicketNo(day string) string {
	const first = 10 * 36 * 36 * 36 * 36 // "A0000" in base 36
	s.serial++
	head := strings.ToUpper(strconv.FormatInt(int64(first+s.serial/1000), 36))
	return fmt.Sprintf("%s%s%03d", head, day, s.serial%1000)
}

func (s *Sim) newCode() (code writeOffNo) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for i := range code {
		code[i] = letters[s.random.IntN(len(letters))]
	}
	return code
}

// newRef is a TicketTradeNo: the day and eight digits.
func (s *Sim) newRef(now time.Time) string {
	return fmt.Sprintf("%s%08d", now.Format(dayFormat), len(s.received)+1)
}

func minute(e *event) string {
	if e == nil {
		return ""
	}
	return e.at.Add(e.off).Format(minuteFormat)
}
