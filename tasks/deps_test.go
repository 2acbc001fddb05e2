package tasks

import (
	"os/exec"
	"strings"
	"testing"
)

// A checkout that imports this package gets no HTTP client, no provider's client, no simulator and
// no embedded Redis with it.
func TestThePackageIsLight(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 50 {
		t.Fatalf("only %d dependencies are listed", len(deps))
	}
	allowed := map[string]bool{"issuance/tasks": true, "issuance/providers": true, "issuance/providers/ecticket/ecticketdoc": true,
		"issuance/providers/pass2u/pass2udoc": true, "issuance/internal/doccheck": true, "issuance/internal/ledger": true, "issuance/internal/seal": true}
	for _, d := range deps {
		switch {
		case strings.HasPrefix(d, "issuance/") && !allowed[d], d == "net/http", strings.HasPrefix(d, "net/http/"),
			strings.Contains(d, "miniredis"), strings.Contains(d, "prometheus"):
			t.Errorf("it depends on %s", d)
		}
	}
}
