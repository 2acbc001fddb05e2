package logging_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"issuance/internal/config"
	"issuance/internal/logging"
)

// Every duration in the log has a unit, in both formats and wherever it stands.
func TestDurationsHaveAUnit(t *testing.T) {
	out := &bytes.Buffer{}
	log := logging.New(out, config.LogJSON, slog.LevelInfo)
	log.With("limit", 2*time.Second).Info("x", "took", 12345678*time.Nanosecond, "group", slog.GroupValue(slog.Duration("left", time.Hour)), "n", 7)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	group, _ := line["group"].(map[string]any)
	if line["took_ms"] != 12.345 || line["limit_ms"] != 2000.0 || group["left_ms"] != 3600000.0 || line["n"] != 7.0 || line["took"] != nil {
		t.Errorf("%s", out)
	}
	out.Reset()
	logging.New(out, config.LogText, slog.LevelInfo).Info("x", "took", 12*time.Millisecond)
	if !strings.Contains(out.String(), "took=12ms") {
		t.Errorf("%s", out)
	}
}
