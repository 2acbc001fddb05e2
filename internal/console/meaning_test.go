package console

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// viewOf is what a template sees of a page in a language.
func viewOf(l Lang) *view {
	c := &Console{Config: Config{Zone: providers.Taiwan, Now: func() time.Time { return time.Date(2026, 11, 27, 15, 30, 0, 0, time.UTC) }}}
	return &view{visit: &visit{Console: c, lang: l, r: httptest.NewRequest("GET", Path, nil)}}
}

// What is only known of a code when a record comes to review is not said of a step before.
func TestAStepDoesNotSayWhatOnlyAReviewHasFoundOut(t *testing.T) {
	for code, before := range beforeReview {
		for _, l := range Languages() {
			review := words["reviewed."+string(code)][l]
			for _, event := range []string{"rejected", "unclear", "waiting", "unknown"} {
				if got := l.detail(ledger.Step{Event: event, Detail: string(code)}); got != string(code)+" — "+before[l] || strings.Contains(got, review) {
					t.Errorf("%s with %s: %q", event, code, got)
				}
			}
			if got := l.detail(ledger.Step{Event: string(order.Review), Detail: string(code)}); got != string(code)+" — "+review {
				t.Errorf("a review of %s: %q", code, got)
			}
			v := viewOf(l)
			if v.Reviewed(string(code)) != review || v.Explain(order.Review, string(code)) != review || v.Explain(order.Submitting, string(code)) != before[l] {
				t.Errorf("%s: %q, %q", code, v.Reviewed(string(code)), v.Explain(order.Submitting, string(code)))
			}
		}
	}
}

// Why a job skipped a record is said by its state, whatever else bears the same name.
func TestWhyAJobSkippedARecordIsItsState(t *testing.T) {
	for _, l := range Languages() {
		v := viewOf(l)
		for _, s := range append(order.OrderStates(), order.RefundStates()...) {
			if want := l.T("job.note.state", words["state."+string(s)][l]); v.Why(string(s)) != want {
				t.Errorf("%s: %q, want %q", s, v.Why(string(s)), want)
			}
		}
		for _, key := range []string{"job.note.gone", "job.note.again"} {
			if got := v.Why(key); got != words[key][l] {
				t.Errorf("%s: %q", key, got)
			}
		}
	}
}

// Times in texts of programs are in the pages' zone, in both languages.
func TestTimesInTextsAreInThePagesZone(t *testing.T) {
	for _, c := range []struct{ text, chinese, english string }{
		{"it was made at 2026-11-27 15:33:01 UTC, before our first request", "建立於 2026-11-27 23:33:01 +08:00，早於我方第一次請求", "it was made at 2026-11-27 23:33:01 +08:00, before our first request"},
		{"ecticket:2000132 is banned by the provider until 15:39:58 UTC", "ecticket:2000132 被服務商封鎖至 23:39:58 +08:00", "ecticket:2000132 is banned by the provider until 23:39:58 +08:00"},
		{"the provider, refused (trans_1) since 2026-11-27T16:00:00Z", "服務商拒絕我們的帳號（trans_1），起始於 2026-11-28 00:00:00 +08:00", "the provider, refused (trans_1) since 2026-11-28 00:00:00 +08:00"},
	} {
		if zh, en := viewOf(Chinese).Said(c.text), viewOf(English).Said(c.text); zh != c.chinese || en != c.english {
			t.Errorf("%q, %q", zh, en)
		}
		if zh, en := viewOf(Chinese).Held(c.text), viewOf(English).Held(c.text); zh != c.chinese || en != c.english {
			t.Errorf("held: %q, %q", zh, en)
		}
	}
}

// Why calls are held and what a look-up found is Chinese on the Chinese pages; what people wrote stays as it is.
func TestHoldsAndFindingsAreSaidInChinese(t *testing.T) {
	v := viewOf(Chinese)
	pause := budget.Hold{Who: "angela", Reason: "the provider asked"}.String()
	for got, want := range map[string]string{
		v.Said(pause):               "已由 angela 暫停：the provider asked",
		v.Held(pause):               "已由 angela 暫停：the provider asked",
		v.Said("held: " + pause):    "暫停呼叫：已由 angela 暫停：the provider asked",
		viewOf(English).Held(pause): "Paused by angela: the provider asked",
		v.Held("banned: HTTP 403 from ECTicket Issue"): "服務商封鎖：" + v.Said("HTTP 403 from ECTicket Issue"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := v.Said("HTTP 403 from ECTicket Issue"); !han(got) {
		t.Errorf("a ban's reason is %q", got)
	}
	for _, f := range []providers.FindingState{providers.FoundIssued, providers.FoundPending, providers.FoundFailed} {
		text := strings.ReplaceAll(string(f), "_", " ") // as the ledger writes it
		if got := v.Detail(ledger.Step{Event: "looked_up", Detail: text}); !han(got) || strings.Contains(got, "found") {
			t.Errorf("%s is said as %q", text, got)
		}
	}
}

// A row of a file is 列 everywhere, as in Excel, and a column 欄.
func TestARowOfAFileHasOneName(t *testing.T) {
	row := regexp.MustCompile(`逐行|各行|每行|行數|的行|多行|一行|這一行|第 (%s|%d)( [^ ]+ %s)? 行`)
	for key, of := range words {
		if row.MatchString(of[Chinese]) || key == "file.line" && of[Chinese] != "列" {
			t.Errorf("%s: %q", key, of[Chinese])
		}
	}
	for english, chinese := range ruleWords {
		if row.MatchString(chinese) {
			t.Errorf("%s: %q", english, chinese)
		}
	}
	for english, chinese := range reasonWords {
		if row.MatchString(chinese) {
			t.Errorf("%s: %q", english, chinese)
		}
	}
}
