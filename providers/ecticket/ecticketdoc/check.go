package ecticketdoc

import (
	"fmt"

	"issuance/providers"
)

// check is providers.Codec.Check. ECTicket refunds named tickets, so a refund is settled by looking at
// them.
func check(f providers.ReviewFacts) string {
	if f.Language == providers.Chinese {
		return checkInChinese(f)
	}
	if f.RefundID == "" {
		return fmt.Sprintf("look up order %s in ECPay's vendor back office. It is there, with these items and issued: issued. "+
			"Issuing failed, or it is still not there %s after it was last sent: failed, and the order may be sold again under a new number", f.OrderID, f.Late)
	}
	return fmt.Sprintf("not before %s after it was last sent: `enqueue status %s %s --tickets` shows the tickets of this refund, "+
		"`enqueue ticket TICKETNO --account %s` whether one is refunded, since when and in whose name; what that leaves open, ECPay knows. "+
		"A ticket counts if this refund did it, not if the office or somebody else did. "+
		"All count: refunded. Some do: partially_refunded. None does: failed, and it may be refunded again under a new refund id", f.Late, f.Account, f.OrderID, f.Account)
}

func checkInChinese(f providers.ReviewFacts) string {
	if f.RefundID == "" {
		return fmt.Sprintf("請到綠界廠商後台查詢訂單 %s。查得到、品項相符且已開立：判定為「已開立」。"+
			"開立失敗，或最後一次送出 %s後仍查不到：判定為「失敗」，之後可用新的訂單編號重新販售。", f.OrderID, f.Late)
	}
	return fmt.Sprintf("請在最後一次送出 %s之後再確認：在訂單 %s 的頁面顯示票券，逐張到綠界廠商後台查詢此退款的票券是否已退、何時退、由誰退；無法判斷時請詢問綠界。"+
		"由此退款退掉的票券才算；門市、後台或其他人退掉的不算。全部算：判定為「已退款」。部分算：判定為「部分退款」。皆不算：判定為「失敗」，之後可用新的退款編號重新退款。", f.Late, f.OrderID)
}
