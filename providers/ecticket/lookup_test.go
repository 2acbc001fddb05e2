package ecticket_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket"
)

// account answers QueryIssueResult and QueryOrderInfo each in its way, and counts.
type account struct {
	result, info func(w http.ResponseWriter)
	now          time.Time
}

func (a *account) client(t *testing.T) (c *ecticket.Client, calls func() string) {
	t.Helper()
	a.now = time.Now()
	s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) {
		if strings.HasSuffix(r.URL.Path, "QueryIssueResult") {
			a.result(w)
		} else {
			a.info(w)
		}
	})
	seen := 0
	calls = func() string {
		var out []string
		all := s.calls()
		for _, c := range all[seen:] {
			out = append(out, strings.TrimPrefix(c.path, "/api/Ticket/Query"))
		}
		seen = len(all)
		return strings.Join(out, " ")
	}
	return client(t, s.URL, func(cfg *ecticket.Config) { cfg.Now = func() time.Time { return a.now } }), calls
}

func says(d any) func(http.ResponseWriter) { return func(w http.ResponseWriter) { authentic(w, d) } }

func fails(w http.ResponseWriter) {
	http.Error(w, "An error has occurred.", http.StatusInternalServerError)
}

var (
	unknown = data{"RtnCode": 5000001, "RtnMsg": "查無資料"}
	noRight = data{"RtnCode": 5000009, "RtnMsg": "無使用權限"}
)

// The job's result says failed, and the order's own page shows it issued: its tickets are to be read. Otherwise it has failed.
func TestAFailureIsComparedWithTheOrder(t *testing.T) {
	for name, c := range map[string]struct {
		info  func(http.ResponseWriter)
		state providers.FindingState
	}{"issued": {says(with("Status", 1)), providers.FoundIssued}, "failed": {says(with("Status", 2)), providers.FoundFailed},
		"in process": {says(with("Status", 3)), providers.FoundFailed}, "no answer": {fails, providers.FoundFailed}, "unknown": {says(unknown), providers.FoundFailed}} {
		a := &account{result: says(with("Status", 2)), info: c.info}
		cl, calls := a.client(t)
		if f := cl.LookUp(t.Context(), order); f.State != c.state || calls() != "IssueResult OrderInfo" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// An account may not be allowed one call, or the call may be broken: the other one shows Status as well.
func TestAnAccountThatCannotAskForTheIssueResultAsksForTheOrder(t *testing.T) {
	for name, broken := range map[string]func(http.ResponseWriter){"a rejection": says(noRight), "HTTP 500": fails,
		"no Status": says(data{"RtnCode": 1, "MerchantTradeNo": order.ID})} {
		t.Run(name, func(t *testing.T) {
			a := &account{result: broken, info: says(with("Status", 1))}
			c, calls := a.client(t)
			if f := c.LookUp(t.Context(), order); f.Found() || calls() != "IssueResult" {
				t.Fatalf("one answer that is of no use: %+v", f)
			}
			if f := c.LookUp(t.Context(), order); f.State != providers.FoundIssued || f.Result.Ref != "2022030215301234" {
				t.Fatalf("%+v", f)
			}
			if got := calls(); got != "IssueResult OrderInfo" {
				t.Errorf("the calls were %q", got)
			}
			for range 5 { // no call is made in vain while that is known
				c.LookUp(t.Context(), order)
			}
			if got := calls(); strings.Contains(got, "IssueResult") {
				t.Errorf("the calls were %q", got)
			}
			a.now = a.now.Add(11 * time.Minute)
			a.result = func(w http.ResponseWriter) {
				authentic(w, with("Status", 3), set("RpHeader", data{"Timestamp": a.now.Unix()}))
			}
			if f := c.LookUp(t.Context(), order); f.State != providers.FoundPending || calls() != "IssueResult" {
				t.Errorf("the call is not made again once it works: %+v", f)
			}
		})
	}
}

// What a gateway or a page on the way says is of all calls: no other one is tried.
func TestAnOutageCostsNoOtherCalls(t *testing.T) {
	for name, outage := range map[string]func(http.ResponseWriter){
		"HTTP 503": func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		"HTTP 502": func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
		"a page":   func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>maintenance</html>")) },
	} {
		t.Run(name, func(t *testing.T) {
			a := &account{result: outage, info: outage}
			c, calls := a.client(t)
			for range 10 {
				c.LookUp(t.Context(), order)
			}
			if got := calls(); strings.Contains(got, "OrderInfo") {
				t.Errorf("the calls were %q", got)
			}
		})
	}
}

// That an order is unknown is what most rejections mean: the other call costs a few of them at the most.
func TestUnknownOrdersCostFewOtherCalls(t *testing.T) {
	a := &account{result: says(unknown), info: says(unknown)}
	c, calls := a.client(t)
	for range 100 {
		if f := c.LookUp(t.Context(), order); f.State != providers.Absent || !f.Assumed {
			t.Fatalf("%+v", f)
		}
	}
	if n := strings.Count(calls(), "OrderInfo"); n == 0 || n > 6 {
		t.Errorf("%d other calls", n)
	}
}

// Orders that are not issued yet may not be shown by it: that it does not know one proves nothing before it was seen to.
func TestAnOrderUnknownToTheOtherCallAloneIsNotAbsent(t *testing.T) {
	a := &account{result: says(noRight), info: says(with("Status", 1))}
	c, _ := a.client(t)
	c.LookUp(t.Context(), order)
	c.LookUp(t.Context(), order)
	a.info = says(unknown)
	if f := c.LookUp(t.Context(), order); f.State != providers.Unclear || f.Outcome.Kind != providers.Unknown {
		t.Errorf("%+v", f)
	}
	a.info = says(with("Status", 3))
	if f := c.LookUp(t.Context(), order); f.State != providers.FoundPending {
		t.Errorf("%+v", f)
	}
	a.info = says(unknown)
	if f := c.LookUp(t.Context(), order); f.State != providers.Absent || !f.Assumed {
		t.Errorf("%+v", f)
	}
}

// When both are out of order, the first one's turn comes again.
func TestTheOtherCallThatFailsIsLeft(t *testing.T) {
	a := &account{result: says(noRight), info: says(with("Status", 1))}
	c, calls := a.client(t)
	c.LookUp(t.Context(), order)
	c.LookUp(t.Context(), order)
	a.info, a.result = fails, says(with("Status", 3))
	calls()
	if f := c.LookUp(t.Context(), order); f.State != providers.Unclear {
		t.Errorf("%+v", f)
	}
	if f := c.LookUp(t.Context(), order); f.State != providers.FoundPending || calls() != "OrderInfo IssueResult" {
		t.Errorf("%+v", f)
	}
}
