package wire

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// Accepted is the TransCode of an envelope that was taken, and the RtnCode of a call that
// succeeded (ECTicket, Response).
const Accepted = 1

// Request is the body of every call to ECTicket (ECTicket, Request).
type Request struct {
	// PlatformID is a platform merchant's own MerchantID; empty for general merchants.
	PlatformID    string `json:"PlatformID"`
	MerchantID    string `json:"MerchantID"`
	RqHeader      Header `json:"RqHeader"`
	Data          string `json:"Data"`
	CheckMacValue string `json:"CheckMacValue"`
}

// Response is the body of every answer of ECTicket (ECTicket, Response). Data and CheckMacValue
// may be empty unless TransCode is Accepted.
type Response struct {
	PlatformID    string `json:"PlatformID"`
	MerchantID    string `json:"MerchantID"`
	RpHeader      Header `json:"RpHeader"`
	TransCode     Int    `json:"TransCode"`
	TransMsg      string `json:"TransMsg"`
	Data          string `json:"Data"`
	CheckMacValue string `json:"CheckMacValue"`
}

// Header is RqHeader of a request and RpHeader of a response.
type Header struct {
	// Timestamp is Unix time in seconds. ECTicket refuses a request it receives more than ten
	// minutes later.
	Timestamp Int64 `json:"Timestamp"`
}

// Int is an int that is read from 1 as well as from "1", 1.0 and "1.00", and written as a number. An empty
// string and null are read as 0.
type Int int

// UnmarshalJSON implements json.Unmarshaler.
func (n *Int) UnmarshalJSON(b []byte) error {
	v, err := number(b, strconv.IntSize)
	if err == nil {
		*n = Int(v)
	}
	return err
}

// Int64 is Int for 64-bit values.
type Int64 int64

// UnmarshalJSON implements json.Unmarshaler.
func (n *Int64) UnmarshalJSON(b []byte) error {
	v, err := number(b, 64)
	if err == nil {
		*n = Int64(v)
	}
	return err
}

var (
	errNumber   = errors.New("wire: want a whole number, or a string that holds one")
	errEnvelope = errors.New("wire: not a JSON object")
)

func number(b []byte, bits int) (int64, error) {
	b = bytes.TrimSpace(b)
	if bytes.Equal(b, []byte("null")) {
		return 0, nil
	}
	if len(b) >= 2 && b[0] == '"' && b[len(b)-1] == '"' {
		b = bytes.TrimSpace(b[1 : len(b)-1])
		if len(b) == 0 {
			return 0, nil
		}
	}
	if v, err := strconv.ParseInt(Whole(string(b)), 10, bits); err == nil {
		return v, nil
	}
	return 0, errNumber // the value stays out of the text
}

// Whole is a number as it is written, without a fraction of zero: some languages have one kind of number only, and write 1.0.
// Every number of an answer is read by it.
func Whole(number string) string {
	if n, zeros, ok := strings.Cut(number, "."); ok && zeros != "" && strings.Trim(zeros, "0") == "" {
		return n
	}
	return number
}
