package webhooks

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// verifier verifies deliveries, one JSON object a line, with the npm package standardwebhooks.
const verifier = `
const { Webhook } = require("standardwebhooks");
for (const line of require("fs").readFileSync(0, "utf8").trim().split("\n")) {
  const { secret, body, headers } = JSON.parse(line);
  const event = new Webhook(secret).verify(body, headers);
  let refused = false;
  try { new Webhook(secret).verify(body.replace("A1", "A2"), headers); } catch { refused = true; }
  console.log(event.type, event.data.event_id, refused ? "forgery refused" : "forgery accepted");
}`

// Deliveries are verified by the npm package standardwebhooks, with either of two secrets.
func TestTheNPMPackageVerifiesDeliveries(t *testing.T) {
	if testing.Short() {
		t.Skip("installs a package")
	}
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	dir := t.TempDir()
	install := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir, "standardwebhooks@1.0.0")
	install.Env = append(os.Environ(), "npm_config_cache="+filepath.Join(dir, "cache"), "npm_config_fetch_retries=0", "npm_config_fetch_timeout=20000")
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("the package cannot be installed here: %v\n%s", err, out)
	}
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL, "previous_secret_file: "+writeFile(t, filepath.Join(dir, "previous"), secretB)))
	h.cancelled("A1")
	h.settle()
	g := r.all()[0]
	var lines strings.Builder
	for _, secret := range []string{secretA, secretB} {
		headers := map[string]string{}
		for name := range g.header {
			headers[strings.ToLower(name)] = g.header.Get(name)
		}
		raw, err := json.Marshal(map[string]any{"secret": secret, "body": string(g.body), "headers": headers})
		h.must(err)
		lines.Write(append(raw, '\n'))
	}
	node := exec.Command("node", "-e", verifier)
	node.Dir, node.Stdin = dir, strings.NewReader(lines.String())
	out, err := node.CombinedOutput()
	if want := strings.Repeat("order.cancelled ecticket:2000132/A1/cancelled/1 forgery refused\n", 2); err != nil || string(out) != want {
		t.Errorf("%v\n%s", err, out)
	}
}
