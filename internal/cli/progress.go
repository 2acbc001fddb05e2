package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// How often a bar is drawn, and how often a line is printed where there is no terminal.
const (
	barEvery  = 200 * time.Millisecond
	lineEvery = 5 * time.Second
)

// state is how far something long has come.
type state struct {
	done, all int64  // in units of the bar; all is 0 when it is not known
	text      string // in words
	estimated bool   // the text says how long it takes, and knows that better than the bar
}

// follow shows progress on standard error until it is stopped: a bar with the time that is left on
// a terminal, a line now and then elsewhere, nothing with --json.
func (a *app) follow(look func() state) (stop func()) {
	switch {
	case a.json:
		return func() {}
	case terminal(a.err):
		return a.followBar(look)
	}
	return every(lineEvery, func() {
		s := look()
		if s.all > 0 {
			s.text = fmt.Sprintf("%d%%, %s", 100*s.done/s.all, s.text)
		}
		a.report("%s", s.text)
	})
}

func (a *app) followBar(look func() state) (stop func()) {
	first := look()
	all := first.all
	if all == 0 {
		all = -1 // a spinner
	}
	bar := progressbar.NewOptions64(all, progressbar.OptionSetWriter(a.err), progressbar.OptionSetWidth(24), progressbar.OptionSetSpinnerChangeInterval(0),
		progressbar.OptionSetPredictTime(all > 0 && !first.estimated), progressbar.OptionSetElapsedTime(true), progressbar.OptionUseANSICodes(true))
	stopped := every(barEvery, func() {
		s := look()
		bar.Describe(s.text)
		if all > 0 {
			s.done = min(s.done, all-1) // a full bar ends with a line that stays
		}
		_ = bar.Set64(s.done)
	})
	return func() {
		stopped()
		_ = bar.Clear()
	}
}

// every calls do again and again until it is stopped; do does not run any more then.
func every(pause time.Duration, do func()) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				do()
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// thousands is a number with commas: 12,345.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// about is a time for people: "40 s", "84 min", "13 h 54 min".
func about(d time.Duration) string {
	minutes := int64((d + time.Minute - 1) / time.Minute)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int64((d+time.Second-1)/time.Second))
	case minutes < 180:
		return fmt.Sprintf("%d min", minutes)
	}
	return fmt.Sprintf("%s h %d min", thousands(minutes/60), minutes%60)
}
