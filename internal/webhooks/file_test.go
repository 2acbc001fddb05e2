package webhooks

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"issuance/internal/livefile"
	"issuance/internal/thinevent"
)

func httpServer(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// All mistakes of a file are reported at once, each with its entry's name, and none of the secrets.
func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	dir := t.TempDir()
	short := writeFile(t, filepath.Join(dir, "short"), "whsec_c2hvcnQ=")
	empty := writeFile(t, filepath.Join(dir, "empty"), " \n")
	path := writeFile(t, filepath.Join(dir, "webhooks.yaml"), `webhooks:
  - name: shop
    url: http://shop.example/x
    secret: `+secretA+`
    events: [order.issued, order.gone]
  - name: shop
    url: https://user:`+pathWord+`@shop.example/
    secret: not-base64-`+pathWord+`
    secret_file: `+short+`
  - name: "with blank"
    url: ftp://shop.example
    account: [nobody]
    accounts: [nobody]
  - name: files
    url: https://shop.example/#x
    secret_file: `+short+`
    previous_secret_file: `+empty+`
  - name: good
    url: https://shop.example:8443/x?y=z
    secret: `+secretA+`
    events: [order.*, refund.refunded, ticket.*]
    accounts: [ecticket, pass2u:main]
`)
	_, err := ReadFile(path, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, want := range []string{"shop: url must begin with https:// (http:// needs allow_private)", `shop: events: "order.gone" is none`, "order.cancelled, order.review, refund.refunded",
		"shop: url must hold no user and no password", "shop: needs secret or secret_file, and not both", "shop: name is taken", "webhook 3: name must be", "webhook 3: url must begin with https://",
		"webhooks file: line 3: shop: url", "webhooks file: line 12: unknown key account; there are name, url, secret",
		`webhook 3: accounts: unknown provider "nobody"`, "webhook 3: needs secret or secret_file", "files: url must hold no #", "files: secret must be whsec_", "files: previous_secret_file is empty"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
	for _, c := range append(canaries, "c2hvcnQ") {
		if strings.Contains(err.Error(), c) {
			t.Errorf("the error holds %q", c)
		}
	}
	if strings.Contains(err.Error(), "good:") {
		t.Errorf("%v", err)
	}
}

// What is no YAML, or has unknown fields, is a mistake whose report repeats nothing of it.
func TestWhatIsNoFileIsRefused(t *testing.T) {
	for what, text := range map[string]string{"broken": "webhooks: [" + pathWord, "unknown field": "webhooks: [{name: a, secrets: " + pathWord + "}]", "empty": "",
		"list": "webhooks: " + pathWord, "large": strings.Repeat("#", livefile.Most+1)} {
		_, err := ReadFile(writeFile(t, filepath.Join(t.TempDir(), "f"), text), slog.New(slog.DiscardHandler))
		if err == nil || strings.Contains(err.Error(), pathWord) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if f, err := ReadFile(writeFile(t, filepath.Join(t.TempDir(), "f"), "webhooks: []"), nil); err != nil || len(f.Endpoints()) != 0 {
		t.Errorf("no endpoints: %v", err)
	}
}

// A file that has changed is read again; one that is broken then changes nothing, with one alarm.
func TestABrokenFileKeepsTheOldState(t *testing.T) {
	h := open(t, entryFor("shop", "https://shop.example"))
	names := func() (out string) {
		for _, e := range h.File.Endpoints() {
			out += e.Name + " "
		}
		return out
	}
	h.write(entryFor("shop", "https://shop.example"), entryFor("second", "https://second.example"))
	if names() != "shop " {
		t.Error("it is read at every look")
	}
	h.pass(livefile.Reread)
	if names() != "shop second " {
		t.Errorf("%s", names())
	}
	h.write(entryFor("shop", "ftp://shop.example"))
	for range 3 {
		h.pass(livefile.Reread)
		if names() != "shop second " {
			t.Errorf("%s", names())
		}
	}
	h.must(os.Remove(h.path))
	h.pass(livefile.Reread)
	if names() != "shop second " {
		t.Errorf("%s", names())
	}
	if n := strings.Count(h.log.String(), "alarm: the webhooks file cannot be used"); n != 2 {
		t.Errorf("%d alarms for two mistakes", n)
	}
	h.write(entryFor("third", "https://third.example"))
	h.pass(livefile.Reread)
	if names() != "third " {
		t.Errorf("%s", names())
	}
}

// While a secret is being replaced, deliveries carry a signature of each; a file with a secret that changes is read
// again by itself.
func TestASecretIsReplacedWithoutAGap(t *testing.T) {
	r := receive(t, nil)
	dir := t.TempDir()
	present := writeFile(t, filepath.Join(dir, "present"), secretA+"\n")
	entry := strings.Replace(entryFor("shop", r.URL), "secret: "+secretA, "secret_file: "+present, 1)
	h := open(t, entry)
	h.cancelled("A1")
	h.settle()
	verified(t, secretA, r.all()[0])

	previous := writeFile(t, filepath.Join(dir, "previous"), secretA)
	writeFile(t, present, secretB)
	h.write(entry + "    previous_secret_file: " + previous + "\n")
	h.pass(livefile.Reread)
	h.cancelled("A2")
	h.settle()
	both := r.all()[1]
	verified(t, secretA, both)
	verified(t, secretB, both)
	if n := len(strings.Fields(both.header.Get("webhook-signature"))); n != 2 {
		t.Errorf("%d signatures", n)
	}

	writeFile(t, previous, secretB)
	h.pass(livefile.Reread)
	h.cancelled("A3")
	h.settle()
	last := r.all()[2]
	verified(t, secretB, last)
	if w, err := signer(secretA); err != nil || w.Verify(last.body, last.header) == nil {
		t.Error("the old secret still signs")
	}
}

// Every final state of orders and refunds has a type, and so has what becomes of tickets.
func TestEveryEndHasAType(t *testing.T) {
	if types := strings.Join(thinevent.Types(), " "); types != "order.issued order.failed order.cancelled order.review "+
		"refund.refunded refund.partially_refunded refund.failed refund.cancelled refund.review ticket.redeemed ticket.refunded" {
		t.Error(types)
	}
}

// The whole schedule is as the documents say, and goes on once a day for an endpoint that takes nothing.
func TestTheScheduleEndsWithOnceADay(t *testing.T) {
	if d := wholeSchedule(); d != 75*time.Hour+35*time.Minute+5*time.Second {
		t.Error(d)
	}
	if d, last := retryAfter(8); d != 24*time.Hour || last {
		t.Error(d, last)
	}
	if d, last := retryAfter(100); d != 24*time.Hour || !last {
		t.Error(d, last)
	}
}
