package ecticket

import (
	"encoding/json"
	"strings"

	"issuance/providers/ecticket/wire"
)

// figure is a number by which nothing is decided. The documents do not say how the amounts are written,
// and one that is written otherwise must not make an authentic answer unreadable: it counts as 0.
type figure int

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (f *figure) UnmarshalJSON(b []byte) error {
	var n wire.Int
	_ = json.Unmarshal(b, &n) // 0 where it fails
	*f = figure(n)
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

// orderLines are what an Issue's answer repeats of the order. Anything else is none: the order is accepted whatever they are.
type orderLines []struct {
	ItemNo, ItemName          text
	TicketAmount, TicketPrice figure // here a count, and the face value
}

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (l *orderLines) UnmarshalJSON(b []byte) error {
	type lines orderLines
	if json.Unmarshal(b, (*lines)(l)) != nil {
		*l = nil
	}
	return nil
}

// ticketList is an order's tickets. What holds none may be written as anything that is empty.
type ticketList []ticketAnswer

// UnmarshalJSON implements json.Unmarshaler. It fails on a list with an entry that is no ticket.
func (l *ticketList) UnmarshalJSON(b []byte) error {
	var inner string
	if json.Unmarshal(b, &inner) == nil {
		b = []byte(inner)
	}
	*l = nil
	switch strings.Join(strings.Fields(string(b)), "") {
	case "", "null", "{}", "false", "0":
		return nil
	}
	return json.Unmarshal(b, (*[]ticketAnswer)(l))
}
