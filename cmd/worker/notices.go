package main

import (
	"context"
	_ "embed" // notices.js
	"encoding/json"
	"net/http"
	"time"

	"issuance/internal/budget"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// notices are what stops orders or needs review, on this Redis: asynq's web UI knows that a queue is
// paused, and neither why nor until when. They are shown above its pages.
type notices struct {
	Health  []healthNotice `json:"health"`
	Bans    []banNotice    `json:"bans"`
	Pauses  []pauseNotice  `json:"pauses"`
	Reviews []reviewNotice `json:"reviews"`
}

type banNotice struct {
	Account providers.Account `json:"account"`
	Reason  string            `json:"reason"`
	Until   time.Time         `json:"until"`
}

type pauseNotice struct {
	Account providers.Account `json:"account"`
	Lane    order.Lane        `json:"lane"` // "" for all
	Who     string            `json:"who"`
	Reason  string            `json:"reason"`
	Since   time.Time         `json:"since"`
}

type reviewNotice struct {
	Account providers.Account `json:"account"`
	Count   int64             `json:"count"`
}

const (
	noticesPath   = uiRoot + "/notices"
	noticesScript = uiRoot + "/notices.js"
	noticesLimit  = 2 * time.Second
)

//go:embed notices.js
var noticesJS []byte

// look reads the notices.
func (w *worker) look(ctx context.Context) (notices, error) {
	n := notices{Health: []healthNotice{}, Bans: []banNotice{}, Pauses: []pauseNotice{}, Reviews: []reviewNotice{}}
	accounts, err := budget.States(ctx, w.pages)
	if err != nil {
		return n, err
	}
	for _, s := range accounts {
		if h, needed := noticeOf(s); needed {
			n.Health = append(n.Health, h)
		}
		if s.Ban != nil {
			n.Bans = append(n.Bans, banNotice{s.Account, s.Ban.Reason, s.Ban.Until.UTC()})
		}
		for _, h := range s.Paused {
			n.Pauses = append(n.Pauses, pauseNotice{s.Account, h.Lane, h.Who, h.Reason, h.Since.UTC()})
		}
		count, err := ledger.New(w.pages, ledger.Options{}).ReviewCount(ctx, s.Account)
		if err != nil {
			return n, err
		}
		if count > 0 {
			n.Reviews = append(n.Reviews, reviewNotice{s.Account, count})
		}
	}
	return n, nil
}

func (w *worker) serveNotices(rw http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), noticesLimit)
	defer cancel()
	n, err := w.look(ctx)
	if err != nil {
		http.Error(rw, "Redis does not answer", http.StatusServiceUnavailable)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(n) // the caller may have gone
}

func serveNoticesJS(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	_, _ = rw.Write(noticesJS)
}
