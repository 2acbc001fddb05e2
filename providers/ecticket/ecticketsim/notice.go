package ecticketsim

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"issuance/providers/ecticket/wire"
)

// Kinds of notices, by the field of the order that says where they go.
const (
	RefundNotice    = "RefundNotifyURL"    // a pickup voucher was refunded
	UseStatusNotice = "UseStatusNotifyURL" // a ticket was redeemed or refunded
)

// mostRepeats is how often a notice that is not acknowledged is sent again on the same day.
const mostRepeats = 4

// notice is on its way to the merchant. Guarded by Sim.mu.
type notice struct {
	NoticeBook
	merchant string
	platform string // that placed the order, and whose keys then count
	plain    []byte // of Data, the same whenever it is sent
	sent     time.Time
}

// NoticeBook is what became of one notice.
type NoticeBook struct {
	Kind         string // RefundNotice or UseStatusNotice
	OrderID      string
	TicketNo     string
	UseStatus    int
	Sent         int // how often
	Acknowledged bool

	url string
}

// noticeData is what a notice says. The documents' tables of its fields were not available: these are the simulator's.
type noticeData struct {
	MerchantID      string
	MerchantTradeNo string `json:",omitempty"`
	FreeTradeNo     string `json:",omitempty"`
	TicketTradeNo   string
	TicketNo        string
	UseStatus       int `json:",omitempty"`
	RefundAmount    int `json:",omitempty"`
	ModifyDate      string
}

// notify puts what has happened to a ticket into the next batch of notices. It is called with mu held.
func (s *Sim) notify(t *ticket, e *event, status int) {
	o := t.order
	add := func(kind, url string) {
		if url == "" && s.noticeTo == nil {
			return
		}
		d := noticeData{MerchantID: o.key.merchant, TicketTradeNo: o.ref, TicketNo: t.no.String(), ModifyDate: minute(e)}
		d.MerchantTradeNo, d.FreeTradeNo = o.numbers()
		if kind == RefundNotice {
			d.RefundAmount = t.line.price
		} else {
			d.UseStatus = status
		}
		s.notices = append(s.notices, &notice{merchant: o.key.merchant, platform: o.platform, plain: mustMarshal(json.Marshal, d),
			NoticeBook: NoticeBook{Kind: kind, OrderID: o.key.id, TicketNo: t.no.String(), UseStatus: status, url: url}})
	}
	add(UseStatusNotice, o.useStatusURL)
	if status == Refunded && t.line.ticketType == pickupVoucher {
		add(RefundNotice, o.refundURL)
	}
}

// SetNoticeTo has notices sent elsewhere than to the orders' addresses: to maps a merchant and an address, "" where the
// order has none, to where its notices go, "" for nowhere. nil: to the orders' addresses.
func (s *Sim) SetNoticeTo(to func(merchant, url string) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noticeTo = to
}

// SendNotices sends the daily batch: a notice of every ticket that was redeemed or refunded since the last one. Those
// that were not acknowledged are sent again by RepeatNotices.
func (s *Sim) SendNotices(ctx context.Context) {
	s.sendNotices(ctx, func(n *notice) bool { return n.Sent == 0 })
}

// RepeatNotices sends notices again that were not acknowledged and were last sent RepeatAfter ago, each four times at the
// most.
func (s *Sim) RepeatNotices(ctx context.Context) {
	now := s.now()
	s.sendNotices(ctx, func(n *notice) bool {
		return n.Sent > 0 && n.Sent <= mostRepeats && !n.Acknowledged && !n.sent.After(now.Add(-s.cfg.RepeatAfter))
	})
}

func (s *Sim) sendNotices(ctx context.Context, due func(*notice) bool) {
	type letter struct {
		*notice
		url  string
		body []byte
	}
	var letters []letter
	s.mu.Lock()
	for _, n := range s.notices {
		if !due(n) {
			continue
		}
		url := n.url
		if s.noticeTo != nil {
			url = s.noticeTo(n.merchant, url)
		}
		if url == "" {
			continue
		}
		n.Sent++
		n.sent = s.now()
		letters = append(letters, letter{n, url, s.noticeBody(n)})
	}
	s.mu.Unlock()
	for _, l := range letters {
		ok := s.deliver(ctx, l.url, l.body, s.noticeKeys(l.notice))
		s.mu.Lock()
		l.Acknowledged = l.Acknowledged || ok
		s.mu.Unlock()
		s.cfg.Log.Debug("ecticket simulator: notice", "kind", l.Kind, "order", l.OrderID, "acknowledged", ok)
	}
}

// noticeBody is a notice in an envelope of this moment.
func (s *Sim) noticeBody(n *notice) []byte {
	data, mac := s.seal(s.noticeKeys(n), json.RawMessage(n.plain), s.cfg.Encoding)
	return mustMarshal(json.Marshal, wire.Request{PlatformID: n.platform, MerchantID: n.merchant, RqHeader: wire.Header{Timestamp: wire.Int64(s.now().Unix())}, Data: data, CheckMacValue: mac})
}

func (s *Sim) noticeKeys(n *notice) wire.Keys {
	if n.platform != "" {
		return s.accounts[n.platform].keys()
	}
	return s.accounts[n.merchant].keys()
}

// deliver posts a notice and reports whether it was acknowledged as ECPay wants it: HTTP 200 and RtnCode 1 in an
// authentic envelope.
func (s *Sim) deliver(ctx context.Context, url string, body []byte, keys wire.Keys) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/html")
	resp, err := s.cfg.HTTP.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil || resp.StatusCode != http.StatusOK {
		return false
	}
	if s.cfg.PlainAck {
		return strings.TrimSpace(string(answer)) == "1|OK"
	}
	envelope, _, err := wire.ReadResponse(answer)
	if err != nil || envelope.TransCode != wire.Accepted {
		return false
	}
	plain, err := wire.Open(keys, envelope.Data)
	if err != nil {
		return false
	}
	var said struct{ RtnCode int }
	_, ok := wire.VerifyMAC(keys, plain, envelope.CheckMacValue)
	return ok && json.Unmarshal(plain, &said) == nil && said.RtnCode == wire.Accepted
}
