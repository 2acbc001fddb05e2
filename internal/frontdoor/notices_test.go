package frontdoor_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"issuance/internal/doortest"
	"issuance/internal/frontdoor"
	"issuance/internal/keys"
	"issuance/internal/seal"
	"issuance/providers/ecticket/wire"
	"issuance/tasks"
)

var noticeKeys = wire.Keys{HashKey: "7b53896b742849d3", HashIV: "37a0ad3c6ffa428b"}

// shopKeys are the keys of the only merchant.
func shopKeys(merchant string) (wire.Keys, string, bool) {
	return noticeKeys, "", merchant == shop.Merchant
}

// noticeText is what a notice says, with every character that encodings differ in.
const noticeText = `{"MerchantID":"2000132","MerchantTradeNo":"SECRETORDER","TicketNo":"CB2SY20220302153","d":"a b~c!'()*"}`

// takesNotices is a front door that does.
func takesNotices(t *testing.T, change func(*frontdoor.Config)) *house {
	t.Helper()
	path, _ := doortest.TokensFile(t, "shop orders,tickets")
	h := open(t, path)
	h.change = func(c *frontdoor.Config) {
		c.Notices = &frontdoor.Notices{Merchant: frontdoor.MerchantsOf(h.rdb, shopKeys), Ring: seal.Sandbox()}
		if change != nil {
			change(c)
		}
	}
	h.serve(path)
	return h
}

func envelope(merchant, text string, v wire.Variant) string {
	return sealedWith(noticeKeys, merchant, text, v)
}

func sealedWith(k wire.Keys, merchant, text string, v wire.Variant) string {
	data, mac := wire.SealAs(k, []byte(text), v)
	b, _ := json.Marshal(wire.Request{MerchantID: merchant, RqHeader: wire.Header{Timestamp: 1}, Data: data, CheckMacValue: mac})
	return string(b)
}

const noticePath = frontdoor.NoticePath + "2000132"

func (h *house) storedNotices() int64 { return h.rdb.XLen(h.t.Context(), keys.Notices(shop)).Val() }

// A notice of any encoding is stored and acknowledged as ECPay wants it, without a token; its repetition is acknowledged
// and not stored. Nothing of it is in the log.
func TestANoticeIsStoredAndAcknowledged(t *testing.T) {
	h := takesNotices(t, nil)
	for i, v := range wire.Variants() {
		text := strings.Replace(noticeText, `"d"`, fmt.Sprintf(`"n":%d,"d"`, i), 1)
		for range 2 {
			a := h.want(http.StatusOK, nil, http.MethodPost, noticePath, "\ufeff"+envelope("2000132", text, v))
			envelope, _, err := wire.ReadResponse([]byte(a.text))
			if err != nil || envelope.TransCode != 1 || envelope.MerchantID != "2000132" || a.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("%s: %v", a.text, err)
			}
			plain, err := wire.Open(noticeKeys, envelope.Data)
			if _, ok := wire.VerifyMAC(noticeKeys, plain, envelope.CheckMacValue); err != nil || !ok || string(plain) != `{"RtnCode":1,"RtnMsg":"成功"}` {
				t.Errorf("acknowledged with %q, %v", plain, err)
			}
		}
		if n := h.storedNotices(); n != int64(i+1) {
			t.Errorf("%s: %d are stored", v, n)
		}
	}
	if log := h.log.String(); strings.Contains(log, "SECRETORDER") || strings.Contains(log, "CB2SY") || !strings.Contains(log, "outcome=repeated") {
		t.Errorf("log:\n%s", log)
	}
}

func TestANoticeMayBeAcknowledgedPlainly(t *testing.T) {
	h := takesNotices(t, func(c *frontdoor.Config) { c.Notices.Plain = true })
	if a := h.want(http.StatusOK, nil, http.MethodPost, noticePath, envelope("2000132", noticeText, wire.Variant{})); a.text != "1|OK" {
		t.Error(a.text)
	}
}

// What is not authentic, or another merchant's, is neither stored nor acknowledged.
func TestWhatIsNoNoticeOfThisMerchantIsRefused(t *testing.T) {
	h := takesNotices(t, nil)
	fine := envelope("2000132", noticeText, wire.Variant{})
	var e wire.Request
	_ = json.Unmarshal([]byte(fine), &e)
	other, _ := wire.Seal(noticeKeys, []byte(strings.Replace(noticeText, "SECRETORDER", "OTHER", 1)))
	for name, c := range map[string]struct {
		body, path string
		status     int
		code       string
	}{
		"bad checksum":       {strings.Replace(fine, e.CheckMacValue, strings.Repeat("0", 64), 1), noticePath, 400, "bad_checksum"},
		"no checksum":        {strings.Replace(fine, e.CheckMacValue, "", 1), noticePath, 400, "bad_checksum"},
		"other data":         {strings.Replace(fine, e.Data, other, 1), noticePath, 400, "bad_checksum"},
		"not encrypted":      {strings.Replace(fine, e.Data, "AAAA", 1), noticePath, 400, "bad_checksum"},
		"no envelope":        {`{"TicketNo":"CB2SY20220302153"}`, noticePath, 400, "invalid"},
		"no JSON":            {`MerchantID=2000132`, noticePath, 400, "invalid"},
		"of other keys":      {sealedWith(wire.Keys{HashKey: "b15bd8514fed472c", HashIV: "9c8458263def47cd"}, "2000132", noticeText, wire.Variant{}), noticePath, 400, "bad_checksum"},
		"of a platform":      {strings.Replace(fine, `"PlatformID":""`, `"PlatformID":"3002599"`, 1), noticePath, 400, "unknown_account"},
		"no object":          {`["` + e.Data + `"]`, noticePath, 400, "invalid"},
		"very large":         {`{"Data":"` + strings.Repeat("A", 5<<20) + `"}`, noticePath, 413, "too_large"},
		"very large form":    {"Data=" + strings.Repeat("A", 5<<20), noticePath, 413, "too_large"},
		"of another":         {envelope("3085676", noticeText, wire.Variant{}), noticePath, 400, "unknown_account"},
		"of another, inside": {envelope("2000132", strings.Replace(noticeText, "2000132", "3085676", 1), wire.Variant{}), noticePath, 400, "unknown_account"},
		"to another":         {fine, frontdoor.NoticePath + "3085676", 404, "unknown_account"},
		"too large":          {`{"Data":"` + strings.Repeat("A", 300<<10) + `"}`, noticePath, 413, "too_large"},
	} {
		var p frontdoor.Problem
		if h.want(c.status, &p, http.MethodPost, c.path, c.body); p.Code != frontdoor.Code(c.code) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if n := h.storedNotices(); n != 0 {
		t.Errorf("%d are stored", n)
	}
	bare := open(t, "")
	var p frontdoor.Problem
	if bare.want(http.StatusNotFound, &p, http.MethodPost, noticePath, fine); !strings.Contains(p.Detail, "ECTICKET_HASH_KEY") {
		t.Errorf("%+v", p)
	}
}

// A notice that cannot be stored is not acknowledged, so that ECPay sends it again.
func TestANoticeThatCannotBeStoredIsNotAcknowledged(t *testing.T) {
	h := takesNotices(t, nil)
	for _, key := range []string{keys.Notices(shop), keys.Looks(shop)} {
		if err := h.rdb.Set(t.Context(), key, "of another type", 0).Err(); err != nil {
			t.Fatal(err)
		}
		a := h.want(http.StatusServiceUnavailable, nil, http.MethodPost, noticePath, envelope("2000132", noticeText, wire.Variant{}))
		if a.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		h.rdb.Del(t.Context(), key)
	}
	h.want(http.StatusOK, nil, http.MethodPost, noticePath, envelope("2000132", noticeText, wire.Variant{}))
	// The one whose look was refused is there as well; what is acknowledged has its look.
	if n, looks := h.storedNotices(), h.rdb.ZCard(t.Context(), keys.Looks(shop)).Val(); n != 2 || looks != 1 {
		t.Errorf("%d are stored, with %d looks", n, looks)
	}
}

// An address that sends too many wrong ones is held up before anything is decrypted, and no other address is.
func TestAnAddressIsHeldToARate(t *testing.T) {
	var sent int
	h := takesNotices(t, func(c *frontdoor.Config) { c.Trusted = func(string) bool { return true } })
	fine := envelope("2000132", noticeText, wire.Variant{})
	for sent = range 5000 {
		if a := h.call(http.MethodPost, noticePath, `{}`, "X-Forwarded-For", "192.0.2.1"); a.StatusCode == http.StatusTooManyRequests {
			break
		}
	}
	if sent < 500 || sent > 4000 {
		t.Errorf("held up after %d", sent)
	}
	h.want(http.StatusOK, nil, http.MethodPost, noticePath, fine, "X-Forwarded-For", "192.0.2.2")
	if n := metric(h, `issuance_notices_total{account="ecticket:2000132",outcome="too_many_requests"}`); n != "1" {
		t.Errorf("%s are counted as too many", n)
	}
}

// A provider's batch is taken as fast as it comes: what is authentic uses up no rate.
func TestALargeBatchIsTaken(t *testing.T) {
	h := takesNotices(t, func(c *frontdoor.Config) {
		stopped := time.Now()
		c.Now = func() time.Time { return stopped }
	})
	const many = 1000 // in one moment
	for i := range many {
		h.want(http.StatusOK, nil, http.MethodPost, noticePath, envelope("2000132", fmt.Sprintf(`{"n":%d}`, i), wire.Variant{}))
	}
	if n := h.storedNotices(); n != many {
		t.Errorf("%d are stored", n)
	}
}

// However a notice is labelled, and as a form, too, it is the same notice.
func TestANoticeIsTakenAsItComes(t *testing.T) {
	h := takesNotices(t, nil)
	fine := envelope("2000132", noticeText, wire.Variant{})
	var e wire.Request
	_ = json.Unmarshal([]byte(fine), &e)
	const form = "application/x-www-form-urlencoded"
	values := url.Values{"MerchantID": {e.MerchantID}, "Data": {e.Data}, "CheckMacValue": {e.CheckMacValue}, "RqHeader": {`{"Timestamp":1}`}}
	for _, c := range [][2]string{
		{"application/json", fine}, {"text/html", fine}, {"text/plain; charset=big5", fine}, {"", fine}, {"multipart/form-data", fine}, {form, fine},
		{form, values.Encode()}, {"application/json", values.Encode()}, {form, "MerchantID=2000132&Data=" + e.Data + "&CheckMacValue=" + e.CheckMacValue},
		{"application/json", strings.Replace(fine, "{", `{"Data":"AAAA","MerchantID":"3085676",`, 1)}, {"application/json", "\ufeff\ufeff\r\n" + fine + "\n"},
	} {
		h.want(http.StatusOK, nil, http.MethodPost, noticePath, c[1], "Content-Type", c[0])
	}
	if n := h.storedNotices(); n != 1 {
		t.Errorf("%d are stored", n)
	}
	if stored, again := metric(h, `issuance_notices_total{account="ecticket:2000132",outcome="stored"}`), metric(h, `issuance_notices_total{account="ecticket:2000132",outcome="repeated"}`); stored != "1" || again != "10" {
		t.Errorf("counted %s stored, %s repeated", stored, again)
	}
}

// What is not authentic is answered in one way, so that no answer helps to decrypt what somebody else has sent.
func TestARefusalSaysNothingOfTheDecryption(t *testing.T) {
	h := takesNotices(t, nil)
	var e wire.Request
	_ = json.Unmarshal([]byte(envelope("2000132", noticeText, wire.Variant{})), &e)
	raw, _ := base64.StdEncoding.DecodeString(e.Data)
	answers := map[string]int{}
	for i := range 256 { // one of them has a padding that is right
		raw[len(raw)-17] ^= byte(i)
		a := h.want(http.StatusBadRequest, nil, http.MethodPost, noticePath, `{"Data":"`+base64.StdEncoding.EncodeToString(raw)+`","CheckMacValue":"`+strings.Repeat("0", 64)+`"}`)
		raw[len(raw)-17] ^= byte(i)
		answers[strings.ReplaceAll(a.text, a.Header.Get("X-Request-Id"), "")]++
	}
	if len(answers) != 1 {
		t.Errorf("answers %v", answers)
	}
}

// The addresses that are filled in are no part of the document: with another setting the same document is the same order.
func TestFilledInAddressesChangeNoOrder(t *testing.T) {
	h := open(t, "")
	for i, public := range []string{"https://a.example", "", "https://b.example"} {
		h.change = func(c *frontdoor.Config) {
			if public != "" {
				c.Rules.Notices = public + frontdoor.NoticePath
			}
			c.Rules.MerchantID = shop.Merchant
		}
		h.serve("")
		want := http.StatusOK
		if i == 0 {
			want = http.StatusCreated
		}
		h.want(want, nil, http.MethodPut, at+"A1", body)
	}
	var st tasks.Status
	h.want(http.StatusOK, &st, http.MethodGet, at+"A1", "")
	if !strings.Contains(string(st.Shape), `"notices":"https://a.example/notify/ecticket/2000132"`) {
		t.Errorf("shape %s", st.Shape)
	}
}

// A daily list is taken, up to what the documents say.
func TestALongNoticeIsTaken(t *testing.T) {
	h := takesNotices(t, nil)
	long := `{"list":["` + strings.Repeat("A", 180<<10) + `"]}` // a third more in base64
	h.want(http.StatusOK, nil, http.MethodPost, noticePath, envelope("2000132", long, wire.Variant{}))
	if n := h.storedNotices(); n != 1 {
		t.Errorf("%d are stored", n)
	}
}

// A notice that is refused although it may be authentic is an alarm; the provider gives it up after a few repetitions.
func TestRefusedNoticesAreAnAlarm(t *testing.T) {
	h := takesNotices(t, func(c *frontdoor.Config) {
		stopped := time.Now()
		c.Now = func() time.Time { return stopped }
	})
	fine := envelope("2000132", noticeText, wire.Variant{})
	h.want(http.StatusOK, nil, http.MethodPost, noticePath, fine)
	if strings.Contains(h.log.String(), "alarm") {
		t.Error("an alarm for nothing")
	}
	h.want(http.StatusRequestEntityTooLarge, nil, http.MethodPost, noticePath, strings.Repeat("A", 256<<10+1))
	for range 499 {
		h.want(http.StatusBadRequest, nil, http.MethodPost, noticePath, "{}")
	}
	h.want(http.StatusTooManyRequests, nil, http.MethodPost, noticePath, fine)
	for _, alarm := range []string{"alarm: a notice of ECTicket is refused, because it is too large", "alarm: notices of ECTicket are refused unread"} {
		if !strings.Contains(h.log.String(), alarm) {
			t.Errorf("the log does not hold %q", alarm)
		}
	}
}

// A notice whose body is slow is answered like any other such request.
func TestASlowNoticeIsATimeout(t *testing.T) {
	addr, _ := listenAs(t, nil, func(c *frontdoor.Config) {
		c.Notices = &frontdoor.Notices{Merchant: frontdoor.MerchantsOf(c.RDB, shopKeys), Ring: seal.Sandbox()}
	})
	if a := drip(t, addr, "POST "+noticePath+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"); !strings.HasPrefix(a, "HTTP/1.1 408") || !strings.Contains(a, `"timeout"`) {
		t.Errorf("%.300q", a)
	}
}
