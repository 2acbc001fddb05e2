package redisconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"syscall"

	"issuance/internal/tlstext"
)

// tlsFiles reads the parameters that name files: ca_file for a private authority, cert_file and
// key_file for a certificate of our own, which a Redis with tls-auth-clients asks for.
func (o *Options) tlsFiles(q url.Values) error {
	ca, cert, key := take(q, "ca_file"), take(q, "cert_file"), take(q, "key_file")
	switch {
	case ca == "" && cert == "" && key == "":
		return nil
	case o.tls == nil:
		return errors.New("ca_file, cert_file and key_file need TLS: write rediss instead of redis")
	case (cert == "") != (key == ""):
		return errors.New("cert_file and key_file belong together: give both or none")
	}
	if ca != "" {
		pool, err := authorities(ca)
		if err != nil {
			return err
		}
		o.tls.RootCAs = pool
	}
	if cert != "" {
		return o.ownCertificate(cert, key)
	}
	return nil
}

func authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// ownCertificate reads both files now, to find mistakes, and again at every handshake, so that a
// renewed certificate is used without a restart.
func (o *Options) ownCertificate(cert, key string) error {
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("cert_file %s and key_file %s: %w", cert, key, err)
		}
		return &pair, nil
	}
	if _, err := load(); err != nil {
		return err
	}
	o.tls.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return nil
}

const wantsCertificate = "it wants a certificate of its clients: give cert_file and key_file"

// tlsAdvice says what to do about a handshake that failed, "" where nothing better is known than the error.
func (o Options) tlsAdvice(err error) string {
	text := err.Error()
	switch {
	case o.tls == nil && strings.Contains(text, "EOF"), o.tls == nil && strings.Contains(text, "connection reset"):
		return "it may speak TLS only: write rediss instead of redis"
	case o.tls == nil:
		return ""
	case strings.Contains(text, "tls: certificate required"), strings.Contains(text, "tls: bad certificate") && o.tls.GetClientCertificate == nil:
		return wantsCertificate
	case o.tls.GetClientCertificate == nil && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)): // before its reason was read
		return "unless the network is broken, " + wantsCertificate
	case strings.Contains(text, "does not look like a TLS handshake"):
		return "it answers without TLS there: check the port, or write redis instead of rediss"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "give the authority of its certificate as ca_file"
	}
	return tlstext.NothingShared(err)
}
