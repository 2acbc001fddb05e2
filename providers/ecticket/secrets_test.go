package ecticket_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"issuance/providers/ecticket"
)

// hidden are values that no outcome, error or log line may hold.
var hidden = []string{
	"王珊珊", "0912345678", "abc@gmail.com", "台北市南港區三重路19號", keys.HashKey, keys.HashIV, "LEU4loiSZ9TDTWAtxL", "CB2SY20220302153",
	"https://a.tw/v?t=1",
}

func TestNoOutcomeAndNoLogHoldsWhatIsHidden(t *testing.T) {
	quoted := strings.Join(hidden, " / ")
	spoilt := []func(http.ResponseWriter, *http.Request){
		say(data{"RtnCode": 1, "RtnMsg": quoted, "Status": 2, "Remark": quoted, "TotalCount": 0, "UseStatus": 1}),
		say(data{"RtnCode": 5, "RtnMsg": quoted}),
		say(data{"RtnCode": 1, "RtnMsg": quoted, "Status": quoted, "TotalCount": quoted, "UseStatus": data{"a": quoted}, "TicketTradeNo": []string{quoted}}),
		say(data{"RtnCode": quoted}),
		say(quoted),
		say(yes(), set("TransCode", 9), set("TransMsg", quoted)),
		say(yes(), set("TransCode", quoted)),
		say(yes(), set("CheckMacValue", quoted)),
		say(yes(), set("Data", quoted)),
		text(quoted), status(400, text(quoted)), status(500, text(quoted)), status(403, text(quoted)),
		func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/"+keys.HashKey, http.StatusFound) },
		cut,
	}
	for i, answer := range spoilt {
		for _, op := range ops {
			var logged bytes.Buffer
			s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) { answer(w, r) })
			c := client(t, s.URL, func(cfg *ecticket.Config) {
				cfg.Log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
			})
			out := op.do(t.Context(), c)
			if logged.Len() == 0 {
				t.Errorf("answer %d, %s: nothing is logged, so this test proves nothing", i, op.name)
			}
			// Each call knows its own secrets; what looks like one is hidden in every call.
			for _, secret := range secretsOf(op.name) {
				if text := fmt.Sprintf("%+v %s", out, out.Error()); strings.Contains(text, secret) {
					t.Errorf("answer %d, %s: the outcome holds %s: %s", i, op.name, secret, text)
				}
				if strings.Contains(logged.String(), secret) {
					t.Errorf("answer %d, %s: the log holds %s: %s", i, op.name, secret, &logged)
				}
			}
		}
	}
}

func secretsOf(op string) []string {
	patterns := []string{"0912345678", "abc@gmail.com", keys.HashKey, keys.HashIV, "https://a.tw"}
	switch op {
	case "Issue", "LookUp", "Tickets":
		return append(patterns, "王珊珊", "台北市南港區三重路19號")
	case "TicketStatus", "RefundTicket":
		return append(patterns, "CB2SY20220302153")
	case "StatusByWriteOffNo":
		return append(patterns, "LEU4loiSZ9TDTWAtxL")
	default:
		return patterns
	}
}

func TestTheGatesErrorIsCleanedToo(t *testing.T) {
	g := &gate{err: errors.New("dial redis://:hunter2pass@10.0.0.1: refused by " + keys.HashIV)}
	out := clientWithGate(t, "http://localhost", g).Issue(t.Context(), order)
	if strings.Contains(out.Message, "hunter2pass") || strings.Contains(out.Message, keys.HashIV) || out.Message == "" {
		t.Errorf("%+v", out)
	}
}

func TestPrintingAClientOrItsConfigurationShowsNoKey(t *testing.T) {
	cfg := ecticket.Config{BaseURL: "https://user:hunter2pass@ecticket.ecpay.com.tw", MerchantID: merchant, Keys: keys}
	ok := cfg
	ok.BaseURL = "https://ecticket.ecpay.com.tw"
	c, err := ecticket.New(ok)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&logged, nil)), slog.New(slog.NewJSONHandler(&logged, nil))} {
		log.Info("x", "config", cfg, "pointer", &cfg, "client", c, "keys", cfg.Keys)
	}
	shown := logged.String()
	for _, v := range []any{cfg, &cfg, ok, c, []ecticket.Config{cfg}, map[string]any{"a": cfg, "b": c}, struct{ C ecticket.Config }{cfg}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			shown += fmt.Sprintf(verb, v)
		}
	}
	if raw, err := json.Marshal(struct{ K any }{cfg.Keys}); err != nil {
		t.Error(err)
	} else {
		shown += string(raw)
	}
	for _, secret := range []string{keys.HashKey, keys.HashIV, "hunter2pass", fmt.Sprintf("%x", keys.HashKey), fmt.Sprintf("%v", []byte(keys.HashKey))} {
		if strings.Contains(shown, secret) {
			t.Errorf("a key is shown")
		}
	}
	if !strings.Contains(shown, merchant) {
		t.Error("not even the merchant is shown")
	}
}

func TestTheVariantOfTheChecksumIsLoggedForSupport(t *testing.T) {
	var logged bytes.Buffer
	s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) { say(yes())(w, r) })
	c := client(t, s.URL, func(cfg *ecticket.Config) {
		cfg.Log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	c.Issue(t.Context(), order)
	if !strings.Contains(logged.String(), "variant=") || !strings.Contains(logged.String(), "order="+order.ID) {
		t.Errorf("log: %s", &logged)
	}
	var quiet bytes.Buffer
	c = client(t, s.URL, func(cfg *ecticket.Config) { cfg.Log = slog.New(slog.NewTextHandler(&quiet, nil)) })
	c.Issue(t.Context(), order)
	if quiet.Len() != 0 {
		t.Errorf("a call that went well is logged above debug: %s", &quiet)
	}
}
