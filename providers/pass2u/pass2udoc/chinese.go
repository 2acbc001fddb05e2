package pass2udoc

// rulesInChinese is providers.Codec.RulesInChinese.
var rulesInChinese = map[string]string{
	idRule:        "須為 1 至 64 個可列印的 ASCII 字元，不含空白",
	orderIDRule:   "須為 1 至 64 個字元，限用 A-Z a-z 0-9 - _ .",
	firstRule:     "須以英文字母或數字開頭",
	mailRule:      "須為一個電子郵件地址，最多 254 個字元",
	pickupRule:    `須為 "order" 或 "voucher"`,
	quantityRule:  "須為 1 至 10000 的整數",
	elsewhereRule: "與 pass2uOrderId、pickupType 併用時必填：缺少時 Pass2U 找不到訂單",
	howManyRule:   "須說明張數：quantity（1 至 10000）或 all（true）擇一",

	"must not be given beside quanity, which means the same": "不可與 quanity 併用，兩者意義相同",
	"must be true, or be left out":                           "須為 true，或省略",
}

// answersInChinese is providers.Codec.AnswersInChinese.
var answersInChinese = map[string]string{
	"Pass2U has the order, but shows no page and passcode for it yet":                                     "Pass2U 已有訂單，但尚未顯示其頁面與密碼",
	"Pass2U has the order, but not all of its vouchers are there yet: %s so far":                          "Pass2U 已有訂單，但憑證尚未齊全：目前 %s 張",
	"Pass2U has the order but shows none of its vouchers":                                                 "Pass2U 已有訂單，但沒有顯示任何憑證",
	"the answer names another order or another campaign than the one asked for":                           "回應的是其他訂單或其他活動",
	"the answer was made before its request was: an old one was sent again; it is not believed":           "回應早於請求，為重送的舊回應，不予採信",
	"the order at Pass2U is of the other pickupType; compare it with ours in the Pass2U console":          "Pass2U 的訂單 pickupType 不同；請在 Pass2U 後台比對",
	"the order at Pass2U has another number of tickets; compare it with ours in the Pass2U console":       "Pass2U 的訂單張數不同；請在 Pass2U 後台比對",
	"given up before the call was made":                                                                   "呼叫在送出前取消",
	"given up while waiting for the call budget":                                                          "等待呼叫額度時取消",
	"Pass2U answered HTTP 403 to %s":                                                                      "Pass2U 對 %s 回應 HTTP 403",
	"the request cannot be written as JSON":                                                               "請求無法寫成 JSON",
	"the answer names an order, and has an error message":                                                 "回應既有訂單又有錯誤訊息",
	"the answer names an order, and has an error message%s":                                               "回應既有訂單又有錯誤訊息%s",
	"Pass2U refused the API key or this machine's IP address (HTTP %s); check both in the Pass2U account": "Pass2U 拒絕 API 金鑰或本機 IP 位址（HTTP %s）；請在 Pass2U 帳號檢查兩者",
	"%s; is the base URL right?":                                                                          "%s；base URL 是否正確？",
	"the answer is not one that Pass2U documents":                                                         "回應不在 Pass2U 的文件中",
	"the order's id is not the channelOrderId of its request":                                             "訂單編號不是請求的 channelOrderId",
	"the order's request is not readable":                                                                 "無法讀取訂單的請求",
	"the order has neither channelOrderId nor pass2uOrderId":                                              "訂單沒有 channelOrderId，也沒有 pass2uOrderId",
	"the order's request lacks productSaleId, without which Pass2U cannot be asked":                       "訂單的請求缺少 productSaleId，無法向 Pass2U 查詢",
	"cannot refund %s tickets":                                                                            "無法退 %s 張",
}
