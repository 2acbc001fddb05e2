package frontdoor_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"issuance/internal/frontdoor"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/tasks"
)

// listen serves a front door as the command does, with a short patience; stop ends it.
func listen(t *testing.T, cert *frontdoor.Certificate) (addr string, stop func() error) {
	t.Helper()
	return listenAs(t, cert, nil)
}

// listenAs is listen of a front door that is changed, by its configuration and when it is made; either may be nil.
func listenAs(t *testing.T, cert *frontdoor.Certificate, change func(*frontdoor.Config), made ...func(*frontdoor.Server)) (addr string, stop func() error) {
	t.Helper()
	rdb := testredis.Mini(t).Client()
	rules := tasks.Rules{MerchantID: shop.Merchant}
	client, err := tasks.NewClient(rdb, tasks.Options{SealKeys: seal.SandboxKey(), Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := frontdoor.Config{Client: client, Ledger: ledger.New(rdb, ledger.Options{}), RDB: rdb, Rules: rules,
		Log: slog.New(slog.DiscardHandler), Version: "test", Timeout: 200 * time.Millisecond}
	if change != nil {
		change(&c)
	}
	s := frontdoor.New(c)
	for _, f := range made {
		f(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Listen(ctx, l, cert, 5*time.Second) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		rouse(rdb)
		return <-done
	}
	t.Cleanup(func() { _ = stop() })
	return l.Addr().String(), stop
}

// dial is a raw connection on which text was sent.
func dial(t *testing.T, addr, text string) *bufio.Reader {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(c)
}

func TestSlowCallersAndHugeHeadersAreGivenUp(t *testing.T) {
	addr, _ := listen(t, nil)
	if b, err := io.ReadAll(dial(t, addr, "PUT /v1/orders/ecticket/A1 HTTP/1.1\r\nHost: localhost\r\n")); err != nil {
		t.Errorf("half a header: %q, %v", b, err)
	}
	b, err := io.ReadAll(dial(t, addr, "PUT /v1/orders/ecticket/A1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"))
	if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 408") {
		t.Errorf("half a body: %q, %v", b, err)
	}
	b, err = io.ReadAll(dial(t, addr, "GET /v1/orders HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n"))
	if !strings.HasPrefix(string(b), "HTTP/1.1 431") {
		t.Errorf("a huge header: %q, %v", b, err)
	}
}

func TestAStoppedServerEndsWithoutAnError(t *testing.T) {
	addr, stop := listen(t, nil)
	waits := make(chan string)
	go func() {
		res, err := http.Get("http://" + addr + "/v1/events/stream")
		if err != nil {
			waits <- err.Error()
			return
		}
		waits <- res.Status
		_, err = io.Copy(io.Discard, res.Body)
		waits <- fmt.Sprint(err)
		res.Body.Close()
	}()
	if s := <-waits; s != "200 OK" {
		t.Fatal(s)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if s := <-waits; s != "<nil>" {
		t.Errorf("the stream was cut off: %s", s)
	}
}

// pair writes a certificate for 127.0.0.1 and its key.
func pair(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: raw}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestTLSIsSpokenWithTheFilesCertificate(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	if _, err := frontdoor.ReadCertificate("/does/not/exist", "/neither", log); err == nil {
		t.Error("files that are not there are a certificate")
	}
	c, err := frontdoor.ReadCertificate(func() (string, string, *slog.Logger) { a, b := pair(t, t.TempDir(), 1); return a, b, log }())
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := listen(t, c)
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	defer web.CloseIdleConnections()
	res, err := web.Get("https://" + addr + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.TLS.PeerCertificates[0].SerialNumber.Int64() != 1 {
		t.Errorf("%d %v", res.StatusCode, res.TLS.PeerCertificates[0].SerialNumber)
	}
}
