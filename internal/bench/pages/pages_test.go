package pages

import (
	"os/exec"
	"strings"
	"testing"
)

// Every page answers about the orders that the benchmark writes, and its Redis work is counted and bounded.
func TestEveryPageIsMeasured(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Log("needs redis-server, did not run")
		return
	}
	h, err := open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	if err := h.fill(t.Context(), Sizes{Open: 3000, Ended: 3000, Reviews: 80}, func(string) {}); err != nil {
		t.Fatal(err)
	}
	further := h.further(t.Context())
	if len(further) != 3 {
		t.Errorf("second pages: %v", further)
	}
	for _, page := range append(asked(), further...) {
		row, err := h.measure(t.Context(), page[0], page[1], 1)
		if err != nil {
			t.Fatal(err)
		}
		if row.Commands < 1 || row.Commands > 9000 || row.P99MS <= 0 || row.P99MS < row.P50MS {
			t.Errorf("%+v", row)
		}
	}
	for path, want := range map[string]string{"/console/?state=ended": ">E00000", "/console/reviews": reviewID[:4], "/console/orders/ecticket:2000132/" + endedID: "measured", "/console/webhooks": "delivered"} {
		a, _, err := h.ask(t.Context(), path)
		if err != nil || !strings.Contains(string(a.whole), want) {
			t.Errorf("%s lacks %q: %v", path, want, err)
		}
	}
}
