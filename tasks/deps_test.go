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
	allowed := map[string]bool{"issuance/tasks": true, "issuance/tasks/order": true, "issuance/providers": true, "issuance/providers/codecs": true,
		"issuance/providers/ecticket/ecticketdoc": true, "issuance/providers/pass2u/pass2udoc": true}
	for _, name := range []string{"announce", "budget", "doccheck", "keys", "ledger", "plain", "queue", "redisconn", "seal", "shortnames", "tlstext", "tracing", "vault"} {
		allowed["issuance/internal/"+name] = true
	}
	for _, d := range deps {
		switch {
		case strings.HasPrefix(d, "issuance/") && !allowed[d], d == "net/http", strings.HasPrefix(d, "net/http/"),
			strings.Contains(d, "miniredis"), strings.Contains(d, "prometheus"):
			t.Errorf("it depends on %s", d)
		}
	}
}

// A checkout in a module of its own compiles with the public packages alone.
func TestACheckoutOfAnotherModuleCompiles(t *testing.T) {
	out, err := exec.Command("go", "-C", "../examples/checkout", "build", "-o", t.TempDir(), "./...").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
