package ecticketsim

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"issuance/providers/ecticket/wire"
)

// maxBody bounds what is read of one request, in bytes.
const maxBody = wire.MaxData + 64<<10

type handler func(*Sim, inbound) any

type route struct {
	op     string
	escrow bool
	handle handler
}

// routes are the documented paths, with the escrow mode's own ones at the end.
var routes = map[string]route{
	"/api/Ticket/Issue":              {op: OpIssue, handle: (*Sim).issue},
	"/api/Ticket/Refund":             {op: OpRefund, handle: (*Sim).refund},
	"/api/Ticket/WriteOff":           {op: OpWriteOff, handle: (*Sim).writeOff},
	"/api/Ticket/QueryIssueResult":   {op: OpQueryIssueResult, handle: (*Sim).queryIssueResult},
	"/api/Ticket/QueryOrderInfo":     {op: OpQueryOrderInfo, handle: (*Sim).queryOrderInfo},
	"/api/Ticket/QueryTicketStatus":  {op: OpQueryTicketStatus, handle: (*Sim).queryTicketStatus},
	"/api/Ticket/QueryItemInfo":      {op: OpQueryItemInfo, handle: (*Sim).queryItemInfo},
	"/api/Ticket/BatchQueryItemInfo": {op: OpBatchQueryItemInfo, handle: (*Sim).batchQueryItemInfo},
	"/api/issuance/issue":            {op: OpIssue, escrow: true, handle: (*Sim).issue},
	"/api/issuance/Refund":           {op: OpRefund, escrow: true, handle: (*Sim).refund},
}

// inbound is a request as it arrived.
type inbound struct {
	call    Call
	request wire.Request
	keys    wire.Keys
	plain   []byte // of Data
	escrow  bool
	now     time.Time     // of arrival
	off     time.Duration // how far the clock of the machine that answers is ahead
	// transCode and transMsg refuse the envelope when transCode is not 0.
	transCode wire.Int
	transMsg  string
}

func (in *inbound) refuse(code wire.Int, format string, args ...any) {
	in.transCode, in.transMsg = code, "[simulator] "+fmt.Sprintf(format, args...)
}

// ServeHTTP answers one call.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to, ok := routes[r.URL.Path]
	switch {
	case !ok:
		page(w, http.StatusNotFound, "There is no such API here.")
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		page(w, http.StatusMethodNotAllowed, "Use POST.")
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		page(w, http.StatusUnsupportedMediaType, "Use Content-Type: application/json.")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		page(w, http.StatusRequestEntityTooLarge, "The body is cut or too long.")
		return
	}
	in := s.open(body)
	in.escrow = to.escrow
	call := s.count(to.op, &in)
	w.Header().Set("Date", s.now().Add(in.off).UTC().Format(http.TimeFormat))
	fault, out := s.out(call)
	switch {
	case out:
	case s.tooFast(in.request.MerchantID):
		s.cfg.Log.Warn("ecticket simulator: banned", "op", call.Op, "merchant", call.MerchantID)
		forbidden(w)
		return
	case s.isForbidden(call):
		s.cfg.Log.Warn("ecticket simulator: order forbidden", "order", call.OrderID)
		forbidden(w)
		return
	default:
		fault = s.faultOf(call)
	}
	if !fault.before(w, r) {
		return
	}
	answer := s.respond(to, call, &in, fault)
	s.cfg.Log.Debug("ecticket simulator: call", "op", call.Op, "order", call.OrderID, "n", call.N, "trans_code", in.transCode, "fault", fault.Kind)
	if fault.after(w, r) {
		// The documents ask for Accept: text/html, so a client may not rely on a JSON label.
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(answer) // the caller may have gone
	}
}

// respond lets the call take effect, as far as the fault lets it, and returns the answer.
func (s *Sim) respond(to route, call Call, in *inbound, fault Fault) []byte {
	key := opKey{in.request.MerchantID, to.op}
	if in.transCode == 0 && fault.Kind == Replay {
		return s.replayed(key, call, *in)
	}
	if old := s.givenBefore(call, fault); old != nil {
		return old
	}
	var data any
	switch {
	case fault.Kind == TransRefused:
		in.refuse(TransOther, "the request cannot be taken")
	case fault.Kind == Busy:
		data = refuse(RtnBusy, "the system is busy, try again later")
	default:
		data = s.perform(to.handle, in)
		if fault.Kind == RejectAfter {
			data = s.perform(to.handle, in)
		}
	}
	answer := s.answer(*in, data, fault)
	s.keep(call, answer)
	if c, ok := data.(interface{ confirms() bool }); ok && in.transCode == 0 && c.confirms() {
		s.mu.Lock()
		s.confirmed[key] = answer
		s.mu.Unlock()
	}
	return answer
}

// replayed is the answer of Replay.
func (s *Sim) replayed(key opKey, call Call, in inbound) []byte {
	s.mu.Lock()
	old := s.confirmed[key]
	s.mu.Unlock()
	switch {
	case call.Op == OpIssue:
		made := issueInfo{reply: success("success"), TicketTradeNo: in.request.MerchantID + "00000000"}
		_ = json.Unmarshal(in.plain, &made) // the numbers asked for
		return s.answer(in, made, Fault{})
	case old == nil:
		return s.answer(in, success("success"), Fault{})
	}
	return old
}

// open reads the envelope and what is in it, everything but the Timestamp.
func (s *Sim) open(body []byte) (in inbound) {
	if err := json.Unmarshal(body, &in.request); err != nil {
		in.request = wire.Request{}
		in.refuse(TransMalformed, "the body is not a request envelope")
		return in
	}
	account, ok := s.accounts[in.request.MerchantID]
	if !ok {
		in.refuse(TransMerchant, "MerchantID is not known")
		return in
	}
	if platform := in.request.PlatformID; platform != "" {
		if platform != account.PlatformID {
			in.refuse(TransMerchant, "PlatformID may not act for this MerchantID")
			return in
		}
		if account, ok = s.accounts[platform]; !ok {
			in.refuse(TransMerchant, "PlatformID is not known")
			return in
		}
	}
	in.keys = account.keys()
	plain, err := wire.Open(in.keys, in.request.Data)
	if err != nil {
		in.refuse(TransData, "Data cannot be decrypted")
		return in
	}
	if _, ok := wire.VerifyMAC(in.keys, plain, in.request.CheckMacValue); !ok {
		in.refuse(TransChecksum, "CheckMacValue does not belong to Data")
		return in
	}
	in.plain = plain
	return in
}

// perform checks the time of arrival and lets the operation take effect.
func (s *Sim) perform(handle handler, in *inbound) (data any) {
	in.now = s.now()
	if in.transCode != 0 {
		return nil
	}
	// Timestamp has whole seconds, so whole seconds are compared.
	age := in.now.Truncate(time.Second).Sub(time.Unix(int64(in.request.RqHeader.Timestamp), 0))
	if age.Abs() > s.cfg.Window {
		in.refuse(TransTimestamp, "Timestamp is not within %s of now", s.cfg.Window)
		return nil
	}
	var inner struct{ MerchantID string }
	if err := json.Unmarshal(in.plain, &inner); err != nil {
		return refuse(RtnField, "Data is not a JSON object with a MerchantID")
	}
	if inner.MerchantID != in.request.MerchantID {
		return refuse(RtnMerchant, "MerchantID in Data is not the envelope's")
	}
	return handle(s, *in)
}

// answer is the envelope around data, or a refused one.
func (s *Sim) answer(in inbound, data any, fault Fault) []byte {
	out := wire.Response{
		PlatformID: in.request.PlatformID,
		MerchantID: in.request.MerchantID,
		RpHeader:   wire.Header{Timestamp: wire.Int64(s.now().Add(in.off).Unix())},
		TransCode:  wire.Accepted,
	}
	if in.transCode != 0 {
		out.TransCode, out.TransMsg = in.transCode, in.transMsg
	} else {
		encoding := s.cfg.Encoding
		if fault.Encoding != nil {
			encoding = fault.Encoding
		}
		out.Data, out.CheckMacValue = s.seal(in.keys, s.twisted(in.call, data), encoding)
		if fault.Kind == WrongChecksum {
			out.CheckMacValue = strings.Repeat("0", len(out.CheckMacValue))
		}
	}
	return append(mustMarshal(json.Marshal, out), '\n')
}

// seal writes data so that every client can verify it, or in one encoding.
func (s *Sim) seal(keys wire.Keys, data any, encoding *wire.Variant) (sealed, mac string) {
	if encoding == nil {
		return wire.Seal(keys, mustMarshal(wire.Marshal, data))
	}
	return wire.SealAs(keys, mustMarshal(json.Marshal, data), *encoding)
}

func mustMarshal(marshal func(any) ([]byte, error), v any) []byte {
	b, err := marshal(v)
	if err != nil {
		panic("ecticketsim: " + err.Error()) // not reached: answers are plain structs
	}
	return b
}

func (a Account) keys() wire.Keys { return wire.Keys{HashKey: a.HashKey, HashIV: a.HashIV} }

// count numbers the call and returns its ids.
func (s *Sim) count(op string, in *inbound) Call {
	var ids struct{ MerchantTradeNo, FreeTradeNo, TicketNo, WriteOffNo string }
	_ = json.Unmarshal(in.plain, &ids) // what cannot be read has no ids
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sequence++
	s.calls[op]++
	c := Call{Op: op, MerchantID: in.request.MerchantID, OrderID: ids.MerchantTradeNo, TicketNo: ids.TicketNo, N: s.sequence}
	if c.OrderID == "" {
		c.OrderID = ids.FreeTradeNo
	}
	t := s.byNumber(c.TicketNo)
	if c.TicketNo == "" {
		t = s.byCode(ids.WriteOffNo)
	}
	if t != nil && c.OrderID == "" {
		c.TicketNo, c.OrderID = t.no.String(), t.order.key.id
	}
	in.call, in.off = c, s.clockOf(c)
	return c
}
