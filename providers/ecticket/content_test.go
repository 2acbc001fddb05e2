package ecticket_test

import (
	"net/http"
	"strings"
	"testing"

	"issuance/providers"
)

// An Issue's answer repeats what was ordered (TicketData). One that shows something else is a confirmation all the same, and
// says by which field; what it does not repeat is not compared.
func TestAnIssueSaysWhetherItsAnswerRepeatsTheOrder(t *testing.T) {
	line := func(no string, n any) data { return data{"ItemNo": no, "TicketAmount": n} }
	named := func(name string, price, n any) data {
		return data{"ItemName": name, "TicketPrice": price, "TicketAmount": n}
	}
	serial := []any{named("五星渡假飯店假日住宿券", 6600, 2), named("SPA課程體驗券(A)", "3200.0", 4.0)}
	for name, c := range map[string]struct {
		order   providers.Order
		lines   any
		differs string
	}{
		"as sent":                     {order, []any{line("VQT04959", 2)}, ""},
		"a number as text":            {order, []any{line("vqt04959", "2")}, ""},
		"without its count":           {order, []any{data{"ItemNo": "VQT04959"}}, ""},
		"no lines":                    {order, []any{}, ""},
		"null":                        {order, nil, ""},
		"not a list":                  {order, "2", ""},
		"fewer":                       {order, []any{line("VQT04959", 1)}, "TicketAmount"},
		"more":                        {order, []any{line("VQT04959", 3)}, "TicketAmount"},
		"far more":                    {order, []any{line("VQT04959", 2000000000)}, "TicketAmount"},
		"another item":                {order, []any{line("OTHER001", 2)}, "ItemNo"},
		"serial, as sent":             {serialOrder, serial, ""},
		"serial, one line left out":   {serialOrder, serial[:1], "TicketAmount"},
		"serial, another name":        {serialOrder, []any{named("四星渡假飯店假日住宿券", 6600, 2), serial[1]}, "ItemName"},
		"serial, another price":       {serialOrder, []any{named("五星渡假飯店假日住宿券", 66, 2), serial[1]}, "TicketPrice"},
		"serial, without its details": {serialOrder, []any{data{"TicketAmount": 6}}, ""},
	} {
		s := listen(t, func(w http.ResponseWriter, _ *http.Request, _ int, _ asked) {
			authentic(w, with("TicketData", c.lines))
		})
		if out := client(t, s.URL).Issue(t.Context(), c.order); out.Kind != providers.Accepted || out.Differs != c.differs || out.Result.Ref == "" {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

// The job's result says failed, and the order's own page shows tickets of it, whatever its Status: they are counted.
func TestAFailureSaysHowManyTicketsAreShown(t *testing.T) {
	one := listed(1, data{"id": "A", "ItemNo": "VQT04959"})
	for name, c := range map[string]struct {
		info  data
		shown int
	}{
		"one is listed":                     {data{"Status": 2, "TotalCount": 2, "TicketList": one}, 1},
		"one is listed while it is issued":  {data{"Status": 3, "TotalCount": 2, "TicketList": one}, 1},
		"fewer than ordered are counted":    {data{"Status": 2, "TotalCount": 1}, 1},
		"one is unused, and none is listed": {data{"Status": 2, "TotalCount": 2, "UnUsedCount": 1}, 1},
		"as many as ordered are refunded":   {data{"Status": 2, "TotalCount": 2, "RefundCount": "2"}, 2},
		"nothing but what was ordered":      {data{"Status": 2, "TotalCount": 2, "TicketList": []any{}, "UnUsedCount": 0}, 0},
		"nothing":                           {data{"Status": 2}, 0},
	} {
		c.info["RtnCode"] = 1
		a := &account{result: says(with("Status", 2)), info: says(c.info)}
		cl, calls := a.client(t)
		f := cl.LookUp(t.Context(), order)
		if f.State != providers.FoundFailed || f.Sight == nil || f.Sight.Shown != c.shown || f.Sight.Ordered != 2 || calls() != "IssueResult OrderInfo" {
			t.Errorf("%s: %+v, %+v", name, f, f.Sight)
		}
	}
}

// Where QueryOrderInfo is the look-up, its answer holds all that is asked of an issued order: its tickets, and what they are.
func TestALookUpByQueryOrderInfoBringsWhatItShows(t *testing.T) {
	named := func(id, name string) data { return data{"id": id, "ItemName": name} }
	all := append(listed(2, named("A", "五星渡假飯店假日住宿券")), listed(4, named("B", "SPA課程體驗券(A)"))...)
	a := &account{result: says(noRight)}
	c, calls := a.client(t)
	look := func(o providers.Order, info data) providers.Finding {
		info["RtnCode"] = 1
		a.info = says(info)
		if f := c.LookUp(t.Context(), o); f.Found() {
			return f
		}
		return c.LookUp(t.Context(), o) // QueryIssueResult is of no use twice
	}
	f := look(serialOrder, data{"Status": 1, "TotalCount": 6, "TicketList": all})
	if f.State != providers.FoundIssued || f.Result == nil || len(f.Result.Tickets) != 6 || f.Sight == nil || f.Sight.Shown != 6 {
		t.Errorf("complete: %+v", f)
	}
	for name, info := range map[string]data{
		"one is missing":      {"Status": 1, "TotalCount": 6, "TicketList": all[1:]},
		"one is listed twice": {"Status": 1, "TotalCount": 6, "TicketList": append(all[1:6:6], all[1])},
		"too many":            {"Status": 1, "TotalCount": 7, "TicketList": all},
		"not issued":          {"Status": 3, "TotalCount": 6, "TicketList": all},
	} {
		if f := look(serialOrder, info); f.Result != nil && len(f.Result.Tickets) > 0 {
			t.Errorf("%s: the list is taken for complete", name)
		}
	}
	calls()
	for name, c := range map[string]struct {
		info       data
		shown      int
		differs    string
		documented bool
	}{
		"fewer":         {data{"Status": 1, "TotalCount": 1, "TicketList": listed(1, data{"id": "A", "ItemNo": "VQT04959"})}, 1, "", false},
		"another item":  {data{"Status": 1, "TotalCount": 2, "TicketList": listed(2, data{"id": "A", "ItemNo": "OTHER001"})}, 2, "ItemNo", true},
		"more":          {data{"Status": 1, "TotalCount": 3}, 3, "TotalCount", true},
		"another buyer": {data{"Status": 1, "TotalCount": 2, "CustomerEmail": "other@example.com"}, 2, "CustomerEmail", false},
		"nothing":       {data{"Status": 1}, 0, "", false},
	} {
		f := look(order, c.info)
		if s := f.Sight; f.State != providers.FoundIssued || s == nil || s.Shown != c.shown || s.Differs != c.differs || s.Documented != c.documented {
			t.Errorf("%s: %+v, %+v", name, f, f.Sight)
		}
	}
	if f := look(order, data{"Status": 3, "TotalCount": 1}); f.State != providers.FoundPending || f.Sight != nil {
		t.Errorf("an order whose tickets are being issued: %+v", f)
	}
	if got := calls(); strings.Contains(got, "IssueResult") {
		t.Errorf("the calls were %q", got)
	}
}
