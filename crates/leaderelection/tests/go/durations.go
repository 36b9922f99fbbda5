// What Go makes of durations, as the table durations.tsv that the test beside it reads. By hand, when there is more to ask:
//
//	go run durations.go > durations.tsv
//
// A line is a text in quotes, what time.ParseDuration makes of it in nanoseconds (or "refused"), and what String then
// prints.
package main

import (
	"fmt"
	"math"
	"math/rand"
	"strconv"
	"time"
)

func main() {
	ask := func(text string) {
		duration, err := time.ParseDuration(text)
		if err != nil {
			fmt.Printf("%s\trefused\t\n", strconv.Quote(text))
			return
		}
		fmt.Printf("%s\t%d\t%s\n", strconv.Quote(text), int64(duration), duration)
	}
	// What people and programs write, and what looks like it.
	for _, text := range []string{
		"15s", "10s", "2s", "1m30s", "1m0s", "1h0m0s", "1h30m0s", "1.5s", "1.50s", "300ms", "0.3s", ".5s", "5.s", "1.s2ms",
		"100us", "100µs", "100μs", "100ns", "1.5h", "0.5m", "1.25m", "0.1h", "90m", "3600s", "100h", "1s1s", "1s1m", "1s1h1m", "1m1h",
		"0", "0s", "0ms", "0h0m0s", "0.0s", "+0", "-0", "00", "+15s", "+1m30s", "015s", "1ns", "1.1ns", "0.9ns", "1.999999999s", "1.9999999999s",
		"0.0000000001s", "1.234567891s", "0.333333333333333333333s", "2562047h47m16.854775807s", "2562047h47m16.854775808s",
		"9223372036854775807ns", "9223372036854775808ns", "9223372036s", "9223372037s", "99999999999999999999s",
		"9223372036854.775807ms", "2540400h", "2600000h", "292y", "1.0000000000000000000000000000000000000001s",
		"", " ", "15", "1.5", ".", "s", ".s", "+", "-", "-s", "+.s", "--1s", "+-1s", "++1s", "-1s", "-1m30s", "-0s", "1s-1s", "1s+1s",
		"15 s", " 15s", "15s ", "15\ts", "15s\n", "1m 30s", "1m, 30s", "1m and 30s", "15 sec", "15sec", "15secs", "15 seconds", "15second",
		"1min", "1mins", "1minute", "1hr", "1hour", "1 hour", "1d", "1day", "1w", "1M", "1y", "15S", "15Ms", "15MS", "1H", "PT15S", "pt15s",
		"1e3s", "1E3s", "1e-3s", "0x10s", "1_000s", "1,5s", "1'000ms", "1..5s", "1.5.5s", "1.2.3s", "inf", "infinity", "Inf", "NaN", "nans",
		"∞", "15ſ", "１５s", "s15", "m", "1m30", "1h30", "30m1", "15s0", "15s0s", "1mss", "1sm", "1nsus", "1nss", "fifteen seconds", "15s ago",
		"next s", "1 s 2", "1s\x00", "\"15s\"", "15s;", "1:30", "00:01:30", "null", "true", "1µ", "1u", "1n",
	} {
		ask(text)
	}
	// What Go writes, of every size.
	draw := rand.New(rand.NewSource(1))
	for _, duration := range []time.Duration{
		0, 1, 999, 1000, 1001, 1500, 999999, 1000000, 1000001, 1500000, 999999999, 1000000000, 1000000001, 59999999999, 60000000000,
		60000000001, 3599999999999, 3600000000000, 3600000000001, 86400000000000, math.MaxInt64,
	} {
		ask(duration.String())
	}
	for range 300 {
		ask(time.Duration(draw.Int63() >> draw.Intn(63)).String())
	}
	for range 100 {
		ask((time.Duration(draw.Int63n(100000)) * time.Millisecond).String())
	}
}
