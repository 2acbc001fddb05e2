package chaos

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket/ecticketdoc"
	"issuance/providers/pass2u/pass2udoc"
	"issuance/providers/pass2u/pass2usim"
)

// Kinds of orders.
const (
	kindStore      = "store"
	kindPaper      = "paper"
	kindElectronic = "electronic"
	kindSerial     = "serial"
	kindGift       = "gift"
	kindVoucher    = "voucher"
	kindPage       = "order" // Pass2U's pickupType
)

var ecticketKinds = []string{kindStore, kindPaper, kindElectronic, kindSerial, kindGift}

// newOrder makes order number i of a load.
func newOrder(r *rand.Rand, seed uint64, i int, m Mix) *Order {
	kinds := []string{kindStore, kindPaper, kindElectronic, kindElectronic, kindSerial, kindGift, kindVoucher, kindVoucher, kindPage, kindPage}
	if len(m.Only) > 0 {
		kinds = m.Only
	}
	o := &Order{Kind: kinds[r.IntN(len(kinds))], Fate: Issues, Lanes: lanes(r), Provider: providers.Pass2U}
	if slices.Contains(ecticketKinds, o.Kind) {
		o.Provider = providers.ECTicket
	}
	o.ID = fmt.Sprintf("CH%sN%05d", strings.ToUpper(word(seed%17576, 3)), i)
	o.Personal = personal(seed, i)
	if !m.Plain {
		o.fate(r)
		o.Cancel = wantsCancel(r, 8)
	}
	if o.Provider == providers.ECTicket {
		o.ecticket(r)
	} else {
		o.pass2u(r)
	}
	if !m.Plain && r.IntN(20) == 0 {
		// The customer's data of another order: only the fingerprints of the two differ.
		twin := *o
		twin.Personal = personal(seed, i+1_000_000)
		if twin.Provider == providers.ECTicket {
			twin.ecticket(dice(seed, "forged", o.ID))
		} else {
			twin.Fate = Issues
			twin.pass2u(dice(seed, "forged", o.ID))
		}
		if !bytes.Equal(o.Doc, twin.Doc) { // without customer data they may be the same
			o.Forged = twin.Doc
		}
	}
	return o
}

// fate decides what happens to the order besides being sold.
func (o *Order) fate(r *rand.Rand) {
	ecticket := o.Provider == providers.ECTicket
	switch x := r.IntN(100); {
	case x < 4:
		o.Fate = Refused
	case x < 8 && ecticket:
		o.Fate = Fails
	case x < 10 && ecticket:
		o.Fate = Late
	case x < 8:
		o.Fate = MaybeOne
	case x < 11:
		o.Fate = Taken
	case x < 20:
		o.Redeem = 1
	case x < 25 && ecticket:
		o.InOffice = 1
	}
}

func (o *Order) ecticket(r *rand.Rand) {
	request := map[string]any{"Operator": "Cashier1"}
	if o.Kind == kindGift {
		request["FreeTradeNo"] = o.ID
	} else {
		request["MerchantTradeNo"] = o.ID
	}
	contact := func(fields ...string) {
		for _, f := range fields {
			request[f] = o.Personal[f]
		}
	}
	item := map[string]any{}
	limit := 6
	switch o.Kind {
	case kindStore:
		request["IssueType"], item["ItemNo"] = ecticketdoc.ConvenienceStore, "VNS21400"
		contact("CustomerEmail", "CustomerPhone")
	case kindPaper:
		request["IssueType"], request["PrintType"], item["ItemNo"] = ecticketdoc.Paper, "1", "VQT04959"
		contact("CustomerName", "CustomerAddress")
	case kindElectronic, kindGift:
		request["IssueType"], request["IsImmediate"], item["ItemNo"] = ecticketdoc.Electronic, ecticketdoc.Immediate, "BR103218"
		contact("CustomerName", "CustomerPhone", "CustomerEmail")
		if o.Kind == kindGift {
			item["ItemNo"], item["ExpireDate"] = "GFT00001", day(400)
		} else if o.Redeem == 0 && r.IntN(3) == 0 {
			request["IsImmediate"], item["StartDate"] = ecticketdoc.Deferred, day(30)
		}
	case kindSerial:
		request["IssueType"], item["ItemName"], item["TicketPrice"] = ecticketdoc.SerialOnly, "展覽門票", 350
		contact("CustomerEmail")
	}
	n := 1 + r.IntN(limit)
	o.Tickets = n
	item["TicketAmount"] = n
	items := []any{item}
	if o.Kind != kindSerial && o.Kind != kindGift && r.IntN(3) == 0 { // a second line
		more := 1 + r.IntN(2)
		second := map[string]any{"ItemNo": "CK851236", "TicketAmount": more}
		if start, ok := item["StartDate"]; ok {
			second["StartDate"] = start
		}
		items, o.Tickets = append(items, second), n+more
	}
	if o.Fate == Refused {
		item["ItemNo"] = "NOSUCH99"
		if o.Kind == kindSerial { // these have no number: a branch that does not exist
			delete(item, "ItemNo")
			request["StoreID"] = "NOSUCH99"
		}
	}
	request["TicketInfo"] = items
	o.Doc = document(map[string]any{"provider": o.Provider, "request": request})
}

func (o *Order) pass2u(r *rand.Rand) {
	request := map[string]any{"productSaleId": pass2usim.DefaultCampaign, "channelOrderId": o.ID}
	o.Tickets = 1 + r.IntN(6)
	request["pickupType"] = pass2udoc.PickupVoucher
	if o.Kind == kindPage {
		request["pickupType"] = pass2udoc.PickupOrder
	}
	switch o.Fate {
	case Refused:
		request["productSaleId"] = pass2usim.ExpiredCampaign
	case MaybeOne:
		request["productSaleId"], o.Tickets = pass2usim.TinyCampaign, pass2usim.TinyStock
	}
	request["quantity"] = o.Tickets
	if r.IntN(4) > 0 {
		request["mailTo"] = o.Personal["mailTo"]
	}
	o.Doc = document(map[string]any{"provider": o.Provider, "request": request})
}

// personal makes customer data that nobody else has, so that each of them can be searched for.
func personal(seed uint64, i int) map[string]string {
	r := dice(seed, "person", fmt.Sprint(i))
	w := word(uint64(i), 4)
	return map[string]string{
		"CustomerName":    "Kanarius " + strings.ToUpper(w[:1]) + w[1:] + word(r.Uint64(), 4),
		"CustomerPhone":   fmt.Sprintf("09%08d", (uint64(i)*7919+r.Uint64N(1000)*100_003)%100_000_000),
		"CustomerEmail":   fmt.Sprintf("kanarie.%s%s@vogelhaus-kunden.example", w, word(r.Uint64(), 5)),
		"CustomerAddress": fmt.Sprintf("臺北市金絲雀路%d號之%s", 1000+i, word(r.Uint64(), 5)),
		"mailTo":          fmt.Sprintf("abholer.%s%s@vogelhaus-post.example", w, word(r.Uint64(), 5)),
	}
}

// word writes n in small letters, the last ones of it.
func word(n uint64, length int) string {
	b := make([]byte, length)
	for i := length - 1; i >= 0; i-- {
		b[i] = 'a' + byte(n%26)
		n /= 26
	}
	return string(b)
}

// day is a date that many days from now, as ECTicket writes it.
func day(n int) string {
	return time.Now().In(ecticketdoc.Taiwan).AddDate(0, 0, n).Format("20060102")
}
