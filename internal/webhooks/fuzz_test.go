package webhooks

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A webhooks file gives endpoints that can be signed for, or mistakes that hold neither a secret nor the path of a URL.
func FuzzAWebhooksFile(f *testing.F) {
	const secret = "c2VjcmV0LWEtb2YtdGhlLXRlc3RzLTMyLWJ5dGVzISE="
	f.Add([]byte("webhooks:\n" + entryFor("shop", "http://10.0.0.1", "events: [order.*, refund.refunded]", `accounts: ["ecticket:2000132", pass2u]`)))
	f.Add([]byte("webhooks: [{name: 'a b', url: 'https://x.example/" + pathWord + "', secret: " + secret + ", events: [none], accounts: [nobody]}]"))
	f.Add([]byte("webhooks: [{name: a, url: 'ftp://user:" + pathWord + "@x/#y', secret: whsec_" + secret[:20] + ", secret_file: /does/not/exist}]"))
	f.Add([]byte("webhooks: [&a {name: a}, *a]\n---\nwebhooks: {" + secret + ": 1}"))
	path := filepath.Join(f.TempDir(), "webhooks.yaml")
	f.Fuzz(func(t *testing.T, content []byte) {
		if bytes.Contains(content, []byte("_file")) && !bytes.Contains(content, []byte("/does/not/exist")) {
			return // it would read files of this machine
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := ReadFile(path, slog.New(slog.DiscardHandler))
		if err != nil {
			// A name, an event type and an account may be repeated; a secret and a URL may not.
			for _, word := range []string{secret[:16], pathWord} {
				if strings.Contains(err.Error(), word) && bytes.Count(content, []byte(word)) == 1 && holds(content, word) {
					t.Errorf("%q is repeated: %v", word, err)
				}
			}
			return
		}
		for _, e := range file.Endpoints() {
			if s, err := e.sign("id", file.Now(), []byte("{}")); err != nil || !strings.HasPrefix(s, "v1,") || e.Host() == "" {
				t.Errorf("%+v signs %q, %v", e, s, err)
			}
		}
	})
}

// holds reports whether a word stands behind "secret:" or "url:" on its line.
func holds(content []byte, word string) bool {
	for line := range bytes.Lines(content) {
		if before, _, ok := bytes.Cut(line, []byte(word)); ok {
			field := bytes.LastIndexAny(before, ",{")
			last := bytes.TrimLeft(before[field+1:], " \t")
			return bytes.HasPrefix(last, []byte("secret:")) || bytes.HasPrefix(last, []byte("url:"))
		}
	}
	return false
}
