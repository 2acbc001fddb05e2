package httpcall

import (
	"crypto/tls"
	"errors"
	"io"
	"syscall"

	"issuance/internal/tlstext"
)

// handshakeFailed explains why no TLS connection came about. A connection that broke is no fault of
// TLS and may work the next time; everything else needs somebody to change something.
func handshakeFailed(err error) *Error {
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &Error{Code: CodeConnect, text: "the connection broke during the TLS handshake"}
	case errors.As(err, &record):
		return &Error{Code: CodeTLS, text: "no TLS connection: the host answers without TLS"}
	}
	if text := tlstext.NothingShared(err); text != "" {
		return &Error{Code: CodeTLS, text: "no TLS connection: " + text}
	}
	return &Error{Code: CodeTLS, text: "no TLS connection" + cause(err)}
}
