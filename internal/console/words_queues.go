package console

// queueWords are those of the page of queues.
var queueWords = map[string]text{
	"nav.queues":      {"佇列", "Queues"},
	"title.queues":    {"工作佇列", "Queues"},
	"queues.intro":    {"asynq 的佇列與工作，供檢視。訂單的狀態以訂單頁面為準：刪除的工作會由系統自行補回。下方是 asynq 自己的介面，只有英文。", "asynq's queues and tasks, to look at. What is true of an order stands on its page: a task that is deleted is brought back."},
	"queues.alone":    {"在獨立頁面開啟", "Open it alone"},
	"queues.looking":  {"僅供檢視", "read-only"},
	"queues.changing": {"可變更", "changes are allowed"},
	"queues.allow":    {"允許變更", "Allow changes"},
	"queues.hint":     {"允許後 %d 分鐘內，可在此執行、封存或刪除工作以及暫停佇列；每項變更都會記錄。暫停帳號請改用帳號頁面。", "For %d minutes tasks can be run, archived and deleted here, and queues paused; each change is recorded. Pause accounts on their own page."},
	"queues.end":      {"改回僅供檢視", "Read-only again"},
	"done.changes":    {"已允許變更。", "Changes are allowed."},
	"done.looking":    {"已改回僅供檢視。", "It is read-only again."},
}
