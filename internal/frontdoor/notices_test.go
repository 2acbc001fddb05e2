package frontdoor_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"issuance/internal/frontdoor"
	"issuance/internal/keys"
	"issuance/internal/notices"
	"issuance/internal/seal"
	"issuance/providers/ecticket/wire"
	"issuance/tasks"
)

var noticeKeys = wire.Keys{HashKey: "7b53896b742849d3", HashIV: "37a0ad3c6ffa428b"}

// noticeText is what a notice says, with every character that encodings differ in.
const noticeText = `{"MerchantID":"2000132","MerchantTradeNo":"SECRETORDER","TicketNo":"CB2SY20220302153","d":"a b~c!'()*"}`

// takesNotices is a front door that does.
func takesNotices(t *testing.T, change func(*frontdoor.Config)) *house {
	t.Helper()
	path, _ := tokensFile(t, "shop orders,tickets")
	h := open(t, path)
	h.change = func(c *frontdoor.Config) {
		c.Notices = &frontdoor.Notices{Store: notices.New(h.rdb, shop), Ring: seal.Sandbox(), Keys: noticeKeys}
		if change != nil {
			change(c)
		}
	}
	h.serve(path)
	return h
}

func envelope(merchant, text string, v wire.Variant) string {
	data, mac := wire.SealAs(noticeKeys, []byte(text), v)
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
		"of another":         {envelope("3085676", noticeText, wire.Variant{}), noticePath, 400, "unknown_account"},
		"of another, inside": {envelope("2000132", strings.Replace(noticeText, "2000132", "3085676", 1), wire.Variant{}), noticePath, 400, "unknown_account"},
		"to another":         {fine, frontdoor.NoticePath + "3085676", 404, "unknown_account"},
		"too large":          {`{"Data":"` + strings.Repeat("A", 300<<10) + `"}`, noticePath, 413, "too_large"},
	} {
		var p frontdoor.Problem
		if h.want(c.status, &p, http.MethodPost, c.path, c.body); p.Code != c.code {
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

// An address that sends too many is held up before anything is decrypted.
func TestAnAddressIsHeldToARate(t *testing.T) {
	h := takesNotices(t, nil)
	limited := false
	for range 1500 {
		resp, err := http.Post(h.url+noticePath, "application/json", strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if limited = resp.StatusCode == http.StatusTooManyRequests; limited {
			break
		}
	}
	if !limited {
		t.Error("nothing was limited")
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
