package cli

import (
	"slices"
	"strings"
	"time"

	"issuance/tasks"
)

// attendEvery is how often it is looked whether workers are there.
const attendEvery = 5 * time.Second

// attendance says when no worker serves queues that are waited for: at the start, and when that changes.
type attendance struct {
	app    *app
	client *tasks.Client
	next   time.Time
	absent string // queues that were reported last
}

// place is a lane of an account's provider.
type place struct {
	account tasks.Account
	lane    tasks.Lane
}

// look looks at the queues of some places, unless it has done so lately.
func (w *attendance) look(places []place) {
	if time.Now().Before(w.next) {
		return
	}
	w.next = time.Now().Add(attendEvery)
	asked := map[string]bool{}
	var absent []string
	for _, p := range places {
		name := string(p.account.Provider) + "-" + string(p.lane)
		if asked[name] {
			continue
		}
		asked[name] = true
		served, err := w.client.WorkerServes(p.account, p.lane)
		if err != nil {
			return // the caller reports what is wrong with Redis
		}
		if !served {
			absent = append(absent, name)
		}
	}
	slices.Sort(absent)
	w.is(strings.Join(absent, ", "))
}

// is reports the queues that no worker serves now, if they are others than before.
func (w *attendance) is(absent string) {
	switch {
	case absent == w.absent:
		return
	case absent == "":
		w.app.report("workers serve %s again", w.absent)
	default:
		w.app.report("no worker serves %s at present; nothing happens until one does", absent)
	}
	w.absent = absent
}
