package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"issuance/providers"
	"issuance/providers/pass2u"
)

// canaries lists everything of a run that must stay hidden: the customers' data, what the
// providers issued, and the installation's secrets.
func canaries(ctx context.Context, r *Rig, l *Load) ([]Canary, error) {
	var out []Canary
	for name, value := range r.Secrets.all() {
		out = append(out, Canary{name, "this installation", value})
	}
	// Pass2U's books do not show links and passcodes: its client does.
	client, err := pass2u.New(pass2u.Config{BaseURL: r.pass2uURL, APIKey: r.Secrets.APIKey})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	r.Weather.near.Store(true)
	books := TakeBooks(r)
	for _, o := range l.Orders {
		for field, value := range o.Personal {
			out = append(out, Canary{field, o.ID, value})
		}
		for field, value := range o.Others {
			out = append(out, Canary{field, "another customer of " + o.ID, value})
		}
		for _, t := range books.ecticket[o.ID].Tickets {
			code, _ := r.ECTicket.WriteOffNo(t.TicketNo)
			out = append(out, Canary{"ticket number", o.ID, t.TicketNo}, Canary{"WriteOffNo", o.ID, code})
		}
		if o.Provider != providers.Pass2U || !books.known(o) || o.Fate == Taken { // a stranger's cannot be asked for
			continue
		}
		var doc struct{ Request json.RawMessage }
		if err := json.Unmarshal(o.Doc, &doc); err != nil {
			return nil, err
		}
		f := client.LookUp(ctx, providers.Order{ID: o.ID, Request: doc.Request})
		if f.Result == nil {
			return nil, fmt.Errorf("chaos: %s: Pass2U's simulator does not show it: %s", o.ID, f.Outcome.Code)
		}
		for _, t := range f.Result.Tickets {
			out = append(out, Canary{"barcode", o.ID, t.Barcode}, Canary{"voucher link", o.ID, t.URL})
		}
		if a := f.Result.Access; a != nil {
			out = append(out, Canary{"order page", o.ID, a.URL}, Canary{"passcode", o.ID, a.Passcode})
		}
	}
	return out, nil
}

// Exposed searches everything that others can read for what must stay hidden: Redis, the workers' and front doors'
// logs, the answers of their admin pages, webhooks, statuses without tickets, and the errors producers got. places counts what was
// searched.
func Exposed(ctx context.Context, run *Run) (found []string, places map[string]int, err error) {
	r := run.Rig
	list, err := canaries(ctx, r, run.Load)
	if err != nil {
		return nil, nil, err
	}
	search, err := NewSearch(list)
	if err != nil {
		return nil, nil, err
	}
	places = map[string]int{"canaries": len(list)}
	look := func(kind, place, text string) {
		places[kind]++
		places[kind+" bytes"] += len(text)
		found = append(found, search.In(place, text)...)
	}
	for key, content := range r.Redis.Dump(ctx) {
		look("keys", "the name of a key", key)
		look("values", "Redis, key "+key, content)
		if strings.HasSuffix(key, ":details") {
			places["details"]++
		}
	}
	for _, w := range r.processes() {
		text, err := os.ReadFile(w.log)
		if err != nil {
			return nil, nil, err
		}
		look("logs", "the log of "+w.Name, string(text))
	}
	run.Producers.mu.Lock()
	for text := range run.Producers.texts {
		look("errors", "an error for producers", text)
	}
	run.Producers.mu.Unlock()
	r.Front.shown(look)
	admin, err := r.Workers[0].ready(ctx)
	if err != nil {
		return nil, nil, err
	}
	err = readPages(ctx, admin, func(path, text string) { look("pages", path, text) })
	return found, places, err
}

// readPages reads what the admin server shows: health, metrics, and the web UI's data with every
// list and, of each list, some tasks one by one.
func readPages(ctx context.Context, admin string, look func(path, text string)) error {
	read := func(path string, into any) error {
		text, err := get(ctx, admin+path)
		if err != nil {
			return err
		}
		look(path, text)
		if into == nil {
			return nil
		}
		if err := json.Unmarshal([]byte(text), into); err != nil {
			return fmt.Errorf("chaos: %s: %w", path, err)
		}
		return nil
	}
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/jobs/", "/jobs/api/queue_stats", "/jobs/api/servers",
		"/jobs/api/scheduler_entries", "/jobs/api/redis_info"} {
		if err := read(path, nil); err != nil {
			return err
		}
	}
	var queues struct{ Queues []struct{ Queue string } }
	if err := read("/jobs/api/queues", &queues); err != nil {
		return err
	}
	for _, q := range queues.Queues {
		at := "/jobs/api/queues/" + q.Queue
		if err := read(at, nil); err != nil {
			return err
		}
		for _, state := range []string{"active", "pending", "scheduled", "retry", "archived", "completed"} {
			for page := 1; ; page++ {
				var list struct{ Tasks []struct{ ID string } }
				if err := read(fmt.Sprintf("%s/%s_tasks?size=200&page=%d", at, state, page), &list); err != nil {
					return err
				}
				for i, t := range list.Tasks {
					if i >= 20 {
						break
					}
					if err := read(at+"/tasks/"+t.ID, nil); err != nil {
						return err
					}
				}
				if len(list.Tasks) < 200 {
					break
				}
			}
		}
	}
	return nil
}

func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 500 {
		err = fmt.Errorf("chaos: %s answers %d: %s", url, res.StatusCode, body)
	}
	return string(body), err
}
