package bubble

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A call takes its time, a refused connection is one as the system reports it, and calls under way end.
func TestANetworkInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if r.URL.Path == "/slow" {
				<-r.Context().Done()
			}
			_, _ = io.WriteString(w, "ok")
		}), time.Second)
		c := &http.Client{Transport: &http.Transport{DialContext: n.Dial}}
		post := func(path string) error {
			res, err := c.Post("http://anywhere"+path, "text/plain", strings.NewReader("hello"))
			if err != nil {
				return err
			}
			return res.Body.Close()
		}
		began := time.Now()
		if err := post("/"); err != nil || time.Since(began) != time.Second {
			t.Errorf("a call took %s: %v", time.Since(began), err)
		}
		if began = time.Now(); post("/") != nil || time.Since(began) != time.Second {
			t.Errorf("a second call took %s", time.Since(began))
		}
		hanging := make(chan error)
		go func() { hanging <- post("/slow") }()
		time.Sleep(time.Minute)
		n.Refuse(true)
		if err := <-hanging; err == nil {
			t.Error("a call that hangs survives that its connection is closed")
		}
		if err := post("/"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("refused: %v", err)
		}
		n.Refuse(false)
		if err := post("/"); err != nil {
			t.Errorf("not refused any more: %v", err)
		}
		n.Stop()
		if err := post("/"); err == nil {
			t.Error("it is served although it has stopped")
		}
		c.CloseIdleConnections()
	})
}
