package cli

import (
	"log/slog"
	"os"
	"testing"

	"issuance/internal/redisconn"
)

// As in cmd/enqueue: commands explain a missing Redis themselves.
func TestMain(m *testing.M) {
	redisconn.LogTo(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
