package redisconn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"issuance/internal/testredis"
)

// authority issues certificates for 127.0.0.1 and for clients.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newAuthority(t *testing.T) *authority {
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.issue(t, "ca")
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// issue writes NAME.crt and NAME.key. The first certificate is the authority's own.
func (a *authority) issue(t *testing.T, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	cert := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		BasicConstraintsValid: true, IsCA: a.cert == nil, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	parent, signer := a.cert, a.key
	if parent == nil {
		cert.KeyUsage, cert.ExtKeyUsage = x509.KeyUsageCertSign, nil
		parent, signer = cert, key
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, cert, parent, key.Public(), signer))
	pkcs8 := must[[]byte](t)(x509.MarshalPKCS8PrivateKey(key))
	for ext, block := range map[string]*pem.Block{"crt": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(a.file(name+"."+ext), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return must[*x509.Certificate](t)(x509.ParseCertificate(der)), key
}

// secured is a real Redis that wants certificates of its clients, which is its default.
func secured(t *testing.T, a *authority) (addr string) {
	t.Helper()
	s := testredis.Start(t)
	if s.Kind != testredis.Real {
		t.Skip("no redis-server is used, and miniredis asks for no certificates")
	}
	c := s.Client()
	if known, err := c.ConfigGet(t.Context(), "tls-port").Result(); err != nil || len(known) == 0 {
		t.Skip("this redis-server is built without TLS", err)
	}
	free := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	port := free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	for _, set := range [][2]string{{"tls-cert-file", a.file("server.crt")}, {"tls-key-file", a.file("server.key")},
		{"tls-ca-cert-file", a.file("ca.crt")}, {"tls-port", strconv.Itoa(port)}} {
		if err := c.ConfigSet(t.Context(), set[0], set[1]).Err(); err != nil {
			t.Fatalf("%s: %v", set[0], err)
		}
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// A Redis that wants a certificate of its clients gets the one of cert_file and key_file, and a renewed
// one without a restart; without it the connection fails.
func TestClientCertificate(t *testing.T) {
	a := newAuthority(t)
	a.issue(t, "server")
	a.issue(t, "client")
	addr := secured(t, a)
	base := "rediss://" + addr + "/0?ca_file=" + a.file("ca.crt")
	without := must[Options](t)(Parse(Source{URL: base}))
	if c, err := Connect(context.Background(), without); err == nil {
		_ = c.Close()
		t.Fatal("the server wanted no certificate, so nothing was tested")
	} else if !strings.Contains(err.Error(), "certificate") {
		t.Errorf("the error does not name the reason: %v", err)
	}
	with := Source{URL: base + "&cert_file=" + a.file("client.crt") + "&key_file=" + a.file("client.key")}
	put(t, with)

	options := must[Options](t)(Parse(with))
	other := newAuthority(t)
	other.issue(t, "client")
	for _, ext := range []string{"crt", "key"} {
		mine := must[[]byte](t)(os.ReadFile(other.file("client." + ext)))
		if err := os.WriteFile(a.file("client."+ext), mine, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := Connect(context.Background(), options); err == nil {
		_ = c.Close()
		t.Error("the certificate was not read again: one of an unknown authority was not sent")
	}
	a.issue(t, "client")
	c, err := Connect(context.Background(), options)
	if err != nil {
		t.Fatalf("a renewed certificate is not used: %v", err)
	}
	_ = c.Close()
}

// A certificate and a key that do not belong together are found when the URL is read.
func TestACertificateNeedsItsOwnKey(t *testing.T) {
	a := newAuthority(t)
	a.issue(t, "one")
	a.issue(t, "two")
	for cert, key := range map[string]string{"one.crt": "two.key", "one.key": "one.key"} {
		_, err := Parse(Source{URL: "rediss://h?cert_file=" + a.file(cert) + "&key_file=" + a.file(key)})
		if err == nil || !strings.Contains(err.Error(), a.file(cert)) || strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%s with %s: %v", cert, key, err)
		}
	}
	for _, scheme := range []string{"rediss://h", "rediss-sentinel://h/0?master=m"} {
		sep := "?"
		if strings.Contains(scheme, "?") {
			sep = "&"
		}
		o, err := Parse(Source{URL: scheme + sep + "cert_file=" + a.file("one.crt") + "&key_file=" + a.file("one.key")})
		if err != nil || o.tls.GetClientCertificate == nil {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}
