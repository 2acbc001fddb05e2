package providers

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Taiwan is the providers' time zone. It has no daylight saving time, so it needs no zone database.
var Taiwan = time.FixedZone("Asia/Taipei", 8*60*60)

// Rules are what documents are checked against besides their own fields.
type Rules struct {
	// Merchant is the account that orders are issued for, when it is known. A document may leave its
	// merchant out; one that names another breaks a rule. Default "": any merchant is taken.
	Merchant string
	// Escrow allows and requires the fields of ECTicket's escrow mode. Default false.
	Escrow bool
	// Now is the moment that rules about dates are checked for. Default: time.Now().
	Now time.Time
	// Notices is where the provider is to send what becomes of tickets, for documents that do not say; the merchant's
	// id is put behind it. Default "": nothing is filled in.
	Notices string
	// WellFormed says that the caller knows the document to be well-formed JSON; it is then not
	// looked at a second time. Default false.
	WellFormed bool
}

// OrderDocument is what the product needs to know of a validated order.
type OrderDocument struct {
	ID       string // the order's number
	Merchant string // whom the document names; "" for the default account
	Tickets  int    // tickets ordered
	Calls    int    // provider calls that issuing takes when all goes well
	// Completed is the request with what Rules fill in; nil when that is nothing.
	Completed json.RawMessage
	// Canonical is the same for every spelling of the same document, as it came; fingerprints are made of it.
	Canonical []byte
	// Shape is a JSON object that describes the document without customers' data.
	Shape []byte
	// Stub is the part of the request, as a JSON object in the provider's own field names and without
	// customers' data, that is enough to look the order up and to refund it by its number: a valid
	// Order.Request for every call but Issue. It outlives the document, so it has at most MaxStub
	// bytes.
	Stub []byte
}

// MaxStub bounds OrderDocument.Stub, in bytes.
const MaxStub = 256

// RefundDocument is what the product needs to know of a validated refund.
type RefundDocument struct {
	OrderID   string
	Merchant  string // whom the document names; "" for the default account
	Wish      TicketWish
	Operator  string // who refunds; "" for the order's
	StoreID   string // "" for the order's
	Canonical []byte // as in OrderDocument
	Shape     []byte
	// Outside is the order as far as the refund's document describes it, for an order that was issued
	// elsewhere; nil where Lacks says what it would need.
	Outside *Order
	Lacks   string
}

// TicketWish is which tickets a refund asks for: named ones, a number, or all.
type TicketWish struct {
	TicketNo []string
	Quantity int
	All      bool
}

// Template is a CSV file for a bulk to start from: a header and an example.
type Template struct {
	Name    string
	Meaning string
	// Columns are title and example of each column. The examples Soon and Later stand for dates.
	Columns [][2]string
}

// Examples of dates in a template, written yyyymmdd when it is printed.
const (
	Soon  = "(soon)"  // a day in two months
	Later = "(later)" // a day in a year
)

// Columns say how a bulk file's columns become a request of this provider.
type Columns struct {
	// Scalars are the fields of the order that have a column each, in the order they are listed.
	Scalars []string
	// Items are the fields of an item; their columns end in the item's number, such as ItemNo1.
	Items []string
	// ItemsField is the field of the request that holds the array of items; "" without Items.
	ItemsField string
	// Numbers are those of both whose cells are numbers in the request.
	Numbers []string
	// Days are those of both that are days, written yyyymmdd in the request.
	Days []string
	// IDs are the scalars that hold the order's number, one of which each order has.
	IDs []string
	// Merchant is the scalar that names the merchant; "" where documents name none.
	Merchant string
}

// ReviewFacts are what is known of a record that needs review; see Codec.Check.
type ReviewFacts struct {
	Account  Account
	OrderID  string
	RefundID string // "" for an order
	Planned  int    // refunds: tickets to refund, 0 when that is not known
	Baseline int    // refunds by number: the order's refunded tickets before; negative when not known
	// Others are the order's other refunds whose tickets may be counted as this one's, each in a few words.
	Others []string
	// Late is how long after its last sending a request may still take effect, as text.
	Late string
	// Language of the answer: Chinese, or "" for English, which is also the answer where there is no other.
	Language string
}

// Chinese is the Language of Traditional Chinese as it is written in Taiwan.
const Chinese = "zh-Hant"

// Codec is what the product has to know of one provider's documents; calls are the Provider's. Every
// function is required and safe for concurrent use. A provider is added by registering its codec, see
// docs/adding-a-provider.md.
type Codec struct {
	Name  Name
	Title string // as people write it, such as "ECPay ECTicket"
	// DefaultMerchant names the default account where neither documents nor configuration do;
	// "" where the provider has merchant ids of its own (ECTicket).
	DefaultMerchant string
	// ParseOrder validates a request completely. Paths of violations begin with path. The error lists
	// every violation, and the document is nil then.
	ParseOrder func(path string, request json.RawMessage, r Rules) (*OrderDocument, *InvalidError)
	// ParseRefund is ParseOrder for the request of a refund.
	ParseRefund func(path string, request json.RawMessage, r Rules) (*RefundDocument, *InvalidError)
	// Canonical is OrderDocument.Canonical of a request that was validated before; rules that change
	// with time are not applied.
	Canonical func(request json.RawMessage) ([]byte, error)
	// OtherOrder names the field, "" if there is none, by which a refund's request means another order
	// than o, which is recorded under the same number.
	OtherOrder func(refund json.RawMessage, o Order) string
	// RefundedBy says who refunds, by the refund's request and that of its order (or its stub); both may
	// be "" where the provider does not ask.
	RefundedBy func(refund, order json.RawMessage) (operator, storeID string)
	// ShapeOf is OrderDocument.Shape by the stub, where that shows it all, so that it need not be stored beside it. May be nil.
	ShapeOf func(stub json.RawMessage) []byte
	// Tickets is how many tickets a request, or a stub, orders; 0 when it does not say.
	Tickets func(request json.RawMessage) int
	// Calls is OrderDocument.Calls of a request, or a stub, which need not be valid; at least 1.
	Calls func(request json.RawMessage) int
	// NumberField is the one of Columns.IDs in which an order's number belongs, by what the rest of its request shows, which
	// need not be valid. Nil where there is one alone.
	NumberField func(request json.RawMessage) string
	// Mentions are fields by which a request of this provider is recognised when a person forgot to
	// name the provider.
	Mentions []string
	// StoredNames are fields whose names are stored as one byte each, so that waiting documents take less
	// of Redis; may be empty. Their places are part of what is stored: only append, at most MaxStoredNames.
	StoredNames []string
	// Columns and Templates serve bulk files.
	Columns   Columns
	Templates []Template
	// EscrowColumns are added to templates in escrow mode; may be empty.
	EscrowColumns [][2]string
	// Probe is an order that does not exist at the provider, to look up when nothing but an answer is wanted.
	Probe func() Order
	// Check says how a person finds out the truth about a record that needs review, and what follows
	// from it.
	Check func(ReviewFacts) string
	// RulesInChinese are the rules of its documents, and what the shapes of violations say beyond package doccheck, in
	// Traditional Chinese (see Chinese), by their English texts; each %s of a text stands for what differs, and comes in the
	// same order in both. The operators' pages show them; a rule without one is shown in English. May be empty.
	RulesInChinese map[string]string
	// AnswersInChinese is the same for what the provider's client says of answers that are no proper ones. May be empty.
	AnswersInChinese map[string]string
	// Time reads a time in the provider's own text.
	Time func(text string) (time.Time, bool)
}

// MaxStoredNames bounds Codec.StoredNames: each is stored as a control character that JSON never contains.
const MaxStoredNames = 27

// missing lists what an entry lacks.
func (c Codec) missing() []string {
	var out []string
	lacks := func(name string, absent bool) {
		if absent {
			out = append(out, name)
		}
	}
	lacks("Name", c.Name == "" || !ValidMerchant(string(c.Name)))
	lacks("Title", c.Title == "")
	lacks("ParseOrder", c.ParseOrder == nil)
	lacks("ParseRefund", c.ParseRefund == nil)
	lacks("Canonical", c.Canonical == nil)
	lacks("OtherOrder", c.OtherOrder == nil)
	lacks("RefundedBy", c.RefundedBy == nil)
	lacks("Tickets", c.Tickets == nil)
	lacks("Calls", c.Calls == nil)
	lacks("Mentions", len(c.Mentions) == 0)
	lacks("Columns.IDs", len(c.Columns.IDs) == 0)
	lacks("NumberField", len(c.Columns.IDs) > 1 && c.NumberField == nil)
	lacks("Columns.ItemsField", len(c.Columns.Items) > 0 && c.Columns.ItemsField == "")
	lacks("distinct StoredNames", len(c.StoredNames) > MaxStoredNames || slices.Contains(c.StoredNames, "") ||
		len(slices.Compact(slices.Sorted(slices.Values(c.StoredNames)))) < len(c.StoredNames))
	lacks("Templates", len(c.Templates) == 0)
	lacks("Probe", c.Probe == nil)
	lacks("Check", c.Check == nil)
	lacks("Time", c.Time == nil)
	return out
}

// registry holds the codecs in the order in which they were registered. It is filled by package
// initialisation and only read afterwards.
var registry []Codec

// Register adds a provider's codec. It panics when the entry lacks something or the name is taken, so
// that an incomplete provider is noticed when the program starts. Call it from an init function.
func Register(c Codec) {
	if m := c.missing(); len(m) > 0 {
		panic(fmt.Sprintf("providers: the codec of %q lacks %v", c.Name, m))
	}
	if c.Name.Known() {
		panic(fmt.Sprintf("providers: %q is registered twice", c.Name))
	}
	registry = append(registry, c)
}

// CodecOf finds a provider's codec.
func CodecOf(n Name) (Codec, bool) {
	i := slices.IndexFunc(registry, func(c Codec) bool { return c.Name == n })
	if i < 0 {
		return Codec{}, false
	}
	return registry[i], true
}

// Codecs lists every registered codec, in the order in which they were registered.
func Codecs() []Codec { return slices.Clone(registry) }

// All lists the registered providers in the order in which they are shown.
func All() []Name {
	names := make([]Name, len(registry))
	for i, c := range registry {
		names[i] = c.Name
	}
	return names
}

// Known reports whether n is a registered provider.
func (n Name) Known() bool {
	return slices.ContainsFunc(registry, func(c Codec) bool { return c.Name == n })
}
