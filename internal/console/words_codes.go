package console

import (
	"strings"

	"issuance/tasks/order"
)

// codeWords explain the product's codes; in English they are those of package order.
var codeWords = func() map[string]text {
	out := map[string]text{}
	for _, c := range order.Codes() {
		meaning := text{codesInChinese[c.Code], strings.ToUpper(c.Meaning[:1]) + c.Meaning[1:] + "."}
		if before, known := beforeReview[c.Code]; known {
			out["reviewed."+string(c.Code)], meaning = meaning, before
		}
		out["code."+string(c.Code)] = meaning
	}
	return out
}()

// beforeReview explains codes that say less while a record is worked on than as the reason of its review: what could not be
// found out by then is only not known yet.
var beforeReview = map[order.Code]text{
	order.CodeNumberExists: {"服務商表示已有此編號的訂單，查詢後才能確定屬於誰。", "The provider says that it has an order under this number; looking it up shows whose it is."},
	order.CodeInDoubt:      {"尚未查明請求是否生效。", "Whether a request took effect is not known yet."},
}

var codesInChinese = map[order.Code]string{
	order.CodeNumberTaken:       "服務商已有同編號的訂單，且不可能是這筆紀錄所送出。",
	order.CodeNumberExists:      "服務商以編號重複為由拒絕，查詢時卻又查不到。",
	order.CodeInDoubt:           "無法查明請求是否生效。",
	order.CodeDrawsBan:          "這筆訂單的請求會使帳號被封鎖。",
	order.CodeOverdue:           "服務商已受理，但未在期限內開立。",
	order.CodeTicketCount:       "服務商列出的票券張數與訂購不符。",
	order.CodeIssuingFailed:     "服務商表示開立失敗，未附代碼。",
	order.CodeAbsent:            "服務商曾受理訂單，現在卻查無此單。",
	order.CodeRejected:          "服務商拒絕此請求，未附代碼。",
	order.CodeRefusal:           "服務商以文件未說明的理由拒絕此訂單。",
	order.CodeInvalidDocument:   "文件不符合（或不再符合）服務商的規則。",
	order.CodeUnreadable:        "封存的文件無法開啟或讀取。",
	order.CodeUnreadablePlan:    "退款計畫無法開啟。",
	order.CodeCrashesWorker:     "多個工作程式在處理這筆紀錄時相繼中止。",
	order.CodeHeld:              "目前不能送出請求：呼叫額度、封鎖、暫停或金鑰被拒。",
	order.CodeSealKey:           "此工作程式的 ISSUANCE_SEAL_KEYS 沒有它的封存金鑰。",
	order.CodeOtherHost:         "先前的請求送往服務商的另一個主機，或使用了另一把金鑰。",
	order.CodeOrderPending:      "退款的訂單仍在開立中。",
	order.CodeOrderUnknown:      "查無此退款的訂單。",
	order.CodeOrderFailed:       "退款的訂單並未開立。",
	order.CodeOrderCancelled:    "退款的訂單在送出前已取消。",
	order.CodeOrderInReview:     "退款的訂單需先完成人工確認。",
	order.CodeOtherOrder:        "退款文件所指的訂單與紀錄中的同編號訂單不同。",
	order.CodeOtherRefund:       "同訂單的另一筆退款正在進行或結果不明。",
	order.CodeRefundsNotShown:   "服務商的清單尚未反映先前的退款。",
	order.CodeListLags:          "服務商清單的張數少於訂單的張數。",
	order.CodeListUnclear:       "服務商的票券清單不完整，或出現未知狀態。",
	order.CodeQuantityUnknown:   "服務商未提供訂單剩餘的張數。",
	order.CodeNothingRefundable: "訂單已沒有可退的票券。",
	order.CodeNotEnough:         "可退的票券少於申請的張數。",
	order.CodeUnexplained:       "已退的張數與此退款應有的結果不符。",
	order.CodeUnrecorded:        "送出此退款之前，服務商已有沒有紀錄可解釋的退票。",
	order.CodeOtherTickets:      "服務商列出的張數與退款前不同。",
	order.CodeUnprovable:        "服務商不顯示這類訂單退了哪些票券。",
	order.CodeNotOfThisOrder:    "票券不屬於此訂單。",
	order.CodeRefundedElsewhere: "票券已由他人退款。",
	order.CodeUseStatus:         "票券的狀態不在服務商文件的定義內。",
	order.CodeUnauthentic:       "回應的是另一筆訂單。",
	order.CodeUnconfirmed:       "服務商已確認退款，但回應未指明票券，仍需由清單證實。",
	order.CodeAbandoned:         "工作程式在送出與收到回應之間中止。",
}

// waitWords are what unfinished records wait for, by the texts of package tasks.
var waitWords = map[string]text{
	"wait.the worker that is working on it":                   {"正在處理它的工作程式", "The worker that is working on it"},
	"wait.a free worker":                                      {"空閒的工作程式", "A free worker"},
	"wait.a worker that serves its account":                   {"處理此帳號的工作程式", "A worker that serves its account"},
	"wait.the provider to issue it":                           {"服務商開立票券", "The provider to issue it"},
	"wait.the provider to issue its order":                    {"服務商開立它的訂單", "The provider to issue its order"},
	"wait.its order, which nobody knows yet":                  {"尚未送入的訂單", "Its order, which nobody knows yet"},
	"wait.proof of what its last request did":                 {"證實上次請求的結果", "Proof of what its last request did"},
	"wait.its next try":                                       {"下一次嘗試", "Its next try"},
	"wait.its account's calls, which are held":                {"帳號恢復呼叫", "Its account's calls, which are held"},
	"wait.its queue, which is paused":                         {"佇列恢復（目前暫停）", "Its queue, which is paused"},
	"wait.the sweeper, which brings its task back within 30s": {"清掃程序在 30 秒內找回它的工作", "The sweeper, which brings its task back within 30 s"},
	"wait.order":      {"它的訂單（%s）", "Its order (%s)"},
	"held.banned: ":   {"服務商封鎖：%s", "Banned by the provider: %s"},
	"held.paused by ": {"已由 %s 暫停：%s", "Paused by %s: %s"},
}

// eventWords are the steps of a history.
var eventWords = map[string]text{
	"event.ticket":             {"票券", "Ticket"},
	"event.queued":             {"已記錄", "Recorded"},
	"event.submitting":         {"向服務商送出請求", "Request to the provider"},
	"event.accepted":           {"服務商受理", "The provider accepted it"},
	"event.issued":             {"已開立", "Issued"},
	"event.failed":             {"失敗", "Failed"},
	"event.cancelled":          {"已取消", "Cancelled"},
	"event.review":             {"轉為人工確認", "Needs review"},
	"event.refunded":           {"已退款", "Refunded"},
	"event.partially_refunded": {"部分退款", "Partially refunded"},
	"event.planned":            {"選定票券", "Tickets chosen"},
	"event.rejected":           {"服務商拒絕，尚須查詢確認", "Rejected; has to be confirmed by a look"},
	"event.confirmed":          {"服務商確認，待清單證實", "Confirmed; its effect has still to show"},
	"event.without_effect":     {"確定先前請求未生效，重新計算", "No request had an effect; planned anew"},
	"event.reopened":           {"重試", "Retried"},
	"event.resolved":           {"人工判定", "Decided"},
	"event.abandoned":          {"工作程式中止", "A worker died"},
	"event.looked_up":          {"查詢後找到", "Found by a look-up"},
	"event.erased":             {"已刪除個資", "Customer's data erased"},
	"event.waiting":            {"等待", "Waiting"},
	"event.idle":               {"等待", "Waiting"},
	"event.unclear":            {"回應無法判讀", "Unclear answer"},
	"event.not_sent":           {"請求未送達服務商", "The request was not sent"},
	"event.unknown":            {"結果不明", "Outcome unknown"},
	"event.decision":           {"操作紀錄", "Decision"},
	"event.delivery":           {"已通知 Webhook", "Webhook delivered"},
}
