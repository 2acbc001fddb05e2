package ledger

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"time"

	"issuance/providers"
)

// ErrCursor says that a list or a search cannot go on from a cursor: it is none of this Redis.
var ErrCursor = errors.New("ledger: no cursor of a search")

// The parts of a list, in the order in which they are read.
const (
	partOpen   = "open"
	partReview = "review"
	partEnded  = "ended"
)

// Cursor is where a list goes on. The zero Cursor is its beginning, and, as the one of a next page, its end. It names records
// by their ids, never by how many were before them, so that what comes and goes meanwhile does not matter.
type Cursor struct {
	Part    string            `json:"p,omitempty"`
	Account providers.Account `json:"a,omitzero"`
	// Of open records: where ZSCAN goes on, and what its last step gave beyond a full page; or, of a small set, the last
	// member that was listed.
	Scan  uint64   `json:"s,omitempty"`
	Left  []string `json:"l,omitempty"`
	After string   `json:"n,omitempty"`
	// Of records in review: since when (ms) the last one that was listed, After, is.
	Since int64 `json:"t,omitempty"`
	// Of ended ones: the stream id of the last event that was looked at.
	Before string `json:"e,omitempty"`
}

// IsZero reports whether it is the beginning, or the end.
func (c Cursor) IsZero() bool { return c.Part == "" }

// EndedBefore reports whether all that comes after it has ended before a moment.
func (c Cursor) EndedBefore(t time.Time) bool {
	return c.Part == partEnded && c.Before != "" && EventTime(c.Before).Before(t)
}

// String is the cursor as text, "" for the zero Cursor. It is safe in a URL.
func (c Cursor) String() string {
	if c.IsZero() {
		return ""
	}
	text, _ := json.Marshal(c) // strings and numbers
	return base64.RawURLEncoding.EncodeToString(text)
}

// ParseCursor reads what String writes, or answers ErrCursor.
func ParseCursor(s string) (c Cursor, err error) {
	if s == "" {
		return c, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || json.Unmarshal(text, &c) != nil {
		return Cursor{}, ErrCursor
	}
	known := slices.Contains(parts, c.Part)
	if !known || c.Before != "" && !streamID.MatchString(c.Before) {
		return Cursor{}, ErrCursor
	}
	return c, nil
}

var streamID = regexp.MustCompile(`^[0-9]{1,20}-[0-9]{1,20}$`)
