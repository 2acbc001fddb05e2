package frontdoor_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"issuance/internal/frontdoor"
)

// sentRaw is the answer to bytes that are sent as they are, and its body. An answer of 100 is passed over.
func sentRaw(t *testing.T, addr, text string) (*http.Response, string) {
	t.Helper()
	c := write(t, addr, text)
	defer c.Close()
	for in := bufio.NewReader(c); ; {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%.80q: %v", text, err)
		}
		if res.StatusCode == http.StatusContinue {
			continue
		}
		b, err := io.ReadAll(res.Body)
		if res.Body.Close(); err != nil {
			t.Fatalf("%.80q: %v", text, err)
		}
		return res, string(b)
	}
}

// What is HTTP is answered with a problem, whatever is wrong with it, and what is none in plain text; nothing of both is done.
func TestWhatIsHardlyHTTPIsAnswered(t *testing.T) {
	addr, _ := listen(t, nil)
	request := strings.ReplaceAll(strings.ReplaceAll(body, "\n", ""), "\t", "")
	put := func(number, header, content string) string {
		return "PUT " + at + number + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + header + "\r\n" + content
	}
	get := func(header string) string {
		return "GET " + at + "A1 HTTP/1.1\r\nHost: localhost\r\n" + header + "\r\n"
	}
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(request), request)
	length := fmt.Sprintf("Content-Length: %d\r\n", len(request))
	for name, c := range map[string]struct {
		sent   string
		status int
		code   frontdoor.Code // "" for plain text
	}{
		"no request line":                {"GET " + at + "A1\r\n\r\n", http.StatusBadRequest, ""},
		"no HTTP":                        {"\x16\x03\x01\x02\x00\r\n\r\n", http.StatusBadRequest, ""},
		"another version":                {"GET " + at + "A1 HTTP/3.0\r\nHost: localhost\r\n\r\n", http.StatusHTTPVersionNotSupported, ""},
		"no Host":                        {"GET " + at + "A1 HTTP/1.1\r\n\r\n", http.StatusBadRequest, ""},
		"two Hosts":                      {get("Host: localhost\r\n"), http.StatusBadRequest, ""},
		"a broken Host":                  {"GET " + at + "A1 HTTP/1.1\r\nHost: a b\r\n\r\n", http.StatusBadRequest, ""},
		"another's Host":                 {"GET " + at + "A1 HTTP/1.1\r\nHost: evil.example\r\n\r\n", http.StatusForbidden, "forbidden"},
		"HTTP/1.0":                       {"GET " + at + "A1?wait=0 HTTP/1.0\r\nHost: localhost\r\n\r\n", http.StatusNotFound, "unknown"},
		"a broken header":                {get("X A: b\r\n"), http.StatusBadRequest, ""},
		"a broken escape":                {"GET " + at + "%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", http.StatusBadRequest, ""},
		"a long header":                  {get("X-A: " + strings.Repeat("a", 33<<10) + "\r\n"), http.StatusRequestHeaderFieldsTooLarge, "too_large"},
		"many headers":                   {get(strings.Repeat("X-A: aaaaaaaaaa\r\n", 2000)), http.StatusRequestHeaderFieldsTooLarge, "too_large"},
		"a long line":                    {"GET " + at + "A1?q=" + strings.Repeat("a", 33<<10) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge, "too_large"},
		"an endless header":              {get("X-A: " + strings.Repeat("a", 69<<10) + "\r\n"), http.StatusRequestHeaderFieldsTooLarge, ""},
		"CONNECT":                        {"CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", http.StatusNotFound, "not_found"},
		"chunks with a trailer":          {put("A2", "Transfer-Encoding: chunked\r\nTrailer: X-A\r\n", chunk+"0\r\nX-A: b\r\n\r\n"), http.StatusCreated, ""},
		"chunks that are none":           {put("A3", "Transfer-Encoding: chunked\r\n", "zz\r\n"+request), http.StatusBadRequest, "invalid"},
		"another coding of the transfer": {put("A3", "Transfer-Encoding: gzip\r\n", ""), http.StatusNotImplemented, ""},
		"100-continue":                   {put("A4", "Expect: 100-continue\r\n"+length, request), http.StatusCreated, ""},
		"another expectation":            {put("A3", "Expect: magic\r\n"+length, request), http.StatusExpectationFailed, ""},
		"a length that is too short":     {put("A3", "Connection: close\r\nContent-Length: 5\r\n", request[:5]), http.StatusUnprocessableEntity, "invalid"},
		"a length that is too long":      {put("A3", "Content-Length: 5000\r\n", request), http.StatusRequestTimeout, "timeout"},
		"two lengths":                    {put("A3", "Content-Length: 3\r\n"+length, request), http.StatusBadRequest, ""},
		"a negative length":              {put("A3", "Content-Length: -1\r\n", request), http.StatusBadRequest, ""},
		"no length":                      {put("A3", "", ""), http.StatusBadRequest, "invalid"},
	} {
		res, text := sentRaw(t, addr, c.sent)
		var p frontdoor.Problem
		if res.Header.Get("Content-Type") == "application/problem+json" {
			if err := json.Unmarshal([]byte(text), &p); err != nil || p.RequestID == "" {
				t.Errorf("%s: %v %s", name, err, text)
			}
		}
		if res.StatusCode != c.status || p.Code != c.code {
			t.Errorf("%s: %d %q, want %d %q: %.200s", name, res.StatusCode, p.Code, c.status, c.code, text)
		}
	}
	for number, want := range map[string]int{"A1": http.StatusNotFound, "A2": http.StatusOK, "A3": http.StatusNotFound, "A4": http.StatusOK} {
		if res, text := sentRaw(t, addr, "GET "+at+number+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); res.StatusCode != want {
			t.Errorf("%s: %d, want %d: %s", number, res.StatusCode, want, text)
		}
	}
}
