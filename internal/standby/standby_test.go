package standby

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errAway  = errors.New("away")
	errWrong = errors.New("wrong password")
)

func listen(t *testing.T) Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

func get(t *testing.T, l Listener, path string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + l.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

func config(try func(context.Context) error) Config {
	return Config{Try: try, Waits: func(err error) bool { return errors.Is(err, errAway) }, Every: time.Millisecond, Log: slog.New(slog.DiscardHandler),
		Answer: func(why error) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, why.Error(), http.StatusServiceUnavailable)
			})
		}}
}

// While nothing can start, the program lives and says why it is not ready; then the next one serves at the same address.
func TestTheAddressAnswersUntilItCanServe(t *testing.T) {
	l := listen(t)
	tried, again := make(chan struct{}), make(chan error)
	c := config(func(context.Context) error { tried <- struct{}{}; return <-again })
	done := make(chan error)
	go func() { done <- Until(t.Context(), l, c) }()
	<-tried
	again <- errAway
	<-tried // the address answers from now on
	if status, text := get(t, l, "/healthz"); status != http.StatusOK || text != "ok\n" {
		t.Errorf("/healthz: %d %q", status, text)
	}
	for _, path := range []string{"/readyz", "/v1/orders"} {
		if status, text := get(t, l, path); status != http.StatusServiceUnavailable || !strings.Contains(text, "away") {
			t.Errorf("%s: %d %q", path, status, text)
		}
	}
	again <- nil
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: http.NotFoundHandler()} // the one that could not start before
	go func() { _ = web.Serve(l) }()
	defer web.Close()
	if status, _ := get(t, l, "/healthz"); status != http.StatusNotFound {
		t.Errorf("the next server is not the one that answers: %d", status)
	}
}

// However often it tries, one line says that it waits, and why, and one that the wait is over.
func TestAWaitIsTwoLines(t *testing.T) {
	var log bytes.Buffer
	tries := 0
	c := config(func(context.Context) error {
		if tries++; tries < 5 {
			return errAway
		}
		return nil
	})
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	if err := Until(t.Context(), listen(t), c); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "not ready, waiting") || !strings.Contains(lines[0], "error=away") || !strings.Contains(lines[1], "ready, no longer waiting") {
		t.Errorf("%q", lines)
	}
	log.Reset()
	if err := Until(t.Context(), listen(t), c); err != nil || log.Len() > 0 {
		t.Errorf("without a wait: %v %s", err, log.String())
	}
}

func TestWhatDoesNotMendItselfIsNotWaitedFor(t *testing.T) {
	l := listen(t)
	if err := Until(t.Context(), l, config(func(context.Context) error { return errWrong })); !errors.Is(err, errWrong) {
		t.Error(err)
	}
	tries := 0
	err := Until(t.Context(), l, config(func(context.Context) error {
		if tries++; tries < 3 {
			return errAway
		}
		return errWrong
	}))
	if !errors.Is(err, errWrong) || tries != 3 {
		t.Errorf("%v after %d tries", err, tries)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	c := config(func(context.Context) error { cancel(); return errAway })
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	if err := Until(ctx, l, c); !errors.Is(err, context.Canceled) || log.Len() > 0 {
		t.Error(err, log.String())
	}
}
