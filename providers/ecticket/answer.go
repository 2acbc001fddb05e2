package ecticket

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket/wire"
)

// reply is an HTTP answer, read completely.
type reply struct {
	status         int
	retryAfter     time.Duration
	body           []byte
	sent, received time.Time
}

// head is what the Data of every answer starts with, and the ids that some echo.
type head struct {
	RtnCode         *wire.Int
	RtnMsg          text
	MerchantID      text
	MerchantTradeNo text
	FreeTradeNo     text
	TicketNo        text
	WriteOffNo      text
}

// echo are ids that a call asked for.
type echo struct{ merchantTradeNo, freeTradeNo, ticketNo, writeOffNo string }

func (e echo) order() string {
	if e.merchantTradeNo != "" {
		return e.merchantTradeNo
	}
	return e.freeTradeNo
}

// differs reports whether the answer names an id other than the one asked for. The checksum binds
// an answer to the account but not to the call, and it does not distinguish upper from lower case. Neither need
// a ticket's number, whose letters are capitals; the numbers of orders and redemption codes have letters of both
// cases, so that another case is another number.
func (e echo) differs(h head) bool {
	other := func(asked string, got text) bool { return asked != "" && got != "" && asked != string(got) }
	if e.order() != "" && (e.merchantTradeNo == "" && h.MerchantTradeNo != "" || e.freeTradeNo == "" && h.FreeTradeNo != "") {
		return true
	}
	return other(e.merchantTradeNo, h.MerchantTradeNo) || other(e.freeTradeNo, h.FreeTradeNo) ||
		other(strings.ToUpper(e.ticketNo), text(strings.ToUpper(string(h.TicketNo)))) || other(e.writeOffNo, h.WriteOffNo)
}

// read checks an answer in the documented order: HTTP status, JSON, TransCode, decryption,
// CheckMacValue, ids, RtnCode. Nothing of it is believed before the checksum has been verified. judged is
// what it says of the account; empty where nothing of it is ECTicket's own.
func (c *Client) read(ctx context.Context, q query, r reply, answer any) (out providers.Outcome, judged providers.Health) {
	env, out, ok := c.openEnvelope(ctx, q, r)
	if !ok {
		out.RetryAfter = max(out.RetryAfter, r.retryAfter)
		if strings.HasPrefix(out.Code, codeTransRefused) {
			judged = providers.HealthRefused
		}
		return out, judged
	}
	plain, err := wire.Open(c.cfg.Keys, env.Data)
	if err != nil {
		return outcome(providers.Unknown, "not_decryptable", err.Error()), ""
	}
	plain, ok = c.verify(ctx, q, plain, env.CheckMacValue)
	if !ok {
		return outcome(providers.Unknown, "bad_checksum", "the answer's CheckMacValue is wrong; it is not believed"), ""
	}
	if !c.addressed(env) {
		return notAbout(), ""
	}
	return c.readData(q, plain, answer)
}

// addressed reports whether an envelope can be an answer to this account. It repeats the request's ids (the documents' response
// parameters), which matters where the merchants of a platform share its keys, and one number is an order of each. What is no
// merchant's number says nothing.
func (c *Client) addressed(env wire.Response) bool {
	to := strings.TrimSpace(env.MerchantID)
	return !merchantNumber.MatchString(to) || to == c.cfg.MerchantID || to == c.cfg.PlatformID
}

var merchantNumber = regexp.MustCompile(`^[0-9]{5,10}$`)

func notAbout() providers.Outcome {
	return outcome(providers.Unknown, "unauthentic_answer", "the answer is about another merchant, order or ticket; it is not believed")
}

// readData reads Data whose checksum has been verified.
func (c *Client) readData(q query, plain []byte, answer any) (providers.Outcome, providers.Health) {
	var h head
	if err := json.Unmarshal(plain, &h); err != nil || h.RtnCode == nil {
		return outcome(providers.Unknown, "unreadable", "the answer's Data is not an object with a RtnCode"), ""
	}
	if h.MerchantID != "" && string(h.MerchantID) != c.cfg.MerchantID || q.echo.differs(h) {
		return notAbout(), ""
	}
	if *h.RtnCode != wire.Accepted {
		out := c.refused(int(*h.RtnCode), c.safe(string(h.RtnMsg), q.secrets))
		if out.Kind == providers.Held {
			return out, providers.HealthRefused
		}
		return out, providers.HealthOK
	}
	if err := json.Unmarshal(plain, answer); err != nil {
		return outcome(providers.Unknown, "unreadable", "the answer's Data does not have the documented fields"), ""
	}
	return outcome(providers.Done, "1", c.safe(string(h.RtnMsg), q.secrets)), providers.HealthOK
}

// verify reports whether the checksum is that of Data, and returns the JSON text in Data. A byte order
// mark before it may be part of what the checksum was taken from, or may not.
func (c *Client) verify(ctx context.Context, q query, data []byte, mac string) (text []byte, ok bool) {
	text = wire.Trim(data)
	variant, ok := wire.VerifyMAC(c.cfg.Keys, data, mac)
	if !ok && len(text) < len(data) {
		variant, ok = wire.VerifyMAC(c.cfg.Keys, text, mac)
	}
	if !ok {
		return nil, false
	}
	c.cfg.Log.DebugContext(ctx, "ecticket checksum verified", "op", string(q.op), "variant", variant)
	if c.cfg.Verified != nil {
		c.cfg.Verified(variant)
	}
	return text, true
}

// openEnvelope judges everything outside Data. ok is true when Data is worth opening.
func (c *Client) openEnvelope(ctx context.Context, q query, r reply) (env wire.Response, out providers.Outcome, ok bool) {
	env, coded, err := wire.ReadResponse(r.body)
	readable := err == nil
	code := "http_" + strconv.Itoa(r.status)
	switch {
	case r.status == http.StatusForbidden:
		return env, c.banned(ctx, q, code), false
	case r.status >= 500:
		return env, outcome(providers.Unknown, code, "ECTicket failed"), false
	case r.status >= 300 && !coded:
		out = outcome(providers.Unknown, code, fmt.Sprintf("not an answer of ECTicket (HTTP %d); check BaseURL and Paths", r.status))
		out.Alarm = r.status != http.StatusTooManyRequests && r.status != http.StatusRequestTimeout
		return env, out, false
	case !readable:
		return env, outcome(providers.Unknown, "unreadable", "the answer is not an ECTicket envelope"), false
	}
	old := env.RpHeader.Timestamp > 0 && c.measureSkew(ctx, int64(env.RpHeader.Timestamp), coded && env.TransCode == wire.Accepted, r.sent, r.received)
	switch {
	case old:
		return env, outcome(providers.Unknown, "old_answer", "the answer was made before its request was: an old one was sent again; it is not believed"), false
	case !coded:
		return env, outcome(providers.Unknown, "no_trans_code", "the answer has no TransCode"), false
	case env.TransCode != wire.Accepted:
		return env, c.envelopeRefused(q, int(env.TransCode), env.TransMsg), false
	}
	return env, out, true
}

// banned reports to the gate, so that nobody calls on, and does not claim that the call had no effect.
func (c *Client) banned(ctx context.Context, q query, code string) providers.Outcome {
	if gate, ok := c.cfg.Gate.(providers.BanReporter); ok {
		// The ban must be known even when this caller has just given up.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		gate.Banned(ctx, "HTTP 403 from ECTicket "+string(q.op))
	}
	out := outcome(doubtful(q, providers.Held), code, "ECTicket says that this account called too fast")
	out.RetryAfter, out.Banned = c.cfg.Ban, true
	return out
}

// envelopeRefused judges a TransCode other than 1. It means that the envelope was not taken
// (key, clock, format), but no checksum vouches for it, so a mutating call stays in doubt.
func (c *Client) envelopeRefused(q query, transCode int, message string) providers.Outcome {
	message = c.safe(message, q.secrets)
	if message == "" {
		message = "ECTicket refused the envelope; check MerchantID, HashKey, HashIV and this machine's clock"
	}
	if s := c.Skew(); s.Ahead.Abs() > maxSkew {
		message += fmt.Sprintf(" (this machine's clock differs from ECTicket's by %s)", s.Ahead)
	}
	out := outcome(doubtful(q, providers.Held), codeTransRefused+strconv.Itoa(transCode), message)
	out.Alarm = true
	return out
}

// doubtful is kind for a query, and Unknown for a call that may have had an effect.
func doubtful(q query, kind providers.Kind) providers.Kind {
	if q.mutates {
		return providers.Unknown
	}
	return kind
}

// refused judges an authentic RtnCode other than 1.
func (c *Client) refused(rtnCode int, message string) providers.Outcome {
	code := strconv.Itoa(rtnCode)
	meaning, known := c.cfg.Codes[code]
	if !known && code == codeChecksumRefused {
		meaning = MeansHeld
	}
	out := outcome(meaning.kind(), code, message)
	out.Alarm = out.Kind == providers.Held
	out.Exists = meaning == MeansExists
	return out
}

// codesKnown reports whether Config.Codes says which rejections of a look-up mean that there is no such
// order. ECPay's list of codes is not public; without it any rejection may mean that.
func (c *Client) codesKnown() bool {
	for _, m := range c.cfg.Codes {
		if m == MeansNotFound {
			return true
		}
	}
	return false
}

// codeTransRefused begins the code of an envelope that was refused; the TransCode follows.
const codeTransRefused = "trans_"

// codeChecksumRefused is the one RtnCode that ECPay publishes for ECTicket: CheckMacValue
// verification failed. It says nothing about the order, only about our keys.
const codeChecksumRefused = "10200073"
