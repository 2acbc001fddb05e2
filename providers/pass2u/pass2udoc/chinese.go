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
