package pass2usim

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

type status uint8

const (
	notPickedup status = iota
	pickedup
	redeemed
	refunded
	expired
)

var statusNames = [...]string{"notPickedup", "pickedup", "redeemed", "refunded", "expired"}

func (s status) String() string { return statusNames[s] }

// voucher is one ticket; guarded by Sim.mu.
type voucher struct {
	id      int64
	token   uint64
	status  status
	updated time.Time
	// before is the status before this one, as a query that lags shows it.
	before        status
	beforeUpdated time.Time
}

func (v *voucher) set(s status, now time.Time) {
	v.before, v.beforeUpdated = v.status, v.updated
	v.status, v.updated = s, now
}

type voucherAnswer struct {
	BarcodeMessage   string `json:"barcodeMessage"`
	Status           string `json:"status"`
	StatusUpdateTime string `json:"statusUpdateTime"`
	VoucherURL       string `json:"voucherUrl"`
}

func (v *voucher) answer(refundedWord, origin string) voucherAnswer {
	word := v.status.String()
	if v.status == refunded {
		word = refundedWord
	}
	return voucherAnswer{
		BarcodeMessage:   fmt.Sprintf("%016x", v.token^uint64(v.id)),
		Status:           word,
		StatusUpdateTime: stamp(v.updated),
		VoucherURL:       fmt.Sprintf("%s/v/%d?t=%d&token=%016x", origin, v.id, v.updated.Unix(), v.token),
	}
}

// in lists the order's tickets of these statuses.
func (o *order) in(wanted ...status) (out []*voucher) {
	for _, v := range o.vouchers {
		for _, w := range wanted {
			if v.status == w {
				out = append(out, v)
			}
		}
	}
	return out
}

// serveLink serves the links handed out. Fetching a voucher's link, by GET or HEAD, is its
// pick-up: that is why nothing but its holder may ever open one.
func (s *Sim) serveLink(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if id, ok := strings.CutPrefix(r.URL.Path, "/v/"); ok {
		number, _ := strconv.ParseInt(id, 10, 64) // no number is no voucher's: 0
		s.mu.Lock()
		v := s.byVoucher[number]
		known := v != nil && r.URL.Query().Get("token") == fmt.Sprintf("%016x", v.token)
		if known {
			s.tally.linksOpened++
			if v.status == notPickedup {
				v.set(pickedup, s.now())
			}
		}
		s.mu.Unlock()
		if !known {
			http.NotFound(w, r)
			return true
		}
		io.WriteString(w, "Simulated voucher. Opening this page has picked it up.\n")
		return true
	}
	if id, ok := strings.CutPrefix(r.URL.Path, "/o/"); ok {
		s.mu.Lock()
		o := s.byRef[id]
		if o != nil {
			s.tally.linksOpened++
		}
		s.mu.Unlock()
		if o == nil {
			http.NotFound(w, r)
			return true
		}
		io.WriteString(w, "Simulated order page. The passcode opens the tickets.\n")
		return true
	}
	return false
}

// Redeem marks n tickets of the order as redeemed, the picked-up ones first. It reports an
// error, and changes nothing, when the order is unknown or has too few.
func (s *Sim) Redeem(channelOrderID string, n int) error {
	return s.move(channelOrderID, n, redeemed, pickedup, notPickedup)
}

// PickUp marks n tickets of the order as picked up.
func (s *Sim) PickUp(channelOrderID string, n int) error {
	return s.move(channelOrderID, n, pickedup, notPickedup)
}

// Expire marks n tickets of the order as expired.
func (s *Sim) Expire(channelOrderID string, n int) error {
	return s.move(channelOrderID, n, expired, notPickedup, pickedup)
}

// RefundInOffice refunds n tickets of the order as somebody does at the console, or as a request does that arrives late.
func (s *Sim) RefundInOffice(channelOrderID string, n int) error {
	return s.move(channelOrderID, n, refunded, notPickedup, pickedup)
}

func (s *Sim) move(id string, n int, to status, from ...status) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.byChannel[id]
	if o == nil {
		return fmt.Errorf("pass2usim: no order %s", strconv.Quote(id))
	}
	var open []*voucher
	for _, f := range from {
		open = append(open, o.in(f)...)
	}
	if n < 0 || n > len(open) {
		return fmt.Errorf("pass2usim: order %s has %d tickets that can become %s, not %d", id, len(open), to, n)
	}
	for _, v := range open[:n] {
		v.set(to, s.now())
	}
	return nil
}
