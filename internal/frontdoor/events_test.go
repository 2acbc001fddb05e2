package frontdoor_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"issuance/internal/doortest"
	"issuance/internal/frontdoor"
	"issuance/internal/keys"
	"issuance/internal/testredis"
)

type page struct {
	Events []frontdoor.PagedEvent
	Next   string
	Gap    *frontdoor.Gap
}

func (h *house) issued(ids ...string) {
	h.t.Helper()
	for _, id := range ids {
		h.want(http.StatusCreated, nil, http.MethodPut, at+id, body)
		h.issue(id)
	}
}

func TestEventsComeByPageInTheirOrder(t *testing.T) {
	h := open(t, "")
	h.issued("A1", "A2", "A3")
	var got []string
	after := ""
	for range 5 {
		var p page
		h.want(http.StatusOK, &p, http.MethodGet, "/v1/events?limit=2&after="+after, "")
		for _, e := range p.Events {
			got = append(got, e.Type+" "+e.Data.OrderID)
			if e.Data.EventID == "" || e.Data.Account != shop || e.Timestamp.IsZero() || e.Position == "" {
				t.Errorf("%+v", e)
			}
		}
		if p.Next == "" || p.Gap != nil {
			t.Fatalf("%+v", p)
		}
		after = p.Next
	}
	if want := []string{"order.issued A1", "order.issued A2", "order.issued A3"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	h.want(http.StatusUnprocessableEntity, nil, http.MethodGet, "/v1/events?after=yesterday", "")
}

func TestAGapIsReported(t *testing.T) {
	h := openOver(t, testredis.Start(t), "")
	h.issued("A1", "A2", "A3")
	var p page
	h.want(http.StatusOK, &p, http.MethodGet, "/v1/events?limit=1", "")
	if err := h.rdb.XTrimMaxLen(t.Context(), keys.Events, 1).Err(); err != nil {
		t.Fatal(err)
	}
	first := p.Next
	h.want(http.StatusOK, &p, http.MethodGet, "/v1/events?after="+first, "")
	if p.Gap == nil || p.Gap.After != first || len(p.Events) != 1 || p.Gap.First != p.Events[0].Position {
		t.Errorf("%+v", p)
	}
	h.serve("") // one that has not read them before
	s := h.stream(first)
	if m := s.next(); m.kind != "gap" {
		t.Errorf("%+v", m)
	}
	if m := s.next(); m.kind != "order.issued" || !strings.Contains(m.data, `"A3"`) {
		t.Errorf("%+v", m)
	}
}

// Whoever asks for a position ahead of all events, as of a Redis that has been replaced, learns of the gap once and goes on
// from the oldest event, by page and by stream.
func TestAPositionAheadOfAllEventsLeadsToTheOldest(t *testing.T) {
	const ahead = "9999999999999-7"
	h := openOver(t, testredis.Start(t), "")
	var p page
	h.want(http.StatusOK, &p, http.MethodGet, "/v1/events?after="+ahead, "")
	if p.Gap == nil || p.Gap.First != "0" || p.Next != "0" || len(p.Events) != 0 {
		t.Errorf("without events: %+v", p)
	}
	s := h.stream(ahead)
	if m := s.next(); m.kind != "gap" {
		t.Errorf("without events: %+v", m)
	}
	h.issued("A1", "A2")
	for _, s := range []stream{s, h.stream(ahead)} {
		m := s.next()
		if m.kind == "gap" {
			m = s.next()
		}
		if !strings.Contains(m.data, `"A1"`) {
			t.Errorf("the stream goes on with %+v", m)
		}
	}
	p = page{}
	h.want(http.StatusOK, &p, http.MethodGet, "/v1/events?limit=1&after="+ahead, "")
	if p.Gap == nil || p.Gap.After != ahead || len(p.Events) != 1 || p.Events[0].Data.OrderID != "A1" || p.Gap.First != p.Events[0].Position {
		t.Fatalf("%+v", p)
	}
	next := p.Next
	p = page{}
	h.want(http.StatusOK, &p, http.MethodGet, "/v1/events?after="+next, "")
	if p.Gap != nil || len(p.Events) != 1 || p.Events[0].Data.OrderID != "A2" {
		t.Errorf("%+v", p)
	}
}

// However the position before all events is written, nothing is before it.
func TestThereIsNoGapBeforeTheBeginning(t *testing.T) {
	h := open(t, "")
	h.issued("A1")
	for _, beginning := range []string{"", "0", "0-0", "00"} {
		var p page
		if h.want(http.StatusOK, &p, http.MethodGet, "/v1/events?after="+beginning, ""); p.Gap != nil || len(p.Events) != 1 {
			t.Errorf("%q: %+v", beginning, p)
		}
		if beginning == "" {
			continue // where a stream begins with what happens from now on
		}
		if m := h.stream(beginning).next(); m.kind != "order.issued" {
			t.Errorf("%q: %+v", beginning, m)
		}
	}
}

// A token for some accounts is at the end where next is the position that it asked for, and not where a page is empty.
func TestTheEndOfTheEventsIsWhereNextStands(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "shop orders,events", "other events pass2u:main")
	h := open(t, path)
	h.token = secrets["shop"]
	h.issued("A1", "A2", "A3")
	h.token = secrets["other"]
	after, pages := "0", 0
	for ; pages < 10; pages++ {
		var p page
		h.want(http.StatusOK, &p, http.MethodGet, "/v1/events?limit=1&after="+after, "")
		if p.Next == after {
			break
		}
		after = p.Next
	}
	if pages != 3 || after != h.lastPosition() {
		t.Errorf("%d pages, up to %s", pages, after)
	}
}

// A stream ends within seconds of its token's removal, also when nothing happens meanwhile.
func TestAStreamEndsWithItsToken(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "shop orders,events", "box events")
	h := open(t, path)
	h.token = secrets["box"]
	s := h.stream("0")
	next, _ := doortest.TokensFile(t, "other events")
	raw, err := os.ReadFile(next)
	if err == nil {
		err = os.WriteFile(path, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if m := s.next(); m != (sent{}) {
		t.Errorf("a caller without a token gets %+v", m)
	}
}

// A token sees its own accounts' events alone, and its position moves on over the others'.
func TestEventsOfOtherAccountsAreNotShown(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "shop orders,events", "other events pass2u:main")
	h := open(t, path)
	h.token = secrets["shop"]
	h.issued("A1")
	h.token = secrets["other"]
	var p page
	h.want(http.StatusOK, &p, http.MethodGet, "/v1/events", "")
	if len(p.Events) != 0 || p.Next == "0" {
		t.Errorf("%+v", p)
	}
	if m := h.stream("0").next(); m.kind != "" || m.data != "" || m.id != p.Next {
		t.Errorf("%+v", m)
	}
}

func TestABulkAnswersForEachLine(t *testing.T) {
	h := openOver(t, testredis.Start(t), "")
	line := func(id, content string) string {
		return fmt.Sprintf(`{"provider":"ecticket","request":%s}`, strings.Replace(strings.ReplaceAll(content, "\n", ""), "{", `{"MerchantTradeNo":"`+id+`",`, 1)) + "\n"
	}
	h.want(http.StatusCreated, nil, http.MethodPut, at+"C1", otherBody)
	file := line("B1", body) + line("B2", body) + "{}\n" + line("C1", body) + line("B1", body)
	read := func(query string) ([]string, []frontdoor.BulkLine, frontdoor.BulkDone) {
		return h.bulk(query, file)
	}
	receipts, _, done := read("?dry_run=true")
	if len(receipts) != 0 || !done.Complete || done.Invalid == 0 {
		t.Errorf("dry run: %v %+v", receipts, done)
	}
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"B1", "")
	receipts, wrong, done := read("")
	if slices.Sort(receipts); !slices.Contains(receipts, "B1") || !slices.Contains(receipts, "B2") || slices.Contains(receipts, "C1") {
		t.Errorf("receipts %v", receipts)
	}
	if len(wrong) < 2 || wrong[0].Line == 0 || len(wrong[0].Violations) == 0 || !done.Complete || done.Enqueued != 2 || done.Conflicts != 1 {
		t.Errorf("%+v %+v", wrong, done)
	}
	h.want(http.StatusOK, nil, http.MethodGet, at+"B1", "")
	var st frontdoor.Status
	h.want(http.StatusOK, &st, http.MethodGet, at+"B2", "")
	if st.Lane != "bulk" {
		t.Errorf("%+v", st)
	}
	for content, kind := range map[string]string{"": "text/csv", "[1]": "application/x-ndjson", "王小明,1\n": "text/csv", "MerchantTradeNo,王小明\n": "text/csv",
		"MerchantTradeNo,account\n": "text/csv", "MerchantTradeNo,IssueType,Operator,Nonsense\n": "text/csv"} {
		var p frontdoor.Problem
		if h.want(http.StatusUnprocessableEntity, &p, http.MethodPost, "/v1/bulk", content, "Content-Type", kind); p.Code != "invalid" || len(p.Violations) == 0 || !strings.HasPrefix(p.Violations[0].Where, "body") || strings.Contains(fmt.Sprint(p), "--") || strings.Contains(fmt.Sprint(p), "enqueue bulk") {
			t.Errorf("%q: %+v", content, p)
		}
	}
	h.want(http.StatusUnsupportedMediaType, nil, http.MethodPost, "/v1/bulk", "x", "Content-Type", "multipart/form-data; boundary=x")
	h.want(http.StatusUnsupportedMediaType, nil, http.MethodPost, "/v1/bulk", "x", "Content-Encoding", "gzip")
}
