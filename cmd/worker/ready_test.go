package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/queueui"
	"issuance/internal/testredis"
)

// A Redis that answers and takes no writes is not ready, and both the page and "worker health" say why.
func TestReadinessNeedsWrites(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	if s.Kind != testredis.Real {
		t.Skip("only a real redis-server refuses writes in these ways")
	}
	_, h := idle(t, s.URL(), nil)
	server := httptest.NewServer(h)
	defer server.Close()
	rdb := s.Client()
	config := func(name, value string) {
		t.Helper()
		if err := rdb.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	type refusal struct {
		text        string
		begin, over func()
	}
	dir := rdb.ConfigGet(t.Context(), "dir").Val()["dir"]
	for _, r := range []refusal{
		{"its memory is full", func() { config("maxmemory", "1") }, func() { config("maxmemory", "0") }},
		{"too few replicas follow it", func() { config("min-replicas-to-write", "1") }, func() { config("min-replicas-to-write", "0") }},
		{"it is a read-only replica", func() { rdb.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1") }, func() { rdb.Do(t.Context(), "REPLICAOF", "NO", "ONE") }},
		{"it cannot write to its disk", func() {
			config("save", "3600 1")
			if err := rdb.Set(t.Context(), "k", "v", 0).Err(); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			rdb.BgSave(t.Context())
			for end := time.Now().Add(patience); !strings.Contains(rdb.Info(t.Context(), "persistence").Val(), "rdb_last_bgsave_status:err"); {
				if time.Now().After(end) {
					t.Fatal("saving does not fail")
				}
			}
		}, func() { config("save", "") }},
	} {
		asked := func() (readiness, int, string) {
			rec := served(h, http.MethodGet, "/readyz", nil)
			var answer readiness
			if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
				t.Fatal(err)
			}
			var out, stderr bytes.Buffer
			run(t.Context(), []string{"health", "--http-addr", strings.TrimPrefix(server.URL, "http://")}, nil, &out, &stderr)
			return answer, rec.Code, out.String() + stderr.String()
		}
		r.begin()
		answer, code, text := asked()
		if code != http.StatusServiceUnavailable || answer.Ready || !strings.Contains(answer.Redis, r.text) || !strings.Contains(text, "takes no writes: "+r.text) {
			t.Errorf("%s: %d %+v %s", r.text, code, answer, text)
		}
		r.over()
		if answer, _, _ := asked(); answer.Redis != "ok" {
			t.Errorf("after %q: %+v", r.text, answer)
		}
	}
}

// A Redis that hangs is reported within two seconds, also while every connection of the pages waits for it.
func TestReadinessIsQuickWhenRedisHangs(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	w, h := idle(t, s.URL(), nil)
	s.Freeze()
	defer s.Thaw()
	waiting := make(chan error, 2*queueui.Pool)
	for range 2 * queueui.Pool {
		go func() { waiting <- w.pages.Ping(t.Context()).Err() }()
	}
	began := time.Now()
	rec := served(h, http.MethodGet, "/readyz", nil)
	if took := time.Since(began); took > 2*time.Second || rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), "does not answer") {
		t.Errorf("after %s: %d %s", took, rec.Code, rec.Body)
	}
	s.Thaw()
	for range 2 * queueui.Pool {
		if err := <-waiting; err != nil && redis.HasErrorPrefix(err, "ERR") {
			t.Error(err)
		}
	}
}
