package ecticketsim

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The rules here are written from "ECTicket, Issue" and from nothing else, least of all from the
// product's own parser: a rule that both sides misread the same way would never be found. What the
// document leaves open is accepted, and a field that it gives no meaning is not looked at.

// issueRequest is the Data of Issue. "" and null count as absent.
type issueRequest struct {
	MerchantTradeNo, FreeTradeNo                                string
	IssueType, PrintType, IsImmediate                           string
	RefundNotifyURL, UseStatusNotifyURL                         string
	StoreID, Operator                                           string
	CustomerName, CustomerPhone, CustomerEmail, CustomerAddress string
	PaymentProvider                                             string // escrow only
	TicketInfo                                                  []requestLine
}

type requestLine struct {
	ItemNo, ItemName      string
	TicketPrice           *int
	TicketAmount          *int
	StartDate, ExpireDate string
}

func (r *issueRequest) gift() bool { return r.FreeTradeNo != "" }

func (r *issueRequest) id() string { return r.MerchantTradeNo + r.FreeTradeNo }

// deferred reports whether the tickets start on their StartDate. Only electronic ones can: for every
// other type "the system is fixed to set it as immediate issuance".
func (r *issueRequest) deferred() bool { return r.IssueType == typeElectronic && r.IsImmediate == "2" }

// violation is the first rule that the request breaks, "" when it breaks none. today is the day of
// arrival, yyyymmdd.
func (r *issueRequest) violation(escrow bool, today string) string {
	for _, part := range []string{r.numbers(), r.kind(), r.others(escrow), r.person(), r.items(), r.dates(today)} {
		if part != "" {
			return part
		}
	}
	return ""
}

func (r *issueRequest) numbers() string {
	switch {
	case (r.MerchantTradeNo == "") == (r.FreeTradeNo == ""):
		return "give either MerchantTradeNo or FreeTradeNo"
	case !alphanumeric(r.id()):
		return "the trade number must be letters and digits"
	case len(r.MerchantTradeNo) > 25:
		return "MerchantTradeNo is String(25)"
	case len(r.FreeTradeNo) > 20:
		return "FreeTradeNo is String(20)"
	}
	return ""
}

func (r *issueRequest) kind() string {
	switch r.IssueType {
	case typeStore, typeSerial:
	case typePaper:
		if r.PrintType != "1" && r.PrintType != "2" {
			return `PrintType must be "1" or "2" when IssueType=2`
		}
	case typeElectronic:
		if r.IsImmediate != "1" && r.IsImmediate != "2" {
			return `IsImmediate must be "1" or "2" when IssueType=3`
		}
	default:
		return `IssueType must be "1", "2", "3" or "4"`
	}
	return ""
}

func (r *issueRequest) others(escrow bool) string {
	switch {
	case utf8.RuneCountInString(r.RefundNotifyURL) > 200, utf8.RuneCountInString(r.UseStatusNotifyURL) > 200:
		return "the notify URLs are String(200)"
	case r.StoreID != "" && (len(r.StoreID) < 2 || len(r.StoreID) > 20 || !alphanumeric(r.StoreID)):
		return "StoreID must be 2 to 20 half-width letters and digits"
	case r.Operator == "" || len(r.Operator) > 10 || !alphanumeric(r.Operator):
		return "Operator is required, at most 10 half-width letters and digits"
	case escrow && r.PaymentProvider != "1" && r.PaymentProvider != "2":
		return `PaymentProvider must be "1" or "2" under escrow`
	}
	return ""
}

func (r *issueRequest) person() string {
	electronic, toStore := r.IssueType == typeElectronic, r.IssueType == typeStore
	name := utf8.RuneCountInString(r.CustomerName)
	switch {
	case electronic && (r.CustomerName == "" || r.CustomerPhone == ""):
		return "CustomerName and CustomerPhone are required when IssueType=3"
	case (electronic || toStore) && r.CustomerEmail == "":
		return "CustomerEmail is required when IssueType=1 or 3"
	case name == 1 || name > 20:
		return "CustomerName must have 2 to 20 characters"
	case mixed(r.CustomerName):
		return "CustomerName must not mix Chinese and English"
	case r.CustomerPhone != "" && (len(r.CustomerPhone) != 10 || !strings.HasPrefix(r.CustomerPhone, "09") || strings.Trim(r.CustomerPhone, "0123456789") != ""):
		return "CustomerPhone must be a domestic mobile number, 09 and eight digits"
	case utf8.RuneCountInString(r.CustomerEmail) > 80:
		return "CustomerEmail is String(80)"
	case utf8.RuneCountInString(r.CustomerAddress) > 100:
		return "CustomerAddress is String(100)"
	}
	return ""
}

func mixed(name string) bool {
	chinese := strings.ContainsFunc(name, func(c rune) bool { return unicode.Is(unicode.Han, c) })
	return chinese && strings.ContainsFunc(name, func(c rune) bool { return unicode.Is(unicode.Latin, c) })
}

func (r *issueRequest) items() string {
	if len(r.TicketInfo) == 0 {
		return "TicketInfo is empty"
	}
	limit := 100
	if r.IssueType == typeStore {
		limit = 8
	}
	seen := map[string]bool{}
	for i, l := range r.TicketInfo {
		why := l.named()
		if r.IssueType != typeSerial {
			why = l.numbered(seen)
			seen[l.ItemNo] = true
		}
		switch {
		case why != "":
		case l.TicketAmount == nil || *l.TicketAmount < 1:
			why = "TicketAmount is required, at least 1"
		case *l.TicketAmount > limit:
			limit = -1
		default:
			limit -= *l.TicketAmount
		}
		switch {
		case why != "":
			return fmt.Sprintf("TicketInfo[%d]: %s", i, why)
		case limit < 0:
			return "one order has at most 8 tickets when IssueType=1, else 100"
		}
	}
	return ""
}

// numbered checks a line of a listed product.
func (l requestLine) numbered(seen map[string]bool) string {
	switch {
	case l.ItemNo == "" || len(l.ItemNo) > 8 || !alphanumeric(l.ItemNo):
		return "ItemNo is required, at most 8 letters and digits"
	case seen[l.ItemNo]:
		return "the ItemNo is in the order twice"
	}
	return ""
}

// named checks a line of a serial-number order.
func (l requestLine) named() string {
	n := utf8.RuneCountInString(l.ItemName)
	switch {
	case n < 4 || n > 20:
		return "ItemName is required, 4 to 20 characters"
	case strings.ContainsFunc(l.ItemName, func(c rune) bool {
		return !unicode.Is(unicode.Han, c) && (c > unicode.MaxASCII || !alphanumeric(string(c)) && !strings.ContainsRune("()_/,.$%-", c))
	}):
		return "ItemName may hold Chinese, English, digits and ()_/,.$%- only"
	case l.TicketPrice == nil || *l.TicketPrice < 0 || *l.TicketPrice > 999_999_999:
		return "TicketPrice is required, 0 to 999,999,999"
	}
	return ""
}

func (r *issueRequest) dates(today string) string {
	for i, l := range r.TicketInfo {
		start := today // "fixed as the date of ticket issuance"
		if r.deferred() {
			if start = l.StartDate; !isDay(start) || start <= today {
				return fmt.Sprintf("TicketInfo[%d]: StartDate must be a day after the day of issue, yyyymmdd", i)
			}
		}
		if l.ExpireDate != "" && (!isDay(l.ExpireDate) || l.ExpireDate < start) {
			return fmt.Sprintf("TicketInfo[%d]: ExpireDate must be a day not earlier than StartDate, yyyymmdd", i)
		}
	}
	return ""
}

func isDay(s string) bool {
	_, err := time.Parse(dayFormat, s)
	return err == nil && len(s) == len(dayFormat)
}
