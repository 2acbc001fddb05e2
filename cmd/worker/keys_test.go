package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"issuance/internal/announce"
	"issuance/internal/testredis"
)

// A worker whose seal keys nobody shares says so at its start: alone it would wait for documents that others cannot read.
func TestAWorkerWithKeysOfItsOwnIsWarned(t *testing.T) {
	s := testredis.Start(t)
	w, _ := idle(t, s.URL(), nil)
	var log bytes.Buffer
	w.log = slog.New(slog.NewTextHandler(&log, nil))
	warned := func(want bool) {
		t.Helper()
		log.Reset()
		if w.compareKeys(t.Context()); strings.Contains(log.String(), "none of ISSUANCE_SEAL_KEYS is among them") != want {
			t.Errorf("warned: %q, want %t", log.String(), want)
		}
	}
	warned(false) // the first
	for _, step := range []struct {
		ids  []string
		want bool
	}{{[]string{"another"}, true}, {w.ring.IDs(), false}} {
		if err := announce.SealKeys(t.Context(), s.Client(), step.ids); err != nil {
			t.Fatal(err)
		}
		warned(step.want)
	}
}
