package frontdoor_test

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"issuance/internal/doortest"
	"issuance/internal/frontdoor"
)

// Files that change are looked at within seconds, although nobody connects: one that cannot be used is an alarm, and one line
// says that a new one is in force.
func TestACertificateIsFollowedWithoutAHandshake(t *testing.T) {
	dir, log := t.TempDir(), &doortest.Log{}
	cert, key := pair(t, dir, 1)
	c, err := frontdoor.ReadCertificate(cert, key, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	listen(t, c)
	until := func(text string) {
		t.Helper()
		every, late := time.NewTicker(10*time.Millisecond), time.After(10*time.Second)
		defer every.Stop()
		for !strings.Contains(log.String(), text) {
			select {
			case <-every.C:
			case <-late:
				t.Fatalf("the log does not hold %q: %s", text, log)
			}
		}
	}
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	until("alarm: the certificate cannot be used")
	pair(t, dir, 2)
	until("certificate read")
	if n := strings.Count(log.String(), "key input"); n != 1 {
		t.Errorf("%d alarms: %s", n, log)
	}
	if got, err := c.TLS().GetCertificate(nil); err != nil || got.Leaf.SerialNumber.Int64() != 2 {
		t.Errorf("%v, %v", got.Leaf.SerialNumber, err)
	}
}
