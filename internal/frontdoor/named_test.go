package frontdoor_test

import (
	"net/http"
	"strings"
	"testing"

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
