package frontdoor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"issuance/internal/livefile"
)

// Certificate is a certificate and its key as files, read again when they change. Safe for concurrent use.
type Certificate struct {
	file *livefile.File[*tls.Certificate]
}

// ReadCertificate reads both files, in PEM.
func ReadCertificate(cert, key string, log *slog.Logger) (*Certificate, error) {
	f, err := livefile.Open(livefile.Config[*tls.Certificate]{Path: cert, Name: "certificate", Kept: "the certificate and the key read before", Log: log,
		Parse: func(raw []byte, read func(string) ([]byte, error)) (*tls.Certificate, error) {
			return readPair(raw, key, read)
		},
		Changed: func(c *tls.Certificate) {
			log.Info("certificate read", "subject", c.Leaf.Subject.String(), "not_after", c.Leaf.NotAfter.UTC().Format(time.RFC3339))
		}})
	if err != nil {
		return nil, err
	}
	return &Certificate{f}, nil
}

// readPair is a certificate with its key, which stands in a file of its own.
func readPair(cert []byte, keyFile string, read func(string) ([]byte, error)) (*tls.Certificate, error) {
	key, err := read(keyFile)
	if err != nil {
		return nil, fmt.Errorf("certificate: its key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	switch {
	case err != nil:
		return nil, fmt.Errorf("certificate: %w", err)
	case pair.Leaf == nil:
		return nil, errors.New("certificate: it cannot be read") // a setting of GODEBUG leaves it out
	}
	return &pair, nil
}

// follow has the files read again when they change although nobody connects, until the context ends.
func (c *Certificate) follow(ctx context.Context) { follow(ctx, func() { c.file.Current() }) }

// follow looks at a file regularly, until the context ends: what is wrong with it is reported within seconds.
func follow(ctx context.Context, look func()) {
	tick := time.NewTicker(livefile.Reread)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			look()
		case <-ctx.Done():
			return
		}
	}
}

// TLS is how a connection is encrypted; nil without a certificate. Files that cannot be used change nothing.
func (c *Certificate) TLS() *tls.Config {
	if c == nil {
		return nil
	}
	get := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.file.Current(), nil }
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: get, NextProtos: []string{"h2", "http/1.1"}}
}
