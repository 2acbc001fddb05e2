package embedredis

import (
	"bufio"
	"bytes"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/alicebob/miniredis/v2/server"
)

// scores mends how the library writes the scores of sorted sets: 1900000000 as 1.9e+9, where a server writes
// whole numbers in full. Asynq reads them as such and fails otherwise, and every page with it that lists waiting
// tasks. Only answers of protocol 2 are mended, which is what scripts get.
type scores struct {
	srv *server.Server
	own sync.Map // peers whose commands pass
}

// before implements server.Hook.
func (s *scores) before(c *server.Peer, cmd string, args ...string) (done bool) {
	paired, scored := scoredReply(cmd, args)
	if !scored || c.Resp3 {
		return false
	}
	if _, own := s.own.Load(c); own {
		return false
	}
	var buf bytes.Buffer
	w := bufio.NewWriter(&buf)
	inner := server.NewPeer(w)
	inner.Ctx, inner.ClientName = c.Ctx, c.ClientName
	s.own.Store(inner, true)
	s.srv.Dispatch(inner, append([]string{cmd}, args...))
	s.own.Delete(inner)
	inner.Flush()
	c.Ctx = inner.Ctx // the first command of a connection makes it
	c.Block(func(w *server.Writer) { w.WriteRaw(wholeScores(buf.String(), paired)) })
	return true
}

// scoredReply reports whether a command answers with scores: one, or one behind each member.
func scoredReply(cmd string, args []string) (paired, scored bool) {
	switch cmd {
	case "ZSCORE", "ZINCRBY":
		return false, true
	case "ZRANGE", "ZREVRANGE", "ZRANGEBYSCORE", "ZREVRANGEBYSCORE":
		paired = slices.ContainsFunc(args, func(arg string) bool { return strings.EqualFold(arg, "WITHSCORES") })
		return paired, paired
	}
	return false, false
}

// wholeScores writes the scores of a reply, which is a bulk string or, when paired, an array of such whose
// every second one is a score.
func wholeScores(reply string, paired bool) string {
	var out strings.Builder
	if paired {
		head, rest, _ := strings.Cut(reply, "\r\n")
		if !strings.HasPrefix(head, "*") { // an error, or QUEUED
			return reply
		}
		out.WriteString(head + "\r\n")
		reply = rest
	}
	for isScore := !paired; reply != ""; isScore = !isScore {
		head, rest, _ := strings.Cut(reply, "\r\n")
		n, err := strconv.Atoi(strings.TrimPrefix(head, "$"))
		if err != nil || n < 0 || n+2 > len(rest) {
			out.WriteString(reply)
			break
		}
		text := rest[:n]
		if isScore {
			text = wholeScore(text)
		}
		out.WriteString("$" + strconv.Itoa(len(text)) + "\r\n" + text + "\r\n")
		reply = rest[n+2:]
	}
	return out.String()
}

// maxWhole bounds the whole numbers that a server writes in full.
const maxWhole = 1 << 52

func wholeScore(text string) string {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n >= maxWhole || n <= -maxWhole || n != float64(int64(n)) {
		return text
	}
	return strconv.FormatInt(int64(n), 10)
}
