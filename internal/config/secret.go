package config

import (
	"fmt"
	"log/slog"
)

// Secret is a value that no print, log or encoding shows. Reveal is its only way out.
type Secret struct{ value string }

// NewSecret wraps a value.
func NewSecret(v string) Secret { return Secret{v} }

// Reveal returns the value; hand it to what needs it and nowhere else.
func (s Secret) Reveal() string { return s.value }

// Set reports whether there is a value.
func (s Secret) Set() bool { return s.value != "" }

// String says whether there is a value, not which.
func (s Secret) String() string {
	if s.Set() {
		return "[set]"
	}
	return "[not set]"
}

// Format keeps every verb from looking inside (%d and %x would).
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

func (s Secret) GoString() string             { return s.String() }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(s.String()) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the value.
func (s *Secret) UnmarshalText(b []byte) error {
	s.value = string(b)
	return nil
}
