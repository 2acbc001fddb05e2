package workbook

import "testing"

func TestX(t *testing.T) {}
