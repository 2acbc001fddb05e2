package ecticket

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"issuance/providers/ecticket/wire"
)

// figure is a number by which nothing is decided. The documents do not say how the amounts are written,
// and one that is written otherwise must not make an authentic answer unreadable: it counts as 0.
type figure int

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (f *figure) UnmarshalJSON(b []byte) error {
	var n wire.Int
	if err := json.Unmarshal(b, &n); err == nil {
		*f = figure(n)
		return nil
	}
	*f = 0
	if x, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64); err == nil && x == math.Trunc(x) && math.Abs(x) < 1<<31 {
		*f = figure(x) // "12.00"
	}
	return nil
}

// instructions are texts for people. The documents call them an array, a string that holds one, and
// show an array; anything else is none.
type instructions []struct{ IssueType, Description text }

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (l *instructions) UnmarshalJSON(b []byte) error {
	var inner string
	if json.Unmarshal(b, &inner) == nil {
		b = []byte(inner)
	}
	var list []struct{ IssueType, Description text }
	if err := json.Unmarshal(b, &list); err != nil {
		list = nil
	}
	*l = list
	return nil
}
