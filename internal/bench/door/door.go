// Package door measures the front door as users run it: `enqueue serve`, built from this tree, is a process of its own,
// and so is the bare handler that it is compared with. Callers and receivers are in the benchmark's process. What is
// measured is how fast orders are put, what waiting requests cost, and how webhooks are delivered.
//
// It imports internal/bench/lab, internal/frontdoor, internal/keys, internal/ledger, internal/seal, internal/thinevent, providers and tasks/order.
package door

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"issuance/internal/bench/lab"
	"issuance/internal/frontdoor"
	"issuance/internal/seal"
)

// Name is the benchmark's, by which it also starts its child process.
const Name = "door"

// Account is whose orders they are.
const Account = "ecticket:2000132"

// Door is a running front door.
type Door struct {
	*lab.Process
	Addr  string
	Token string // of a caller with every scope
}

// collector are the settings of Go's garbage collector, which a front door has from the benchmark's environment: with
// GOGC=100 it collects as any other Go program does.
var collector = []string{"GOGC", "GOMEMLIMIT"}

// Open starts a front door over a Redis. command is the built `enqueue`; webhooks is the file of the endpoints, "" for none.
func Open(ctx context.Context, command, redisURL, webhooks string) (*Door, error) {
	port, err := lab.FreePort()
	if err != nil {
		return nil, err
	}
	secret, sum := frontdoor.NewToken()
	tokens := filepath.Join(filepath.Dir(command), "tokens.yaml")
	file := fmt.Sprintf("tokens: [{name: bench, sha256: %s, scopes: [orders, refunds, tickets, events, operate]}]\n", sum)
	if err := os.WriteFile(tokens, []byte(file), 0o600); err != nil {
		return nil, err
	}
	d := &Door{Addr: fmt.Sprintf("127.0.0.1:%d", port), Token: secret}
	env := map[string]string{"REDIS_URL": redisURL, "ISSUANCE_SEAL_KEYS": seal.SandboxKey(), "ECTICKET_MERCHANT_ID": "2000132",
		"GATEWAY_HTTP_ADDR": d.Addr, "GATEWAY_TOKENS_FILE": tokens}
	if webhooks != "" {
		env["GATEWAY_WEBHOOKS_FILE"] = webhooks
	}
	for _, name := range collector {
		if value := os.Getenv(name); value != "" {
			env[name] = value
		}
	}
	if d.Process, err = lab.StartProcess(command, []string{"serve"}, env); err != nil {
		return nil, err
	}
	err = d.Ready(ctx, func() error {
		res, err := d.get(ctx, "/readyz")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz: %s", res.Status)
		}
		return nil
	})
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// URL is where it is called.
func (d *Door) URL() string { return "http://" + d.Addr }

func (d *Door) get(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL()+path, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}

// Metric reads one of the front door's metrics. name is written as /metrics does, with its labels.
func (d *Door) Metric(ctx context.Context, name string) (float64, error) {
	res, err := d.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("the front door has no metric %s", name)
}
