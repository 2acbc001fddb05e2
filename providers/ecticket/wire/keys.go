package wire

import (
	"crypto/aes"
	"errors"
	"fmt"
	"log/slog"
)

// Keys are the HashKey and HashIV of one ECTicket account, each used as its 16 ASCII bytes (the
// value is not hex-decoded). A request that carries a PlatformID uses the platform's keys.
//
// Printing, logging or marshalling Keys shows no key. Package fmt cannot call methods on
// unexported struct fields, so a struct that holds Keys in one must not be printed.
type Keys struct{ HashKey, HashIV string }

// Validate reports which of the two values cannot be used, without showing it.
func (k Keys) Validate() error {
	return errors.Join(checkKey("HashKey", k.HashKey), checkKey("HashIV", k.HashIV))
}

func checkKey(name, value string) error {
	if len(value) != aes.BlockSize {
		return fmt.Errorf("wire: %s must be %d ASCII characters, as shown in the vendor's back office; it has %d bytes",
			name, aes.BlockSize, len(value))
	}
	for i := range len(value) {
		if value[i] <= ' ' || value[i] > '~' {
			return fmt.Errorf("wire: %s must be %d ASCII characters, as shown in the vendor's back office; character %d is not one",
				name, aes.BlockSize, i+1)
		}
	}
	return nil
}

const redacted = "wire.Keys{REDACTED}"

// String hides the keys.
func (Keys) String() string { return redacted }

// GoString hides the keys from %#v.
func (Keys) GoString() string { return redacted }

// Format hides the keys from every verb; without it %d would print the fields.
func (Keys) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue hides the keys from slog.
func (Keys) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the keys from JSON and other encodings.
func (Keys) MarshalText() ([]byte, error) { return []byte(redacted), nil }
