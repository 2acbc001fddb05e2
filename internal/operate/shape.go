package operate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Shape puts the public description of a document into one line: its fields as name=value, items
// as ITEM×NUMBER.
func Shape(raw json.RawMessage) string {
	var m map[string]any
	if json.Unmarshal(raw, &m) != nil {
		return ""
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		switch v := m[name].(type) {
		case []any:
			for _, e := range v {
				if item, ok := e.(map[string]any); ok {
					parts = append(parts, shapeItem(item))
				}
			}
		case map[string]any:
		default:
			parts = append(parts, fmt.Sprintf("%s=%v", name, v))
		}
	}
	return strings.Join(parts, ", ")
}

func shapeItem(item map[string]any) string {
	name, _ := item["ItemNo"].(string)
	if name == "" {
		name, _ = item["ItemName"].(string)
	}
	if n, ok := item["TicketAmount"].(float64); ok {
		return fmt.Sprintf("%s×%d", name, int(n))
	}
	return name
}
