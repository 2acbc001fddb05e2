package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"issuance/internal/announce"
	"issuance/internal/budget"
	"issuance/internal/cli"
	"issuance/internal/handlertest"
	"issuance/internal/keys"
	"issuance/internal/redisconn"
	"issuance/internal/testredis"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks"
	"issuance/tasks/order"
)

// failing is one thing that goes wrong, and the commands that it keeps from what they do. {} stands for the folder
// with the inputs.
type failing struct {
	what     string
	exit     int
	code     string
	commands []string
	set      map[string]string // of the environment
	before   func(t *testing.T, w *failureWorld)
	broken   bool // violations say what is wrong
	together bool // the commands change nothing, and are run at the same time
}

// failureWorld is a production with two accounts, some orders, and an ECTicket.
type failureWorld struct {
	bench *handlertest.Bench
	redis *testredis.Server
	env   map[string]string
	dir   string
}

const (
	byMe    = " --reason x --by me"
	reading = "status pass2u A1|watch pass2u A1|history pass2u A1|list|review|budget"
	writing = "issue {}/new.json|refund {}/refund.json|bulk {}/new.csv|cancel pass2u QUEUED" + byMe + "|retry pass2u REVIEW" + byMe +
		"|resolve pass2u REVIEW --as failed" + byMe + "|pause pass2u" + byMe
	asking = "items|ticket X1"
)

func each(lists ...string) (out []string) {
	for _, l := range lists {
		out = append(out, strings.Split(l, "|")...)
	}
	return out
}

// failures are all that the documents list.
func failures() []failing {
	deciding := "cancel pass2u A1" + byMe + "|resolve pass2u A1 --as failed" + byMe + "|retry pass2u A1" + byMe + "|erase pass2u A1" + byMe
	files := "watch --file {}/new.csv|cancel --file {}/new.csv" + byMe
	everything := each(reading, writing, asking, deciding, files, "resume pass2u --by me")
	return []failing{
		{what: "a wrong command line: an unknown flag, a missing or superfluous argument, a value that means nothing, an unknown state, lane or provider", exit: cli.Wrong, code: "usage",
			commands: each("--frob|status --frob|issue|refund|bulk|bulk a b|status pass2u|watch|history pass2u A1 R1|cancel pass2u A1 --by me|items TOOLONGNUMBER|ticket|review a b|list x",
				"resolve pass2u A1 --as gone"+byMe+"|retry pass2u|erase pass2u A1 --by me|budget x|pause pass2u nowhere"+byMe+"|resume|version x|nothing|help nothing|completion nothing",
				"list --limit x|list --state gone|watch pass2u A1 --timeout x|list --account nobody|status nobody A1|issue --lane poll {}/new.json|issue --wait=perhaps {}/new.json")},
		{what: "an input file that cannot be read", exit: cli.Wrong, code: "usage",
			commands: each("issue {}/none.json|refund {}/none.json|bulk {}/none.csv|watch --file {}/none.csv|cancel --file {}/none.csv"+byMe, "issue {}|refund {}|bulk {}|watch --file {}")},
		{what: "documents that break rules", exit: cli.Wrong, code: "invalid", broken: true, commands: each("issue {}/wrong.json|refund {}/wrong.json")},
		{what: "wrong lines of a bulk; an empty input", exit: cli.Wrong, code: "invalid",
			commands: each("bulk {}/wrong.csv|bulk {}/empty.csv|issue {}/empty.csv|refund {}/empty.csv|watch --file {}/empty.csv|cancel --file {}/empty.csv" + byMe)},
		{what: "an account that no worker has", exit: cli.Wrong, code: "unknown_account",
			commands: each("pause pass2u:nobody" + byMe + "|resume pass2u:nobody --by me|issue --provider pass2u:nobody {}/bare.json|refund --provider pass2u:nobody --refund-id R9 {}/bare-refund.json")},
		{what: "an account that is not clear, because no merchant is named", exit: cli.Wrong, code: "unknown_account",
			commands: each("pause ecticket"+byMe+"|resume ecticket --by me|issue --provider ecticket {}/bare-ecticket.json|refund --provider ecticket --refund-id R9 {}/bare-refund-ecticket.json",
				"status ecticket A1|watch ecticket A1|history ecticket A1|cancel ecticket A1"+byMe+"|resolve ecticket A1 --as failed"+byMe+"|retry ecticket A1"+byMe+"|erase ecticket A1"+byMe),
			before: func(t *testing.T, w *failureWorld) { w.announce(t, "ecticket:3362787") }},
		{what: "another document under the number", exit: cli.Conflict, code: "conflict", commands: each("issue {}/changed.json|refund {}/changed-refund.json")},
		{what: "no such order, or no such refund; of an account that no worker has, too", exit: cli.Unknown, code: "unknown", commands: each("status pass2u NOBODY|watch pass2u NOBODY|history pass2u NOBODY",
			strings.ReplaceAll(deciding, "A1", "NOBODY"), strings.ReplaceAll("status pass2u A1|watch pass2u A1|history pass2u A1|"+deciding, "pass2u", "ecticket:999"), "cancel pass2u A1 --refund NOBODY"+byMe+"|resolve pass2u A1 --refund NOBODY --as failed"+byMe+"|retry pass2u A1 --refund NOBODY"+byMe)},
		{what: "Redis does not answer", exit: cli.Unreachable, code: "unreachable", together: true, commands: everything, set: map[string]string{"REDIS_URL": "redis://127.0.0.1:1"}},
		{what: "Redis takes no writes", exit: cli.Unreachable, code: "no_writes", commands: each(writing, "erase pass2u A1"+byMe+"|resume pass2u --by me"),
			before: func(t *testing.T, w *failureWorld) { w.config(t, "maxmemory", "1") }},
		{what: "Redis wants another password; no Redis is named and no sandbox runs; a setting is wrong", exit: cli.CouldNot, code: "settings", together: true, commands: everything,
			before: func(t *testing.T, w *failureWorld) { w.config(t, "requirepass", "secret") }},
		{what: "no seal keys are set", exit: cli.CouldNot, code: "settings", commands: each("issue {}/new.json|refund {}/refund.json|bulk {}/new.csv|status pass2u A1 --tickets"),
			set: map[string]string{"ISSUANCE_SEAL_KEYS": ""}},
		{what: "ECTicket's credentials are missing, or ECTicket refuses them", exit: cli.CouldNot, code: "settings", commands: each(asking), set: map[string]string{"ECTICKET_HASH_KEY": ""}},
		{what: "the seal keys are not the workers'", exit: cli.CouldNot, code: "wrong_keys", commands: each("issue {}/new.json|refund {}/refund.json|bulk {}/new.csv|status pass2u ISSUED --tickets"),
			set: map[string]string{"ISSUANCE_SEAL_KEYS": handlertest.Key(2)}},
		{what: "it may have been sent, or has ended", exit: cli.CouldNot, code: "not_cancellable", commands: each("cancel pass2u A1" + byMe)},
		{what: "what is unfinished, in doubt or in review", exit: cli.CouldNot, code: "not_erasable", commands: each("erase pass2u REVIEW" + byMe)},
		{what: "it is not in review", exit: cli.CouldNot, code: "not_in_review", commands: each("resolve pass2u A1 --as failed" + byMe + "|retry pass2u A1" + byMe)},
		{what: "the account's calls are held", exit: cli.CouldNot, code: "held", commands: each(asking), before: func(t *testing.T, w *failureWorld) { w.ban(t) }},
		{what: "ECTicket does not know what it is asked for", exit: cli.CouldNot, code: "rejected", commands: each("ticket X1|items NONE1")},
		{what: "ECTicket cannot be reached, or its answer is of no use", exit: cli.CouldNot, code: "no_answer", commands: each(asking), set: map[string]string{"ECTICKET_BASE_URL": "http://127.0.0.1:1"}},
		{what: "an item that the catalogue does not have", exit: cli.CouldNot, code: "no_item", commands: each("items VQT04959 NONE1")},
		{what: "what was waited for ended, and not as issued or refunded", exit: cli.CouldNot, code: "ended_otherwise",
			commands: each("issue --wait {}/failed.json|watch --file {}/failed.csv|watch --file {}/new.csv")},
		{what: "`--timeout` has passed", exit: cli.CouldNot, code: "timeout", commands: each("watch pass2u QUEUED --timeout 1ms|issue --wait --timeout 1ms {}/queued.json|refund --wait --timeout 1ms {}/refund.json")},
	}
}

func pass2uOrder(id string, quantity int) string {
	return fmt.Sprintf(`{"channelOrderId":%q,"productSaleId":"S1","quantity":%d,"pickupType":"order"}`, id, quantity)
}

func wrapped(request string) string { return `{"provider":"pass2u","request":` + request + `}` }

func refundOf(id string, quantity int) string {
	return fmt.Sprintf(`{"provider":"pass2u","refund_id":%q,"request":{"channelOrderId":"A1","quantity":%d}}`, id, quantity)
}

// newFailureWorld makes the orders A1, with a refund R1, and ISSUED (issued), FAILED, QUEUED and REVIEW, and the inputs.
func newFailureWorld(t *testing.T) *failureWorld {
	t.Helper()
	s := testredis.Start(t)
	w := &failureWorld{bench: handlertest.New(t, s), redis: s, dir: t.TempDir()}
	for name, text := range map[string]string{
		"new.json": wrapped(pass2uOrder("NEW", 1)), "changed.json": wrapped(pass2uOrder("A1", 2)), "changed-refund.json": refundOf("R1", 2), "failed.json": wrapped(pass2uOrder("FAILED", 1)),
		"queued.json": wrapped(pass2uOrder("QUEUED", 1)), "bare.json": pass2uOrder("NEW", 1), "wrong.json": `{"provider":"pass2u","request":{"channelOrderId":1}}`,
		"refund.json": refundOf("NEW", 1), "empty.csv": "",
		"bare-refund.json": `{"channelOrderId":"A1","quantity":1}`, "bare-refund-ecticket.json": `{"MerchantTradeNo":"A1","all":true}`,
		"bare-ecticket.json": `{"MerchantTradeNo":"E1","IssueType":"2","PrintType":"2","Operator":"A","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":1}]}`,
		"new.csv":            "channelOrderId,productSaleId,quantity,pickupType\nNEW,S1,1,order\n",
		"wrong.csv":          "channelOrderId,productSaleId,quantity,pickupType\nNEW,S1,x,order\n",
		"failed.csv":         "channelOrderId,productSaleId,quantity,pickupType\nFAILED,S1,1,order\n",
	} {
		must(t, os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600))
	}
	for id, state := range map[string]order.State{"A1": order.Issued, "ISSUED": order.Issued, "FAILED": order.Failed, "QUEUED": order.Queued, "REVIEW": order.Review} {
		w.bench.OrderIn(state, wrapped(pass2uOrder(id, 1)))
	}
	w.bench.EnqueueRefund(refundOf("R1", 1))
	issued := tasks.Ref{Account: handlertest.Pass2U, OrderID: "ISSUED"}
	sealed, err := vault.SealResult(w.bench.Ring, issued, &providers.Result{Tickets: []providers.Ticket{{Barcode: "B1"}}})
	must(t, err)
	must(t, s.Client().HSet(t.Context(), keys.Record(issued), "result", string(sealed)).Err())
	must(t, announce.SealKeys(t.Context(), s.Client(), w.bench.Ring.IDs()))
	sim := httptest.NewServer(ecticketsim.New(ecticketsim.Config{}))
	t.Cleanup(sim.Close)
	merchant := ecticketsim.DefaultAccounts()[0]
	w.env = map[string]string{"REDIS_URL": s.URL(), "ISSUANCE_SEAL_KEYS": handlertest.Key(1), "ECTICKET_BASE_URL": sim.URL, "ECTICKET_MERCHANT_ID": merchant.MerchantID,
		"ECTICKET_HASH_KEY": merchant.HashKey, "ECTICKET_HASH_IV": merchant.HashIV}
	must(t, redisconn.Mark(t.Context(), s.Client(), redisconn.Production))
	w.announce(t, "pass2u:main")
	w.announce(t, "ecticket:"+merchant.MerchantID)
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *failureWorld) budget(t *testing.T, name string) *budget.Budget {
	t.Helper()
	a, err := providers.ParseAccount(name)
	must(t, err)
	b, err := budget.New(w.redis.Client(), budget.Config{Account: a, PerSecond: 100})
	must(t, err)
	return b
}

func (w *failureWorld) announce(t *testing.T, name string) {
	t.Helper()
	must(t, w.budget(t, name).Announce(t.Context()))
	if strings.HasPrefix(name, "ecticket:3") { // then "ecticket" is not clear, unless the environment says which
		delete(w.env, "ECTICKET_MERCHANT_ID")
	}
}

func (w *failureWorld) ban(t *testing.T) {
	t.Helper()
	w.budget(t, "ecticket:"+w.env["ECTICKET_MERCHANT_ID"]).Banned(t.Context(), "HTTP 403")
}

func (w *failureWorld) config(t *testing.T, name, value string) {
	t.Helper()
	rdb := w.redis.Client()
	if w.redis.Kind != testredis.Real {
		t.Skip("the embedded Redis has no such setting")
	}
	must(t, rdb.ConfigSet(t.Context(), name, value).Err())
	t.Cleanup(func() {
		rdb.Do(context.Background(), "AUTH", value)
		rdb.ConfigSet(context.Background(), name, "")
	})
}

// internals are what no user can know.
var internals = regexp.MustCompile(`(?m)(?:^|[ (])(tasks|ledger|queue|budget|seal|vault|redisconn|sandboxfile|strconv[.\w]*|config|bulk|input): |goroutine|0x[0-9a-f]{6}`)

// report is an error object.
type report struct {
	Error *struct {
		Code, Message string
		Account       string
		OrderID       string `json:"order_id"`
		RefundID      string `json:"refund_id"`
		Violations    []struct{ Path string }
	}
}

// fails runs a command with --json and wants the failure.
func (w *failureWorld) fails(t *testing.T, f failing, command string) {
	t.Helper()
	env := maps.Clone(w.env)
	for name, value := range f.set {
		env[name] = value
	}
	var args []string
	for _, arg := range strings.Fields(command) {
		args = append(args, strings.ReplaceAll(arg, "{}", w.dir))
	}
	var out, errs bytes.Buffer
	exit := cli.Run(t.Context(), append(args, "--json"), env, cli.Streams{Out: &out, Err: &errs})
	var last report
	for line := range strings.Lines(out.String()) {
		var r report
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Errorf("%s: standard output holds %q", command, line)
		}
		if r.Error != nil {
			last = r
		}
	}
	switch {
	case last.Error == nil:
		t.Errorf("%s: exit code %d, and no error on standard output; %s", command, exit, errs.String())
		return
	case exit != f.exit || last.Error.Code != f.code || last.Error.Message == "":
		t.Errorf("%s: exit code %d, %+v; want %d, %s", command, exit, *last.Error, f.exit, f.code)
	case f.broken && len(last.Error.Violations) == 0:
		t.Errorf("%s: no violations", command)
	}
	if text := internals.FindString(out.String() + errs.String()); text != "" {
		t.Errorf("%s: %q is none of a user's words: %s", command, text, errs.String())
	}
}

// Every command that fails says so in one object with a code, whatever went wrong.
func TestEveryFailureHasItsCodeInEveryCommand(t *testing.T) {
	for _, f := range failures() {
		t.Run(f.code+" "+strings.Fields(f.what)[1], func(t *testing.T) {
			t.Parallel()
			w := newFailureWorld(t)
			if f.before != nil {
				f.before(t, w)
			}
			var all sync.WaitGroup
			for _, command := range f.commands {
				all.Go(func() { w.fails(t, f, command) })
				if !f.together {
					all.Wait()
				}
			}
			all.Wait()
		})
	}
}

// An error about one order or refund names it, by its whole account.
func TestAnErrorNamesWhatItIsAbout(t *testing.T) {
	w := newFailureWorld(t)
	other := maps.Clone(w.env)
	other["ISSUANCE_SEAL_KEYS"] = handlertest.Key(2)
	for command, want := range map[string]string{
		"status pass2u NOBODY":                                 "pass2u:main/NOBODY",
		"history pass2u NOBODY":                                "pass2u:main/NOBODY",
		"watch pass2u A1 NOBODY":                               "pass2u:main/NOBODY",
		"watch pass2u QUEUED --timeout 1ms":                    "pass2u:main/QUEUED",
		"issue --wait --timeout 1ms {}/queued.json":            "pass2u:main/QUEUED",
		"cancel pass2u NOBODY" + byMe:                          "pass2u:main/NOBODY",
		"erase pass2u REVIEW" + byMe:                           "pass2u:main/REVIEW",
		"erase pass2u NOBODY" + byMe:                           "pass2u:main/NOBODY",
		"retry pass2u A1" + byMe:                               "pass2u:main/A1",
		"resolve pass2u A1 --refund NOBODY --as failed" + byMe: "pass2u:main/A1/NOBODY",
		"status pass2u ISSUED --tickets":                       "pass2u:main/ISSUED",
	} {
		env := w.env
		if strings.Contains(command, "--tickets") {
			env = other
		}
		var out bytes.Buffer
		cli.Run(t.Context(), append(strings.Fields(strings.ReplaceAll(command, "{}", w.dir)), "--json"), env, cli.Streams{Out: &out, Err: io.Discard})
		var last report
		for line := range strings.Lines(out.String()) {
			must(t, json.Unmarshal([]byte(line), &last))
		}
		if last.Error == nil {
			t.Errorf("%s: no error", command)
			continue
		}
		got := strings.Trim(last.Error.Account+"/"+last.Error.OrderID+"/"+last.Error.RefundID, "/")
		if got != want {
			t.Errorf("%s: names %q, want %q", command, got, want)
		}
	}
}

// A rule that several elements of an array break is a violation of each, of a document and of a bulk's line.
func TestEveryViolationHasOnePath(t *testing.T) {
	w := newFailureWorld(t)
	const doc = `{"provider":"ecticket","request":{"MerchantTradeNo":"E1","IssueType":"2","PrintType":"2","Operator":"A","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":0},{"ItemNo":"VNS21400","TicketAmount":0}]}}`
	for command, want := range map[string][]string{
		"issue -":          {"request.TicketInfo[0].TicketAmount", "request.TicketInfo[1].TicketAmount"},
		"bulk --dry-run -": {"request.TicketInfo[0].TicketAmount", "request.TicketInfo[1].TicketAmount"},
	} {
		var out bytes.Buffer
		cli.Run(t.Context(), append(strings.Fields(command), "--json"), w.env, cli.Streams{In: strings.NewReader(doc + "\n"), Out: &out, Err: io.Discard})
		var paths []string
		for line := range strings.Lines(out.String()) {
			var r report
			if must(t, json.Unmarshal([]byte(line), &r)); r.Error != nil {
				for _, v := range r.Error.Violations {
					paths = append(paths, v.Path)
				}
			}
		}
		if !slices.Equal(paths, want) {
			t.Errorf("%s: %q, want %q", command, paths, want)
		}
	}
}

// What is interrupted says so, too.
func TestAnInterruptedCommandHasItsCode(t *testing.T) {
	w := newFailureWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	errs := &hook{first: cancel} // "no worker serves…" is the first that it says
	exit := cli.Run(ctx, []string{"watch", "pass2u", "QUEUED", "--json"}, w.env, cli.Streams{Out: &out, Err: errs})
	if exit != cli.CouldNot || !strings.HasSuffix(out.String(), `{"error":{"code":"interrupted","message":"interrupted"}}`+"\n") {
		t.Errorf("exit code %d, %s", exit, out.String())
	}
}

// The documents list every code, and every failure with its commands.
func TestTheDocumentsListEveryFailure(t *testing.T) {
	raw, err := os.ReadFile("../../docs/enqueueing.md")
	must(t, err)
	text := string(raw)
	for _, c := range cli.Codes() {
		if row := fmt.Sprintf("| %d | `%s` | %s |\n", c.Exit, c.Name, c.Meaning); !strings.Contains(text, row) {
			t.Errorf("docs/enqueueing.md lacks %s", row)
		}
	}
	known := []string{"interrupted", "failed"} // no table of commands: a signal, and what nobody thought of
	for _, f := range failures() {
		known = append(known, f.code)
		var names []string
		for _, command := range f.commands {
			name := strings.Fields(command)[0]
			if !strings.HasPrefix(name, "-") && name != "nothing" && !slices.Contains(names, "`"+name+"`") {
				names = append(names, "`"+name+"`")
			}
		}
		slices.Sort(names)
		list := strings.Join(names, ", ")
		if len(names) >= 15 {
			list = "all but `version`, `completion`"
		}
		if f.code == "usage" && len(names) >= 15 {
			list = "all"
		}
		if row := fmt.Sprintf("| %s | %s | %d | `%s` |\n", f.what, list, f.exit, f.code); !strings.Contains(text, row) {
			t.Errorf("docs/enqueueing.md lacks %s", row)
		}
	}
	for _, c := range cli.Codes() {
		if !slices.Contains(known, c.Name) {
			t.Errorf("nothing that is tested fails with %s", c.Name)
		}
	}
}
