package frontdoor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"

	"issuance/internal/notices"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/providers/ecticket/wire"
)

// Notices are what the front door needs to take ECTicket's notices.
type Notices struct {
	// Merchant finds the merchant of an id; nil for one whose notices are not taken here.
	Merchant func(id string) *Merchant
	Ring     *seal.Ring // that seals them
	// Plain acknowledges with 1|OK instead of an encrypted envelope.
	Plain bool
}

// Merchant is an ECTicket merchant whose notices are taken.
type Merchant struct {
	Store *notices.Store // of the merchant's account
	Keys  wire.Keys      // the merchant's, or its platform's
	// PlatformID is the platform's that may stand in a notice. Default: none.
	PlatformID string
}

// MerchantsOf finds merchants by the keys that keys has for them now.
func MerchantsOf(rdb redis.UniversalClient, keys func(id string) (k wire.Keys, platformID string, ok bool)) func(string) *Merchant {
	return func(id string) *Merchant {
		k, platform, ok := keys(id)
		if !ok {
			return nil
		}
		return &Merchant{Store: notices.New(rdb, providers.Account{Provider: providers.ECTicket, Merchant: id}), Keys: k, PlatformID: platform}
	}
}

// NoticePath is where notices of an ECTicket merchant are sent to, before the merchant's id.
const NoticePath = "/notify/ecticket/"

const (
	mostNotice  = 256 << 10       // bytes of a notice: some 5,000 tickets, of which as many are followed (package notices)
	storeWithin = 7 * time.Second // ECPay waits 10 s for the acknowledgement
	noticeRate  = 50              // wrong ones a second from one address, on average
	noticeBurst = 500
	mostAddress = 10_000 // addresses whose rate is kept
)

// notices serves POST /notify/ecticket/{merchant}.
func (s *Server) notices(mux *http.ServeMux) {
	from := &addresses{now: s.Now}
	mux.HandleFunc("POST "+NoticePath+"{merchant}", func(w http.ResponseWriter, r *http.Request) {
		m := s.Notices.merchant(r.PathValue("merchant"))
		outcome, p := s.notice(w, r, m, from)
		if p != nil {
			writeProblem(w, r, p)
			outcome = string(p.Code)
			s.alarm(p, m, s.Address(r))
		}
		s.metrics.notices.WithLabelValues(m.account(), outcome).Inc()
		at := seenOf(r.Context())
		attrs := []any{"request", at.id, "client", s.Address(r), "outcome", outcome}
		if at.cause != nil {
			attrs = append(attrs, "error", at.cause)
		}
		s.Log.Info("notice of ECTicket", attrs...)
	})
}

// alarm reports that notices are refused that may be authentic ones, which the provider gives up after four repetitions. Package
// logging limits each of them to one a minute.
func (s *Server) alarm(p *Problem, m *Merchant, client string) {
	switch p.Code {
	case codeTooMany:
		s.Log.Warn("alarm: notices of ECTicket are refused unread, because too many wrong ones came from their address; behind a proxy, set GATEWAY_TRUSTED_PROXIES",
			"account", m.account(), "client", client)
	case codeTooLarge:
		s.Log.Warn("alarm: a notice of ECTicket is refused, because it is too large", "account", m.account(), "client", client, "most", mostNotice)
	}
}

// notice takes one: it is stored before it is acknowledged.
func (s *Server) notice(w http.ResponseWriter, r *http.Request, m *Merchant, from *addresses) (outcome string, p *Problem) {
	switch {
	case s.Notices == nil:
		return "", problem(http.StatusNotFound, codeNotFound, "this front door takes no notices: set ECTICKET_MERCHANT_ID, ECTICKET_HASH_KEY and ECTICKET_HASH_IV, or ISSUANCE_ACCOUNTS_FILE")
	case m == nil:
		return "", problem(http.StatusNotFound, codeAccount, "this front door takes no notices of this merchant")
	case !from.may(s.Address(r)):
		return "", problem(http.StatusTooManyRequests, codeTooMany, "too many wrong notices from this address").retry(time.Second)
	}
	text, platform, p := s.readNotice(w, r, m)
	if p != nil {
		from.wrong(s.Address(r))
		return "", p
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeWithin)
	defer cancel()
	fresh, err := m.Store.Put(ctx, s.Notices.Ring, text)
	if err != nil {
		return "", problem(http.StatusServiceUnavailable, codeUnreachable, "the notice cannot be stored; send it again").because(err).retry(unknownAfter)
	}
	s.Notices.acknowledge(w, m, platform, s.Now())
	if !fresh {
		return "repeated", nil
	}
	return "stored", nil
}

// readNotice reads and verifies a notice. What is wrong with it is never said with its content.
func (s *Server) readNotice(w http.ResponseWriter, r *http.Request, m *Merchant) (text []byte, platform string, p *Problem) {
	tooLarge := problem(http.StatusRequestEntityTooLarge, codeTooLarge, "the body is larger than a notice may be")
	if r.ContentLength > mostNotice {
		return nil, "", tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostNotice))
	if err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			return nil, "", tooLarge
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, "", problem(http.StatusRequestTimeout, codeTimeout, "the body did not come in time")
		}
		return nil, "", problem(http.StatusBadRequest, codeInvalid, "the body could not be read")
	}
	envelope, err := wire.ReadNotice(body)
	if err != nil {
		return nil, "", problem(http.StatusBadRequest, codeInvalid, "the body is no envelope of ECTicket")
	}
	// One answer for everything that is not authentic: whether Data could be decrypted would help to decrypt another's.
	text, err = wire.Open(m.Keys, envelope.Data)
	if _, ok := wire.VerifyMAC(m.Keys, text, envelope.CheckMacValue); !ok || err != nil {
		return nil, "", problem(http.StatusBadRequest, codeChecksum, "CheckMacValue is not that of Data, or Data is not encrypted with this merchant's keys")
	}
	if !m.own(envelope, text) {
		return nil, "", problem(http.StatusBadRequest, codeAccount, "the notice is another merchant's")
	}
	return text, envelope.PlatformID, nil
}

// own reports whether a notice is this merchant's: as far as it names one, outside of Data, which nothing protects, and
// inside.
func (m *Merchant) own(envelope wire.Request, text []byte) bool {
	merchant := m.Store.Account().Merchant
	var inner struct{ MerchantID json.RawMessage }
	_ = json.Unmarshal(text, &inner) // whatever it is, it is kept
	for _, id := range []string{envelope.MerchantID, wire.Text(inner.MerchantID)} {
		if id != "" && id != merchant && id != m.PlatformID {
			return false
		}
	}
	return envelope.PlatformID == "" || envelope.PlatformID == m.PlatformID || envelope.PlatformID == merchant
}

// acknowledge answers as ECTicket expects it: HTTP 200 and RtnCode 1.
func (n *Notices) acknowledge(w http.ResponseWriter, m *Merchant, platform string, now time.Time) {
	kind, body := "text/plain; charset=utf-8", []byte("1|OK")
	if !n.Plain {
		data, mac := wire.Seal(m.Keys, []byte(`{"RtnCode":1,"RtnMsg":"成功"}`))
		kind = "application/json"
		body, _ = json.Marshal(wire.Response{PlatformID: platform, MerchantID: m.Store.Account().Merchant, RpHeader: wire.Header{Timestamp: wire.Int64(now.Unix())},
			TransCode: wire.Accepted, Data: data, CheckMacValue: mac}) // strings and numbers cannot fail
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // a caller that is gone sends it again, which is recognised
}

// merchant is the one of an id, or nil.
func (n *Notices) merchant(id string) *Merchant {
	if n == nil || !providers.ValidMerchant(id) {
		return nil
	}
	return n.Merchant(id)
}

// account is whose notices they are, for metrics: anybody may write any merchant's id.
func (m *Merchant) account() string {
	if m == nil {
		return "none"
	}
	return m.Store.Account().String()
}

// addresses holds each address to a rate of wrong notices, which are refused before anything is decrypted once it is
// used up. Authentic ones use none of it: a provider's daily batch may be as large as it is.
type addresses struct {
	now  func() time.Time
	mu   sync.Mutex
	list map[string]*rate.Limiter
}

// may reports whether a notice from an address is looked at now.
func (a *addresses) may(ip string) bool { return a.of(ip).TokensAt(a.now()) >= 1 }

// wrong counts a wrong notice.
func (a *addresses) wrong(ip string) { a.of(ip).AllowN(a.now(), 1) }

func (a *addresses) of(ip string) *rate.Limiter {
	if p := net.ParseIP(ip); p != nil && p.To4() == nil {
		ip = p.Mask(net.CIDRMask(64, 128)).String() // one caller's network
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.list == nil || len(a.list) >= mostAddress {
		a.list = map[string]*rate.Limiter{}
	}
	if a.list[ip] == nil {
		a.list[ip] = rate.NewLimiter(noticeRate, noticeBurst)
	}
	return a.list[ip]
}
