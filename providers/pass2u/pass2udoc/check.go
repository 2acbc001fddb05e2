package pass2udoc

import (
	"fmt"
	"strings"

	"issuance/providers"
)

// check is providers.Codec.Check. Pass2U picks the tickets of a refund itself, so a refund is settled
// by counting.
func check(f providers.ReviewFacts) string {
	if f.Language == providers.Chinese {
		return checkInChinese(f)
	}
	if f.RefundID == "" {
		return fmt.Sprintf("look up channelOrderId %s at Pass2U. It is there, with this quantity: issued. "+
			"It is still not there %s after it was last sent: failed, and the order may be sold again under a new number", f.OrderID, f.Late)
	}
	before := "how many were refunded before it could not be seen"
	if f.Baseline >= 0 {
		before = fmt.Sprintf("%d were refunded before it", f.Baseline)
	}
	others := ""
	if len(f.Others) > 0 {
		others = ", or by the order's other refunds since: " + strings.Join(f.Others, ", ") + "; settle those in review together with this one"
	}
	planned := "As many as were asked for"
	if f.Planned > 0 {
		planned = fmt.Sprint(f.Planned)
	}
	return fmt.Sprintf("not before %s after it was last sent, count the refunded tickets of channelOrderId %s at Pass2U; %s. "+
		"Leave out those refunded by somebody at Pass2U itself%s. %s more: refunded. Fewer more: partially_refunded. "+
		"No more: failed, and it may be refunded again under a new refund id", f.Late, f.OrderID, before, others, planned)
}

func checkInChinese(f providers.ReviewFacts) string {
	if f.RefundID == "" {
		return fmt.Sprintf("請到 Pass2U 查詢 channelOrderId %s。查得到且數量相符：判定為「已開立」。"+
			"最後一次送出 %s後仍查不到：判定為「失敗」，之後可用新的訂單編號重新販售。", f.OrderID, f.Late)
	}
	before, planned, others := "此退款之前已退幾張無從得知", "申請張數", ""
	if f.Baseline >= 0 {
		before = fmt.Sprintf("此退款之前已退 %d 張", f.Baseline)
	}
	if f.Planned > 0 {
		planned = fmt.Sprintf(" %d 張", f.Planned)
	}
	if len(f.Others) > 0 {
		others = "，以及同訂單之後的其他退款：" + strings.Join(f.Others, "、") + "（其中待人工確認者請一併處理）"
	}
	return fmt.Sprintf("請在最後一次送出 %s之後，到 Pass2U 計算 channelOrderId %s 已退的票券張數；%s。"+
		"扣除他人直接在 Pass2U 退的票券%s。多退了%s：判定為「已退款」。多退的張數較少：判定為「部分退款」。"+
		"沒有增加：判定為「失敗」，之後可用新的退款編號重新退款。", f.Late, f.OrderID, before, others, planned)
}
