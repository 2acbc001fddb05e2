package ecticket_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/wire"
)

// odd are values that a field may have besides the documented one.
var odd = []any{nil, "", "一 text", 0, 7, -1, 1.5, 1e30, true, []any{}, []any{1, "2"}, data{}, data{"Timestamp": data{}}}

// decides lists the fields of an answer's Data by which something is decided: status, number and list
// of tickets, and the ids by which an answer is known to be the one to this call.
var decides = []string{"RtnCode", "MerchantID", "MerchantTradeNo", "FreeTradeNo", "TicketNo", "WriteOffNo", "Status", "TotalCount", "UseStatus", "TicketList", "ItemInfoList"}

// full is an answer with every documented field of every call.
func full() data {
	d := yes()
	for _, name := range []string{"Remark", "IssueType", "IssueDate", "PaymentProvider", "PaymentType", "EscrowExpireDate", "EscrowExpiredDate",
		"TradeAmount", "RedeemCount", "RedeemAmount", "RefundCount", "RefundAmount", "TotalRefundFee", "UnUsedCount", "UnUsedAmount", "ExpiredCount",
		"CreditTradeID", "PrintType", "CustomerName", "CustomerPhone", "CustomerEmail", "ItemNo", "ItemName", "TicketAmount", "StartDate", "ExpireDate",
		"ExpiredDate", "WriteOffDate", "RefundDate", "IssueMID", "IssueStoreID", "RedeemMID", "RedeemStoreID", "RefundMID", "RefundStoreID",
		"InstructionsList", "TicketData", "Unheard"} {
		d[name] = "1"
	}
	return d
}

// Nothing that decides nothing makes an authentic answer unreadable: not in Data, not in the envelope
// around it, not what stands before or behind it.
func TestWhatDecidesNothingMayBeAnything(t *testing.T) {
	var mu sync.Mutex
	var answer func(http.ResponseWriter)
	s := listen(t, func(w http.ResponseWriter, _ *http.Request, _ int, _ asked) {
		mu.Lock()
		defer mu.Unlock()
		answer(w)
	})
	c := client(t, s.URL)
	check := func(name string, value any, f func(http.ResponseWriter)) {
		t.Helper()
		mu.Lock()
		answer = f
		mu.Unlock()
		for _, op := range ops {
			if out := op.do(t.Context(), c); out.Kind != providers.Done && out.Kind != providers.Accepted {
				t.Errorf("%s = %v, %s: %+v", name, value, op.name, out)
			}
		}
	}
	for _, value := range odd {
		d := full()
		for name := range d {
			if !slices.Contains(decides, name) {
				d[name] = value
			}
		}
		check("every field", value, func(w http.ResponseWriter) { authentic(w, d) })
	}
	for _, name := range []string{"PlatformID", "MerchantID", "RpHeader", "TransMsg", "Unheard"} {
		for _, value := range odd {
			check("envelope "+name, value, func(w http.ResponseWriter) { authentic(w, yes(), set(name, value)) })
		}
		check("envelope without "+name, nil, func(w http.ResponseWriter) { authentic(w, yes(), drop(name)) })
	}
	check("TransCode", "1", func(w http.ResponseWriter) { authentic(w, yes(), set("TransCode", "1")) })
	for _, list := range []any{nil, "", "[]", data{}, []any{}, false} {
		check("TicketList", list, func(w http.ResponseWriter) { authentic(w, with("TicketList", list)) })
	}
	for _, around := range [][2]string{{"\ufeff", ""}, {"\r\n\ufeff", "\n"}, {"", "\ufeff"}, {"\ufeff\ufeff ", " \n"}} {
		check("around the envelope", around, func(w http.ResponseWriter) {
			_, _ = w.Write([]byte(around[0]))
			authentic(w, yes())
			_, _ = w.Write([]byte(around[1]))
		})
		raw, err := json.Marshal(yes())
		if err != nil {
			t.Fatal(err)
		}
		text := around[0] + string(raw) + around[1]
		check("around Data", around, func(w http.ResponseWriter) { authentic(w, text) })
		_, without := wire.Seal(keys, raw)
		check("around Data, with a checksum that leaves it out", around, func(w http.ResponseWriter) { authentic(w, text, set("CheckMacValue", without)) })
	}
}

// What decides is never guessed from something else.
func TestWhatDecidesMustBeAsDocumented(t *testing.T) {
	for _, name := range decides {
		for _, value := range odd {
			s := listen(t, func(w http.ResponseWriter, _ *http.Request, _ int, _ asked) { authentic(w, with(name, value)) })
			c := client(t, s.URL)
			f := c.LookUp(t.Context(), order)
			if name == "Status" && f.State != providers.Unclear || name == "RtnCode" && f.Found() {
				t.Errorf("%s = %v: %+v", name, value, f)
			}
			if status, out := c.TicketStatus(t.Context(), "T1"); name == "UseStatus" && out.Kind == providers.Done &&
				slices.Contains([]providers.UseStatus{providers.Unused, providers.Redeemed, providers.Refunded, providers.Invalid}, status.UseStatus) {
				t.Errorf("%s = %v: the ticket is %s", name, value, status.UseStatus)
			}
		}
	}
	for _, no := range []any{nil, "", data{}, []any{1}, " "} {
		s := listen(t, func(w http.ResponseWriter, _ *http.Request, _ int, _ asked) {
			d := with("TicketList", []any{data{"TicketNo": no, "UseStatus": 1}})
			d["TotalCount"] = 1
			authentic(w, d)
		})
		if list, out := client(t, s.URL).Tickets(t.Context(), order); out.Kind != providers.Unknown || out.Code != "bad_list" {
			t.Errorf("TicketNo %v: %+v, %+v", no, list, out)
		}
	}
}

// FuzzAnswers puts any JSON value into any field that decides nothing.
func FuzzAnswers(f *testing.F) {
	f.Add("RtnMsg", `{"a":[1]}`, false)
	f.Add("RpHeader", `"1525169058"`, true)
	f.Add("IssueDate", `20220302`, false)
	var mu sync.Mutex
	var answer func(http.ResponseWriter)
	s := listen(f, func(w http.ResponseWriter, _ *http.Request, _ int, _ asked) {
		mu.Lock()
		defer mu.Unlock()
		answer(w)
	})
	c := client(f, s.URL)
	f.Fuzz(func(t *testing.T, name, value string, outside bool) {
		for _, d := range append([]string{"TransCode", "Data", "CheckMacValue"}, decides...) {
			if strings.EqualFold(name, d) {
				t.Skip()
			}
		}
		if len(value) > 1000 || !json.Valid([]byte(value)) {
			t.Skip()
		}
		mu.Lock()
		answer = func(w http.ResponseWriter) {
			if outside {
				authentic(w, yes(), set(name, json.RawMessage(value)))
				return
			}
			authentic(w, with(name, json.RawMessage(value)))
		}
		mu.Unlock()
		for _, op := range ops {
			if out := op.do(t.Context(), c); out.Kind != providers.Done && out.Kind != providers.Accepted {
				t.Errorf("%s: %+v", op.name, out)
			}
		}
	})
}

func TestTheEncodingInUseIsCounted(t *testing.T) {
	for _, tc := range []struct{ message, want string }{
		{"success", wire.Any}, {"it worked", "space=%20"}, {"~", "tilde=~"}, {"it (worked)", "space=%20 marks=%XX"},
	} {
		s := listen(t, func(w http.ResponseWriter, _ *http.Request, _ int, _ asked) {
			plain := `{"RtnCode":1,"RtnMsg":"` + tc.message + `","Status":1}`
			sealed, mac := wire.SealAs(keys, []byte(plain), wire.Variants()[0])
			authentic(w, plain, set("Data", sealed), set("CheckMacValue", mac))
		})
		var counted []string
		c := client(t, s.URL, func(cfg *ecticket.Config) { cfg.Verified = func(v string) { counted = append(counted, v) } })
		if f := c.LookUp(t.Context(), order); f.State != providers.FoundIssued || !slices.Equal(counted, []string{tc.want}) {
			t.Errorf("%s: %v, %+v", tc.message, counted, f)
		}
	}
	s := listen(t, func(w http.ResponseWriter, _ *http.Request, _ int, _ asked) {
		authentic(w, yes(), set("CheckMacValue", strings.Repeat("0", 64)))
	})
	client(t, s.URL, func(cfg *ecticket.Config) { cfg.Verified = func(v string) { t.Errorf("%s is counted", v) } }).LookUp(t.Context(), order)
}

// A provider that is overloaded is heard whatever was asked, and nobody takes its answer for "nothing
// happened": no document says so.
func TestEveryCallHearsWhenToComeBack(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	for _, status := range []int{429, 503} {
		for _, form := range []string{"90", now.Add(90 * time.Second).UTC().Format(http.TimeFormat)} {
			s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) {
				w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
				w.Header().Set("Retry-After", form)
				page(status)(w, r)
			})
			c := client(t, s.URL)
			for _, op := range ops {
				if out := op.do(t.Context(), c); out.RetryAfter != 90*time.Second || out.Kind != providers.Unknown {
					t.Errorf("HTTP %d, %s: %+v", status, op.name, out)
				}
			}
		}
	}
}
