package ecticketsim

import (
	"fmt"
	"testing"
)

func batch(page int, status, rest string) string {
	return fmt.Sprintf(`{"MerchantID":"2000132","PageNum":%d,"ItemStatus":"%s"%s}`, page, status, rest)
}

func TestCatalogueHasPagesOf20(t *testing.T) {
	r := start(t, Config{})
	seen := map[string]bool{}
	for page, count := range []int{20, 20, 15} {
		got := r.must(1, OpBatchQueryItemInfo, batch(page+1, "2", ""))
		list := got["ItemInfoList"].([]any)
		if got["TotalCount"] != 55.0 || len(list) != count || got["MerchantID"] != "2000132" || got["RtnMsg"] != "成功" {
			t.Errorf("page %d: %d of %v items", page+1, len(list), got["TotalCount"])
		}
		for _, it := range list {
			seen[it.(map[string]any)["ItemNo"].(string)] = true
		}
	}
	for _, no := range []string{
		"VQT04959", "VNS21400", "BR103218", "CK851236", "VTMT5062", "VTMT5081", "CHF80957",
		"XA210005", "XA210006", "XA210007", "XA210008", "XA210009", "XA210010", "GFT00001", "GFT00002",
	} {
		if !seen[no] {
			t.Errorf("%s is not in the catalogue", no)
		}
	}
	if len(seen) != 55 {
		t.Errorf("%d different items, want 55", len(seen))
	}
	r.must(RtnNoData, OpBatchQueryItemInfo, batch(4, "2", ""))
	r.must(RtnNoData, OpBatchQueryItemInfo, batch(9_000_000_000_000_000_000, "2", ""))
}

func TestCatalogueFilters(t *testing.T) {
	r := start(t, Config{})
	const six = `,"ItemList":[{"ItemNo":"XA210005"},{"ItemNo":"XA210006"},{"ItemNo":"XA210007"},{"ItemNo":"XA210008"},{"ItemNo":"XA210009"},{"ItemNo":"XA210010"}]`
	for _, c := range []struct {
		status, rest string
		want         float64
	}{
		{"0", "", 1}, {"1", "", 54}, {"2", "", 55}, {"0", six, 1}, {"1", six, 5}, {"2", six, 6}, {"2", `,"ItemList":[]`, 55},
	} {
		if got := r.must(1, OpBatchQueryItemInfo, batch(1, c.status, c.rest)); got["TotalCount"] != c.want {
			t.Errorf("ItemStatus %s %s: %v items, want %v", c.status, c.rest, got["TotalCount"], c.want)
		}
	}
	r.must(RtnNoData, OpBatchQueryItemInfo, batch(2, "2", six)) // the documents' example of a request
	r.must(RtnNoData, OpBatchQueryItemInfo, batch(1, "2", `,"ItemList":[{"ItemNo":"NOTHERE1"}]`))
	r.must(RtnField, OpBatchQueryItemInfo, batch(0, "2", ""))
	r.must(RtnField, OpBatchQueryItemInfo, batch(1, "3", ""))
	r.must(RtnField, OpBatchQueryItemInfo, `{"MerchantID":"2000132","PageNum":1}`)
	r.must(RtnField, OpBatchQueryItemInfo, `{"MerchantID":"2000132","PageNum":"one","ItemStatus":"2"}`)
}

func TestItemIsAnsweredAsDocumented(t *testing.T) {
	r := start(t, Config{})
	got := r.must(1, OpBatchQueryItemInfo, batch(1, "2", `,"ItemList":[{"ItemNo":"VTMT5062"}]`))
	it := got["ItemInfoList"].([]any)[0].(map[string]any)
	for field, want := range map[string]any{
		"ItemNo": "VTMT5062", "ItemName": "五星級飯店假日晚餐券", "TicketType": "1", "ItemAmount": 1200.0, "ItemStatus": "1", "ModifyDate": "20220801 15:30",
	} {
		if it[field] != want {
			t.Errorf("%s is %v, want %v", field, it[field], want)
		}
	}
	if n := len(it["InstructionsList"].([]any)); n != 6 {
		t.Errorf("%d instructions, want 6", n)
	}
}

func TestQueryItemInfo(t *testing.T) {
	r := start(t, Config{})
	got := r.must(1, OpQueryItemInfo, `{"MerchantID":"2000132","ItemNo":"CHF80957"}`)
	if got["ItemNo"] != "CHF80957" || got["TicketType"] != "1" || got["MerchantID"] != "2000132" {
		t.Errorf("got %v", got)
	}
	r.must(RtnNoData, OpQueryItemInfo, `{"MerchantID":"2000132","ItemNo":"NOTHERE1"}`)
	r.must(RtnField, OpQueryItemInfo, `{"MerchantID":"2000132"}`)
}

func TestItemsCanBeListedAndDelisted(t *testing.T) {
	r := start(t, Config{Items: []Item{}})
	order := `{"MerchantID":"2000132","MerchantTradeNo":"N1","IssueType":"1","Operator":"A","CustomerEmail":"a@b.tw","TicketInfo":[{"ItemNo":"NEW00001","TicketAmount":1}]}`
	it := Item{ItemNo: "NEW00001", ItemName: "新商品券", TicketType: "1", ItemAmount: 10, ItemStatus: "0"}
	r.must(RtnNoData, OpBatchQueryItemInfo, batch(1, "2", ""))
	r.sim.PutItem(it)
	r.must(RtnItem, OpIssue, order)
	it.ItemStatus = "1"
	r.sim.PutItem(it)
	r.must(1, OpIssue, order)
}
