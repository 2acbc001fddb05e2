package redisconn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
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
	port := freePort(t)
	for _, set := range a.tls(port) {
		if err := c.ConfigSet(t.Context(), set[0], set[1]).Err(); err != nil {
			t.Fatalf("%s: %v", set[0], err)
		}
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// tls are the settings of a server that wants certificates of its clients.
func (a *authority) tls(port string) [][2]string {
	return [][2]string{{"tls-cert-file", a.file("server.crt")}, {"tls-key-file", a.file("server.key")},
		{"tls-ca-cert-file", a.file("ca.crt")}, {"tls-port", port}}
}

func freePort(t *testing.T) string {
	t.Helper()
	free := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer free.Close()
	return strconv.Itoa(free.Addr().(*net.TCPAddr).Port)
}

// configured is a real redis-server that is started with settings and arguments.
func configured(t *testing.T, settings [][2]string, args ...string) *testredis.Server {
	t.Helper()
	var text strings.Builder
	for _, set := range settings {
		text.WriteString(set[0] + " " + set[1] + "\n")
	}
	conf := filepath.Join(t.TempDir(), "redis.conf")
	if err := os.WriteFile(conf, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return testredis.StartFile(t, conf, args...)
}

// needed wants a certificate to make the difference between a refusal and a connection that works.
func (a *authority) needed(t *testing.T, source func(parameters string) Source) {
	t.Helper()
	if c, err := Connect(t.Context(), must[Options](t)(Parse(source("")))); err == nil {
		_ = c.Close()
		t.Fatal("it works without a certificate, so nothing was tested")
	}
	put(t, source("&cert_file="+a.file("client.crt")+"&key_file="+a.file("client.key")))
}

// Sentinels and their master that want certificates get them, each.
func TestClientCertificateOfSentinels(t *testing.T) {
	a := newAuthority(t)
	a.issue(t, "server")
	a.issue(t, "client")
	master := secured(t, a)
	host, masterPort, _ := net.SplitHostPort(master)
	port := freePort(t)
	configured(t, append(a.tls(port), [2]string{"tls-replication", "yes"}, [2]string{"sentinel", "monitor mymaster " + host + " " + masterPort + " 1"}), "--sentinel")
	base := "rediss-sentinel://127.0.0.1:" + port + "/0?master=mymaster&ca_file=" + a.file("ca.crt")
	a.needed(t, func(parameters string) Source { return Source{URL: base + parameters} })
}

// The nodes of a cluster that want certificates get them, those included that the first one names.
func TestClientCertificateOfAClustersNodes(t *testing.T) {
	a := newAuthority(t)
	a.issue(t, "server")
	a.issue(t, "client")
	port := freePort(t)
	s := configured(t, append(a.tls(port), [2]string{"cluster-enabled", "yes"}, [2]string{"tls-cluster", "yes"}, [2]string{"cluster-announce-ip", "127.0.0.1"}, [2]string{"cluster-port", freePort(t)}))
	if s == nil {
		t.Skip("there is no redis-server")
	}
	if err := s.Client().Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); !strings.Contains(s.Client().ClusterInfo(t.Context()).Val(), "cluster_state:ok"); {
		if time.Now().After(end) {
			t.Fatal("the cluster does not come up")
		}
	}
	base := "rediss://127.0.0.1:" + port + "?ca_file=" + a.file("ca.crt")
	a.needed(t, func(parameters string) Source { return Source{ClusterAddrs: base + parameters} })
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
	} else if !strings.Contains(err.Error(), "it wants a certificate of its clients: give cert_file and key_file") {
		t.Errorf("the error does not name the reason: %v", err)
	} else if Mends(err) {
		t.Errorf("a certificate that is missing is waited for: %v", err)
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

// A server that breaks the connection off faster than its reason can be read most likely wants a certificate.
func TestAConnectionThatIsBrokenOffMayLackACertificate(t *testing.T) {
	a := newAuthority(t)
	a.issue(t, "server")
	pair := must[tls.Certificate](t)(tls.LoadX509KeyPair(a.file("server.crt"), a.file("server.key")))
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}}).Handshake()
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}
	}()
	o := must[Options](t)(Parse(Source{URL: "rediss://" + l.Addr().String() + "/0?ca_file=" + a.file("ca.crt")}))
	if c, err := Connect(context.Background(), o); err == nil {
		_ = c.Close()
		t.Fatal("it is connected")
	} else if !strings.Contains(err.Error(), "unless the network is broken, it wants a certificate of its clients: give cert_file and key_file") {
		t.Errorf("%v", err)
	}
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

// A handshake that fails says what is wrong and what helps.
func TestWhatTLSLacksIsSaid(t *testing.T) {
	a := newAuthority(t)
	a.issue(t, "server")
	pair := must[tls.Certificate](t)(tls.LoadX509KeyPair(a.file("server.crt"), a.file("server.key")))
	key := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	rsaPair := tls.Certificate{Certificate: [][]byte{must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key))}, PrivateKey: key}
	for name, tc := range map[string]struct {
		server *tls.Config // nil: without TLS
		url    string
		want   string
	}{
		"RSA key exchange only": {&tls.Config{Certificates: []tls.Certificate{rsaPair}, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
			"rediss://%s?ca_file=" + a.file("ca.crt"), "share no cipher suite; it has to offer ECDHE (for a host with RSA key exchange only, start with GODEBUG=tlsrsakex=1)"},
		"TLS 1.1 only":         {&tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "rediss://%s?ca_file=" + a.file("ca.crt"), "does not offer TLS 1.2 or newer"},
		"an unknown authority": {&tls.Config{Certificates: []tls.Certificate{pair}}, "rediss://%s", "give the authority of its certificate as ca_file"},
		"no TLS":               {nil, "rediss://%s", "it answers without TLS there: check the port, or write redis instead of rediss"},
		"TLS":                  {&tls.Config{Certificates: []tls.Certificate{pair}}, "redis://%s", "it may speak TLS only: write rediss instead of redis"},
	} {
		t.Run(name, func(t *testing.T) {
			l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
			if tc.server != nil {
				l = tls.NewListener(l, tc.server)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					buf := make([]byte, 1)
					if _, err := c.Read(buf); err == nil { // with TLS the handshake comes first
						_, _ = c.Write([]byte("-ERR unknown command\r\n"))
					}
					_ = c.Close()
				}
			}()
			defer func() { _ = l.Close(); <-done }()
			o := must[Options](t)(Parse(Source{URL: fmt.Sprintf(tc.url, l.Addr())}))
			c, err := Connect(t.Context(), o)
			if err == nil {
				_ = c.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v", err)
			}
			// A connection that is only broken off may meet a server that is about to start.
			if Mends(err) != (name == "TLS") {
				t.Errorf("mends: %t, %v", Mends(err), err)
			}
		})
	}
}
