package ecticketsim

import "fmt"

// Item is one product of the catalogue (BatchQueryItemInfo).
type Item struct {
	ItemNo           string        `json:"ItemNo"`
	ItemName         string        `json:"ItemName"`
	TicketType       string        `json:"TicketType"` // "1" pickup voucher, "2" gift voucher
	ItemAmount       int           `json:"ItemAmount"` // face value, New Taiwan dollars
	ItemStatus       string        `json:"ItemStatus"` // "0" delisted, "1" listed
	ModifyDate       string        `json:"ModifyDate"` // yyyymmdd hh:mm, Taiwan time
	InstructionsList []Instruction `json:"InstructionsList"`
}

// Instruction is one line of how to use a ticket of one issue type.
type Instruction struct {
	IssueType   string `json:"IssueType"` // "1" convenience store, "2" paper, "3" electronic
	Description string `json:"Description"`
}

const (
	delisted = "0"
	listed   = "1"
)

// catalogue is guarded by Sim.mu.
type catalogue struct {
	items []Item
	at    map[string]int // ItemNo → place in items
}

func newCatalogue(items []Item) catalogue {
	c := catalogue{at: map[string]int{}}
	for _, it := range items {
		c.put(it)
	}
	return c
}

func (c *catalogue) put(it Item) {
	if i, ok := c.at[it.ItemNo]; ok {
		c.items[i] = it
		return
	}
	c.at[it.ItemNo] = len(c.items)
	c.items = append(c.items, it)
}

func (c *catalogue) get(itemNo string) (Item, bool) {
	i, ok := c.at[itemNo]
	if !ok {
		return Item{}, false
	}
	return c.items[i], true
}

// PutItem adds an item to the catalogue, or replaces the one of its ItemNo. Orders received
// before keep what they were received with.
func (s *Sim) PutItem(it Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catalogue.put(it)
}

// instructions are those of the given issue type.
func (it Item) instructions(issueType string) (texts []string) {
	for _, in := range it.InstructionsList {
		if in.IssueType == issueType {
			texts = append(texts, in.Description)
		}
	}
	return texts
}

// DefaultItems are 55 items: those of the documents' examples (XA210010 is delisted), two
// invented gift vouchers, GFT00001 and GFT00002, and invented ones to fill three pages.
func DefaultItems() []Item {
	items := []Item{
		item("VQT04959", "百貨公司商品券", pickupVoucher, 200),
		item("VNS21400", "連鎖咖啡飲品券", pickupVoucher, 150),
		item("BR103218", "牛肉麵套餐券", pickupVoucher, 180),
		item("CK851236", "手工蛋糕提貨券", pickupVoucher, 650),
		item("VTMT5062", "五星級飯店假日晚餐券", pickupVoucher, 1200),
		item("VTMT5081", "五星級飯店假日晚餐券", pickupVoucher, 1200),
		item("CHF80957", "主廚料理套餐券", pickupVoucher, 880),
	}
	items[4].InstructionsList = instructions(2) // as in the documents' example
	for n := 5; n <= 10; n++ {
		items = append(items, item(fmt.Sprintf("XA2100%02d", n), fmt.Sprintf("展覽門票(第%d期)", n), pickupVoucher, 350))
	}
	items[len(items)-1].ItemStatus = delisted
	items = append(items, item("GFT00001", "咖啡贈品券", giftVoucher, 0), item("GFT00002", "甜點贈品券", giftVoucher, 0))
	for n := 1; len(items) < 55; n++ {
		items = append(items, item(fmt.Sprintf("DEMO%04d", n), fmt.Sprintf("示範商品券%d號", n), pickupVoucher, 100*n))
	}
	return items
}

func item(no, name, ticketType string, amount int) Item {
	return Item{
		ItemNo: no, ItemName: name, TicketType: ticketType, ItemAmount: amount,
		ItemStatus: listed, ModifyDate: "20220801 15:30", InstructionsList: instructions(1),
	}
}

// instructions are n lines for each issue type that has a catalogue item.
func instructions(n int) (list []Instruction) {
	for _, kind := range []struct{ issueType, name string }{{"1", "超商"}, {"2", "紙本"}, {"3", "電子"}} {
		for i := 1; i <= n; i++ {
			list = append(list, Instruction{kind.issueType, fmt.Sprintf("%s票券使用說明%d", kind.name, i)})
		}
	}
	return list
}
