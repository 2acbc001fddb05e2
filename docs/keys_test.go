package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// helper reports whether a name of package keys makes no key.
func helper(name string) bool {
	return name == "Prefix" || name == "Member" || strings.HasPrefix(name, "Parse") || strings.HasSuffix(name, "Pattern")
}

// madeByKeys are the names of package keys that are or make a key.
func madeByKeys(t *testing.T) (made []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../internal/keys/keys.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	add := func(id *ast.Ident) {
		if id.IsExported() && !helper(id.Name) {
			made = append(made, id.Name)
		}
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			add(d.Name)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if v, ok := s.(*ast.ValueSpec); ok {
					for _, id := range v.Names {
						add(id)
					}
				}
			}
		}
	}
	return made
}

var keyRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `(\\w+)` \\|")

// The table of keys has every key as package keys makes it.
func TestTheKeysAreListed(t *testing.T) {
	a := providers.Account{Provider: "PROVIDER", Merchant: "MERCHANT"}
	o := order.Ref{Account: a, OrderID: "ORDER"}
	want := map[string]string{
		"Record": keys.Record(o), "Details": keys.Details(o), "Replicated": keys.Replicated(o), "Refunds": keys.Refunds(o), "Turn": keys.Turn(o),
		"Tickets": keys.Tickets(o), "Notices": keys.Notices(a), "Looks": keys.Looks(a), "LookReasons": keys.LookReasons(a), "Notice": keys.Notice(a, "FINGERPRINT"),
		"Open": keys.Open(a), "Reviews": keys.Reviews(a), "Events": keys.Events, "Decisions": keys.Decisions, "DecisionsOf": keys.DecisionsOf(o), "Cursors": keys.Cursors,
		"Mode": keys.Mode, "Probe": keys.Probe, "IdleProbe": keys.IdleProbe("PROVIDER"), "Sandbox": keys.Sandbox, "Accounts": keys.Accounts, "SealKeys": keys.SealKeys, "Terms": keys.Terms, "FactsNews": keys.FactsNews, "Healths": keys.Healths, "Pointers": keys.Pointers, "PointersTurn": keys.PointersTurn, "Workers": keys.Workers, "Queues": keys.Queues,
		"Pending": keys.Pending(a), "Lag": keys.Lag(a), "Facts": keys.Facts(a), "Absent": keys.Absent(a), "Sites": keys.Sites(a), "Found": keys.Found(a, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), 7), "Budget": keys.Budget("ALLOWANCE"), "Paused": keys.Paused("ALLOWANCE", a), "Health": keys.Health("ALLOWANCE", a),
		"Requests": keys.Requests("TOKEN"), "ConsoleSession": keys.ConsoleSession("HASH"), "ConsoleChanges": keys.ConsoleChanges("HASH"), "ConsoleFailures": keys.ConsoleFailures("ADDRESS"), "ConsoleJobs": keys.ConsoleJobs,
		"ConsoleBusy": keys.ConsoleBusy, "ConsoleJob": keys.ConsoleJob("ID"), "ConsoleFiles": keys.ConsoleFiles, "ConsoleFile": keys.ConsoleFile("ID"), "Webhooks": keys.Webhooks, "Webhook": keys.Webhook("NAME"), "QueuesHeld": keys.QueuesHeld("PROVIDER"), "QueueLine": keys.QueueLine("QUEUE"), "Items": keys.Items(a), "Queue": keys.Queue("QUEUE"), "Task": keys.Task("QUEUE", "ID"),
	}
	made := madeByKeys(t)
	for _, name := range made {
		if want[name] == "" {
			t.Errorf("package keys has %s, which this test does not know", name)
		}
	}
	listed := map[string]string{}
	var listedNames []string
	for _, m := range keyRow.FindAllStringSubmatch(section(t, read(t, "architecture.md"), "## Keys in Redis"), -1) {
		listed[m[2]] = m[1]
		listedNames = append(listedNames, m[2])
	}
	same(t, "table of keys", listedNames, made)
	for name, key := range want {
		if listed[name] != key {
			t.Errorf("%s is listed as %q and is %q", name, listed[name], key)
		}
	}
	if payload := string(queue.Encode(o.Refund("REFUND"), "")); !strings.Contains(read(t, "architecture.md"), "`"+payload+"`") {
		t.Errorf("the payload %s is not in the document", payload)
	}
}
