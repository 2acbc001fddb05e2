package console

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/internal/queueui"
)

const (
	queuesPath = Path + "queues/"
	queuesRoot = queuesPath + "ui" // of asynq's UI
)

// changesFor is how long asynq's UI may change something after a person has said why it should.
const changesFor = 15 * time.Minute

// queuesUI is asynq's own UI, once for looking and once for whoever has said why something is to be changed.
type queuesUI struct{ looking, changing http.Handler }

// queuePages serves asynq's UI where the front door has a client for it.
func (c *Console) queuePages() {
	if c.Pages == nil {
		return
	}
	o := queueui.Options{Root: queuesRoot, RDB: c.Pages, Framed: true}
	c.queues.looking = queueui.New(o)
	o.Write = true
	c.queues.changing = queueui.New(o)
	c.see("GET "+queuesPath+"{$}", (*visit).queuesPage)
	c.act("POST "+queuesPath+"changes", (*visit).allowChanges)
	c.act("POST "+queuesPath+"looking", (*visit).endChanges)
	c.mux.Handle(queuesRoot+"/", queueui.OwnPages(queuesRoot, http.HandlerFunc(c.serveQueues)))
}

// queuesData is the page's.
type queuesData struct {
	Root   string
	Reason string // why changes are allowed, "" where they are not
	For    int    // minutes
}

// seesQueues reports whether the visitor may see the queues: those of all accounts stand in them, one beside another.
func (v *visit) seesQueues() bool { return v.Pages != nil && v.who != nil && len(v.who.Accounts) == 0 }

func (v *visit) queuesPage() error {
	if !v.seesQueues() {
		return notAllowed
	}
	reason, err := v.changes()
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Security-Policy", policy+"; frame-src 'self'")
	return v.page("queues", "title.queues", queuesData{queuesRoot + "/", reason, int(changesFor.Minutes())})
}

// changes is why the visitor may change something in asynq's UI, "" where that is not so.
func (v *visit) changes() (string, error) {
	if !v.mayAct() {
		return "", nil
	}
	return v.sessions.changes(v.r.Context(), v.cookie)
}

// allowChanges has asynq's UI change things for a while.
func (v *visit) allowChanges() error {
	if !v.seesQueues() {
		return notAllowed
	}
	reason, err := v.reason()
	if err != nil {
		return err
	}
	if err := v.queueDecision("queues: changes allowed", reason); err != nil {
		return err
	}
	if err := v.sessions.allowChanges(v.r.Context(), v.cookie, reason); err != nil {
		return err
	}
	return v.redirect(queuesPath, "changes")
}

func (v *visit) endChanges() error {
	if err := v.sessions.endChanges(v.r.Context(), v.cookie); err != nil {
		return err
	}
	return v.redirect(queuesPath, "looking")
}

func (v *visit) queueDecision(what, reason string) error {
	return v.Ledger.Decided(v.as(), ledger.Decision{What: what, Who: v.who.Name, Reason: reason})
}

// serveQueues serves asynq's UI. Its script knows no token against forgery: what other sites send was refused before, and a
// change needs a reason that was given in a form of the console.
func (c *Console) serveQueues(w http.ResponseWriter, r *http.Request) {
	v := &visit{Console: c, w: w, r: r, lang: languageOf(r)}
	err := v.admit()
	switch {
	case err != nil:
	case v.who == nil:
		err = v.toLogin()
	case !v.seesQueues():
		err = notAllowed
	default:
		err = v.askQueues()
	}
	v.end(err)
}

// askQueues passes a request on to asynq's UI. A change is recorded before it is made.
func (v *visit) askQueues() error {
	reason, err := v.changes()
	if err != nil {
		return err
	}
	if v.r.Method != http.MethodGet && v.r.Method != http.MethodHead {
		if reason == "" {
			return notAllowed
		}
		if err := v.queueDecision("queues: "+v.r.Method+" "+printable(strings.TrimPrefix(v.r.URL.Path, queuesRoot+"/api/")), reason); err != nil {
			return err
		}
	}
	if reason == "" {
		v.queues.looking.ServeHTTP(v.w, v.r)
	} else {
		v.queues.changing.ServeHTTP(v.w, v.r)
	}
	return nil
}

// changes is the reason for which a browser may change something in asynq's UI, "" without one.
func (s sessions) changes(ctx context.Context, cookie string) (string, error) {
	reason, err := s.rdb.Get(ctx, changesKey(cookie)).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return reason, err
}

func (s sessions) allowChanges(ctx context.Context, cookie, reason string) error {
	return s.rdb.Set(ctx, changesKey(cookie), reason, changesFor).Err()
}

func (s sessions) endChanges(ctx context.Context, cookie string) error {
	return s.rdb.Del(ctx, changesKey(cookie)).Err()
}
