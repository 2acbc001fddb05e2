package ecticketsim

import (
	"encoding/json"

	"issuance/providers/ecticket/wire"
)

// itemsPerPage is the size of one page of BatchQueryItemInfo.
const itemsPerPage = 20

func (s *Sim) batchQueryItemInfo(in inbound) any {
	var q struct {
		PageNum    wire.Int
		ItemStatus string
		ItemList   []struct{ ItemNo string }
	}
	if err := json.Unmarshal(in.plain, &q); err != nil {
		return refuse(RtnField, "a field is of the wrong type")
	}
	if q.PageNum < 1 {
		return refuse(RtnField, "PageNum is required and starts with 1")
	}
	if q.ItemStatus != delisted && q.ItemStatus != listed && q.ItemStatus != "2" {
		return refuse(RtnField, "ItemStatus must be 0, 1 or 2")
	}
	wanted := map[string]bool{}
	for _, it := range q.ItemList {
		wanted[it.ItemNo] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []Item{}
	for _, it := range s.catalogue.items {
		if (q.ItemStatus == "2" || q.ItemStatus == it.ItemStatus) && (len(wanted) == 0 || wanted[it.ItemNo]) {
			found = append(found, it)
		}
	}
	from, to, ok := pageBounds(int(q.PageNum), itemsPerPage, len(found))
	if !ok {
		return refuse(RtnNoData, "查無資料")
	}
	return struct {
		reply
		MerchantID   string
		TotalCount   int
		ItemInfoList []Item
	}{success("成功"), in.request.MerchantID, len(found), found[from:to]}
}

func (s *Sim) queryItemInfo(in inbound) any {
	var q struct{ ItemNo string }
	if err := json.Unmarshal(in.plain, &q); err != nil || q.ItemNo == "" {
		return refuse(RtnField, "ItemNo is required")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	it, ok := s.catalogue.get(q.ItemNo)
	if !ok {
		return refuse(RtnNoData, "查無資料")
	}
	return struct {
		reply
		MerchantID string
		Item
	}{success("成功"), in.request.MerchantID, it}
}
