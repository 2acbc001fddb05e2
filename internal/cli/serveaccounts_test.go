package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/internal/cli"
	"issuance/internal/keys"
	"issuance/internal/redisconn"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/providers/ecticket/wire"
)

// merchantKeys are the keys of merchant n.
func merchantKeys(n int) wire.Keys {
	return wire.Keys{HashKey: fmt.Sprintf("key-of-merchant%d", n), HashIV: fmt.Sprintf("hiv-of-merchant%d", n)}
}

// noticeOf is an authentic notice of a merchant.
func noticeOf(merchant string, k wire.Keys) string {
	data, mac := wire.Seal(k, fmt.Appendf(nil, `{"MerchantID":%q,"MerchantTradeNo":"S1"}`, merchant))
	b, _ := json.Marshal(wire.Request{MerchantID: merchant, RqHeader: wire.Header{Timestamp: 1}, Data: data, CheckMacValue: mac}) // strings and numbers
	return string(b)
}

// A front door takes the notices of every merchant of the accounts file by that merchant's keys, those of one that is added
// while it runs, too. The merchant of an order's address decides whose it is, and one that is not in the file is refused; so is an order
// without a merchant where the file has no default, whatever workers announce.
func TestAFrontDoorServesTheMerchantsOfTheFile(t *testing.T) {
	s := testredis.Start(t)
	must(t, redisconn.Mark(t.Context(), s.Client(), redisconn.Production))
	path := filepath.Join(t.TempDir(), "accounts.yaml")
	write := func(merchants int) {
		text := "accounts:\n"
		for n := range merchants {
			k := merchantKeys(n + 1)
			text += fmt.Sprintf("- {provider: ecticket, account: M%d, hash_key: %s, hash_iv: %s}\n", n+1, k.HashKey, k.HashIV)
		}
		must(t, os.WriteFile(path, []byte(text), 0o600))
	}
	write(2)
	env := environment(s)
	env["ISSUANCE_ACCOUNTS_FILE"], env["GATEWAY_HTTP_ADDR"], env["LOG_FORMAT"] = path, "127.0.0.1:0", "json"
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	url, serving := "", make(chan struct{})
	log := &until{text: `"msg":"serving"`}
	log.do = func() {
		url = regexp.MustCompile(`"url":"([^"]+)"`).FindStringSubmatch(log.String())[1]
		close(serving)
		log.do = func() {}
	}
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, []string{"serve"}, env, cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: log})
	}()
	defer func() { stop(); <-ended }()
	select {
	case <-serving:
	case code := <-ended:
		ended <- code
		t.Fatalf("it ended: %s", log.String())
	}
	post := func(method, at, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, method, url+at, strings.NewReader(body))
		must(t, err)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		must(t, err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		must(t, err)
		return res.StatusCode, string(text)
	}
	stored := func(merchant string) int64 {
		return s.Client().XLen(t.Context(), keys.Notices(providers.Account{Provider: providers.ECTicket, Merchant: merchant})).Val()
	}
	for _, c := range []struct {
		merchant string
		keys     wire.Keys
		want     int
	}{{"M1", merchantKeys(1), 200}, {"M2", merchantKeys(2), 200}, {"M2", merchantKeys(1), 400}, {"M3", merchantKeys(3), 404}} {
		if status, text := post(http.MethodPost, "/notify/ecticket/"+c.merchant, noticeOf(c.merchant, c.keys)); status != c.want {
			t.Errorf("%s: %d %s", c.merchant, status, text)
		}
	}
	if stored("M1") != 1 || stored("M2") != 1 {
		t.Errorf("%d and %d notices are stored", stored("M1"), stored("M2"))
	}
	// A default that workers still have is none of the file.
	for n, merchant := range []string{"M1", "M2"} {
		b, err := budget.New(s.Client(), budget.Config{Account: providers.Account{Provider: providers.ECTicket, Merchant: merchant}, PerSecond: 1, Default: n == 0})
		must(t, err)
		must(t, b.Announce(ctx))
	}
	document := `{"IssueType":"4","Operator":"me","TicketInfo":[{"ItemName":"一日入場券","TicketPrice":500,"TicketAmount":2}],"MerchantTradeNo":"S1"}`
	for account, want := range map[string]int{"ecticket:M1": 201, "ecticket:M2": 201, "ecticket:M9": 422, "ecticket": 422} {
		if status, text := post(http.MethodPut, "/v1/orders/"+account+"/S1", document); status != want {
			t.Errorf("%s: %d %s", account, status, text)
		}
	}

	write(3)
	for end := time.Now().Add(20 * time.Second); ; {
		status, text := post(http.MethodPost, "/notify/ecticket/M3", noticeOf("M3", merchantKeys(3)))
		if status == http.StatusOK {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the notices of a merchant that was added are not taken: %d %s", status, text)
		}
		<-time.After(100 * time.Millisecond)
	}
	if stored("M3") != 1 || strings.Contains(log.String(), "-of-merchant") {
		t.Errorf("%d are stored, log: %s", stored("M3"), log.String())
	}
}
