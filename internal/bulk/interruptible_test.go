package bulk

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What is pumped is what was read, and a read that never ends does not outlive the context.
func TestInterruptible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := strings.Repeat("0123456789", 20_000)
		if got, err := io.ReadAll(Interruptible(t.Context(), strings.NewReader(text))); err != nil || string(got) != text {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe()
		defer w.Close()
		in := Interruptible(ctx, r)
		time.AfterFunc(time.Second, cancel)
		if n, err := in.Read(make([]byte, 10)); n != 0 || err != context.Canceled {
			t.Errorf("read %d, %v", n, err)
		}
	})
}
