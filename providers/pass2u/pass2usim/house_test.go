package pass2usim_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"issuance/providers/pass2u/pass2usim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const prefix = "/api/v1/public/product"

// house is a simulator behind a server.
type house struct {
	*pass2usim.Sim
	t   *testing.T
	srv *httptest.Server
}

func open(t *testing.T, c pass2usim.Config) house {
	t.Helper()
	s := pass2usim.New(c)
	srv := httptest.NewServer(s)
	t.Cleanup(func() { s.Close(); srv.Client().CloseIdleConnections(); srv.Close() })
	return house{s, t, srv}
}

// call posts fields and returns the status and the answer; status 0 means that none came.
func (h house) call(path string, fields map[string]any) (int, map[string]any) {
	body, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	status, raw := h.post(path, pass2usim.DefaultAPIKey, string(body))
	var answer map[string]any
	json.Unmarshal([]byte(raw), &answer)
	return status, answer
}

func (h house) post(path, key, body string) (int, string) {
	req, err := http.NewRequest("POST", h.srv.URL+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", key)
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	res, err := h.srv.Client().Do(req)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

func order(id string, n int, pickup string) map[string]any {
	return map[string]any{"productSaleId": pass2usim.DefaultCampaign, "channelOrderId": id, "quantity": n, "pickupType": pickup}
}

func with(m map[string]any, kv ...any) map[string]any {
	m = maps.Clone(m)
	for i := 0; i < len(kv); i += 2 {
		m[kv[i].(string)] = kv[i+1]
	}
	return m
}

func keys(m map[string]any) string {
	b, _ := json.Marshal(m) // sorted
	var names []string
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.Token()
	for dec.More() {
		k, _ := dec.Token()
		names = append(names, k.(string))
		var v json.RawMessage
		dec.Decode(&v)
	}
	return strings.Join(names, " ")
}
