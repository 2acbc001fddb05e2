package frontdoor_test

import (
	"net/http"
	"strings"
	"testing"

	"issuance/internal/doortest"
	"issuance/internal/frontdoor"
	"issuance/internal/keys"
	"issuance/tasks"
)

// What a path has in place of a number or a refund's id, and is none by the provider's rules, stands in no log, whatever comes
// of the request; what is one does.
func TestALogHoldsNoNumberThatIsNone(t *testing.T) {
	h := open(t, "")
	secret, long := "leak%40secret.tld", strings.Repeat("9", 3000)
	h.want(http.StatusCreated, nil, http.MethodPut, at+"FINE1", body)
	for _, number := range []string{secret, long, "09-" + secret} {
		h.call(http.MethodPut, at+number, body)
		h.call(http.MethodPut, "/v1/orders/pass2u/"+number, "{}")
		h.call(http.MethodGet, at+number, "")
		h.call(http.MethodGet, at+number+"/history", "")
		h.call(http.MethodGet, at+number+"?wait=x", "")
		h.call(http.MethodPost, at+number+"/cancel", "")
		for _, of := range []string{number, "FINE1"} {
			h.call(http.MethodPut, at+of+"/refunds/"+number, `{"all":true}`)
			h.call(http.MethodPost, at+of+"/refunds/"+number+"/cancel", "")
		}
	}
	h.rdb.Set(t.Context(), keys.Record(tasks.Ref{Account: shop, OrderID: "leak@secret.tld"}), "of another type", 0)
	for _, more := range []string{"", "/history"} {
		h.want(http.StatusServiceUnavailable, nil, http.MethodGet, at+secret+more, "")
	}
	h.want(http.StatusServiceUnavailable, nil, http.MethodPost, at+secret+"/cancel", "")
	var p frontdoor.Problem
	if h.want(http.StatusNotFound, &p, http.MethodGet, at+"FINE2", ""); p.OrderID != "FINE2" {
		t.Errorf("%+v", p)
	}
	log := h.log.String()
	for _, wrong := range []string{"leak", "secret.tld", "999999999999999999999999999"} {
		if i := strings.Index(log, wrong); i >= 0 {
			t.Errorf("the log holds %q: …%s", wrong, log[max(0, i-200):min(len(log), i+100)])
		}
	}
	for _, fine := range []string{"order=" + shop.String() + "/FINE1 ", "order=" + shop.String() + "/FINE2 "} {
		if !strings.Contains(log, fine) {
			t.Errorf("the log does not hold %q", fine)
		}
	}
}

// What stands in a path in the place of a merchant, and is no account that anybody knows, may be a customer's, so that no log holds
// it; what is an account does, by the provider's default, by a worker's word, by the caller's token or by its orders.
func TestALogHoldsNoMerchantThatIsNone(t *testing.T) {
	const phone = "0912345678"
	path, secrets := doortest.TokensFile(t, "all orders,refunds", "branch orders ecticket:3000002")
	h := open(t, path)
	announced(t, h, shop, tasks.Account{Provider: shop.Provider, Merchant: "3000001"})
	h.token = secrets["all"]
	ask := func(account string) {
		at := "/v1/orders/" + account + "/A1"
		for _, q := range [][2]string{{http.MethodGet, ""}, {http.MethodGet, "?wait=1"}, {http.MethodGet, "/history"}, {http.MethodPost, "/cancel"}, {http.MethodPost, "/refunds/R1/cancel"}} {
			h.call(q[0], at+q[1], "")
		}
		h.call(http.MethodPut, at, body)
		h.call(http.MethodPut, at, "{}")
		h.call(http.MethodPut, at+"/refunds/R1", `{"all":true}`)
		h.call(http.MethodPost, "/v1/orders", `{"provider":"ecticket","account":"`+account+`","request":`+strings.Replace(body, "{", `{"MerchantTradeNo":"A1",`, 1)+`}`)
	}
	ask("ecticket:" + phone)
	h.rdb.Set(t.Context(), keys.Record(tasks.Ref{Account: tasks.Account{Provider: shop.Provider, Merchant: phone}, OrderID: "A1"}), "of another type", 0)
	ask("ecticket:" + phone)
	if log := h.log.String(); strings.Contains(log, phone) || !strings.Contains(log, "order=ecticket/A1 ") {
		t.Errorf("%s", log)
	}
	for _, known := range []string{"ecticket:3000001", shop.String()} {
		if ask(known); !strings.Contains(h.log.String(), "order="+known+"/A1 ") {
			t.Errorf("the log does not hold %s", known)
		}
	}
	h.token = secrets["branch"]
	if ask("ecticket:3000002"); !strings.Contains(h.log.String(), "order=ecticket:3000002/A1 ") {
		t.Error("the log does not hold the token's account")
	}
}

// An account that has orders is known, although no worker has announced one yet.
func TestALogHoldsTheMerchantOfWhatIsRecorded(t *testing.T) {
	h := openUnruled(t)
	h.want(http.StatusCreated, nil, http.MethodPut, "/v1/orders/ecticket:4000001/A1", body)
	if !strings.Contains(h.log.String(), "order=ecticket:4000001/A1 ") {
		t.Errorf("%s", h.log)
	}
	h.serve("")
	h.log.Reset()
	h.want(http.StatusOK, nil, http.MethodGet, "/v1/orders/ecticket:4000001/A1", "")
	if !strings.Contains(h.log.String(), "order=ecticket:4000001/A1 ") {
		t.Errorf("%s", h.log)
	}
}
