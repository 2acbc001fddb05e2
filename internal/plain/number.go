package plain

import (
	"math"
	"strconv"
)

// Number is a number for people: its three leading digits, or all those before the point, and never an exponent.
func Number(f float64) string {
	short, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 3, 64), 64)
	if err != nil || math.Abs(f) >= 100 {
		short = math.Round(f)
	}
	return strconv.FormatFloat(short, 'f', -1, 64)
}
