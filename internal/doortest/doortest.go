// Package doortest is what tests of the front door, the console and webhooks share: tokens files, a log that is read
// while it is written, and records that have come to an end. It is for tests only.
//
// It may import internal/frontdoor, internal/ledger and tasks/order.
package doortest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"issuance/internal/frontdoor"
	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// Log is an output that a test reads while it is written. The zero Log is empty.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Reset empties the log.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

// String is what has been written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TokensFile writes one and returns its path, and the secrets by name. Each line is "NAME SCOPES ACCOUNT RATE", of which the
// last two may be left out; "-" stands for every account.
func TokensFile(t testing.TB, lines ...string) (path string, secrets map[string]string) {
	t.Helper()
	secrets = map[string]string{}
	var b strings.Builder
	b.WriteString("tokens:\n")
	for _, l := range lines {
		f := strings.Fields(l)
		secret, sum := frontdoor.NewToken()
		secrets[f[0]] = secret
		fmt.Fprintf(&b, "  - name: %s\n    sha256: %s\n    scopes: [%s]\n", f[0], sum, f[1])
		if len(f) > 2 && f[2] != "-" {
			fmt.Fprintf(&b, "    accounts: [%q]\n", f[2])
		}
		if len(f) > 3 {
			fmt.Fprintf(&b, "    requests_per_second: %s\n", f[3])
		}
	}
	path = filepath.Join(t.TempDir(), "tokens.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, secrets
}

// End brings a record to an end as a worker does.
func End(t testing.TB, l *ledger.Ledger, r order.Ref, e ledger.Ending) {
	t.Helper()
	ctx := t.Context()
	c, err := l.Claim(ctx, r, "w", 10*time.Second)
	if err != nil || c.Verdict != ledger.MaySend {
		t.Fatalf("claim %s: %v, %v", r, c.Verdict, err)
	}
	if a, _, err := l.Submit(ctx, r, c.Record.Fence, ledger.Intent{Host: "h", Lease: 10 * time.Second, Ticket: -1}); err != nil || !a.Applied {
		t.Fatalf("submit %s: %+v, %v", r, a, err)
	}
	if a, err := l.Finish(ctx, r, c.Record.Fence, e); err != nil || !a.Applied {
		t.Fatalf("finish %s: %+v, %v", r, a, err)
	}
}
