package order

// Code says in one word why a record is where it is. The codes below are the product's own; a
// provider's codes are kept in the provider's spelling and may be anything.
type Code string

// The codes of the product. Codes explains each, and docs/runbook.md says what to do.
const (
	CodeRejected          Code = "rejected"
	CodeRefusal           Code = "unexplained_refusal"
	CodeNumberExists      Code = "number_exists"
	CodeNumberTaken       Code = "number_taken"
	CodeInDoubt           Code = "in_doubt"
	CodeInvalidDocument   Code = "invalid_document"
	CodeUnreadable        Code = "unreadable_document"
	CodeUnreadablePlan    Code = "unreadable_plan"
	CodeCrashesWorker     Code = "crashes_worker"
	CodeDrawsBan          Code = "draws_ban"
	CodeOverdue           Code = "overdue"
	CodeTicketCount       Code = "ticket_count"
	CodeIssuingFailed     Code = "issuing_failed"
	CodeAbsent            Code = "absent"
	CodeHeld              Code = "held"
	CodeSealKey           Code = "seal_key"
	CodeOtherHost         Code = "other_host"
	CodeOrderFailed       Code = "order_failed"
	CodeOrderCancelled    Code = "order_cancelled"
	CodeOrderInReview     Code = "order_in_review"
	CodeOrderPending      Code = "order_not_issued_yet"
	CodeOrderUnknown      Code = "order_unknown"
	CodeOtherOrder        Code = "other_order"
	CodeOtherRefund       Code = "other_refund_in_doubt"
	CodeRefundsNotShown   Code = "refunds_not_shown"
	CodeListLags          Code = "list_lags"
	CodeListUnclear       Code = "list_unclear"
	CodeQuantityUnknown   Code = "quantity_unknown"
	CodeNothingRefundable Code = "nothing_refundable"
	CodeNotEnough         Code = "not_enough_refundable"
	CodeUnexplained       Code = "unexplained_refunds"
	CodeUnrecorded        Code = "unrecorded_refunds"
	CodeOtherTickets      Code = "other_tickets"
	CodeUnprovable        Code = "unprovable"

	// Of single tickets of a refund.
	CodeNotOfThisOrder    Code = "not_of_this_order"
	CodeRefundedElsewhere Code = "refunded_elsewhere"
	CodeUseStatus         Code = "use_status_unknown"
	CodeUnauthentic       Code = "unauthentic_answer"
	CodeAbandoned         Code = "abandoned"
	CodeUnconfirmed       Code = "unconfirmed"
)

// Codes explains the product's codes, in the order in which the runbook lists them.
func Codes() []struct {
	Code    Code
	Meaning string
} {
	return []struct {
		Code    Code
		Meaning string
	}{
		{CodeNumberTaken, "the provider has an order under this number that no request of this record can have made"},
		{CodeNumberExists, "the provider refuses the order because it has its number, and does not find it when asked"},
		{CodeInDoubt, "whether a request took effect could not be found out"},
		{CodeDrawsBan, "its own requests draw bans of the account"},
		{CodeOverdue, "the provider accepted the order and has not issued it in time"},
		{CodeTicketCount, "the provider lists another number of tickets than was ordered"},
		{CodeIssuingFailed, "the provider says that issuing failed, without a code"},
		{CodeAbsent, "the provider accepted the order and now does not know it"},
		{CodeRejected, "the provider rejected the request, without a code"},
		{CodeRefusal, "the provider refused the order in words that no document explains"},
		{CodeInvalidDocument, "the document does not keep the provider's rules (any more)"},
		{CodeUnreadable, "the sealed document cannot be opened or read"},
		{CodeUnreadablePlan, "a refund's plan cannot be opened"},
		{CodeCrashesWorker, "workers died one after the other with this record in their hands"},
		{CodeHeld, "no call may leave now: call budget, ban, pause, or refused credentials"},
		{CodeSealKey, "its seal key is not in this worker's ISSUANCE_SEAL_KEYS"},
		{CodeOtherHost, "an earlier request went to another host of the provider than this worker's, or was made with another key"},
		{CodeOrderPending, "the refund's order is still being issued"},
		{CodeOrderUnknown, "nobody knows the refund's order"},
		{CodeOrderFailed, "the refund's order was not issued"},
		{CodeOrderCancelled, "the refund's order was cancelled before it was sent"},
		{CodeOrderInReview, "the refund's order needs review first"},
		{CodeOtherOrder, "the refund's document means another order than the one recorded under its number"},
		{CodeOtherRefund, "another refund of the order is under way or in doubt: its request may still arrive, or it has chosen tickets that this one needs"},
		{CodeRefundsNotShown, "the provider's list does not show yet what earlier refunds did"},
		{CodeListLags, "the provider's list shows fewer tickets than the order has"},
		{CodeListUnclear, "the provider's list of tickets is incomplete or shows an unknown status"},
		{CodeQuantityUnknown, "the provider does not say how many tickets the order has left"},
		{CodeNothingRefundable, "no ticket of the order can be refunded any more"},
		{CodeNotEnough, "fewer tickets can be refunded than were asked for"},
		{CodeUnexplained, "more or fewer tickets are refunded than this refund explains"},
		{CodeUnrecorded, "the provider shows refunded tickets of the order that no refund record explains, before this refund was sent"},
		{CodeOtherTickets, "the provider lists another number of tickets than before the refund"},
		{CodeUnprovable, "the provider does not show which tickets of such an order are refunded"},
		{CodeNotOfThisOrder, "the ticket is none of this order's"},
		{CodeRefundedElsewhere, "the ticket was refunded by somebody else"},
		{CodeUseStatus, "the ticket is in a status that the provider's documents do not know"},
		{CodeUnauthentic, "the answer is about another order"},
		{CodeUnconfirmed, "the provider confirmed the refund in an answer that names no ticket; a list has to show it"},
		{CodeAbandoned, "a worker died between the intent and the answer"},
	}
}
