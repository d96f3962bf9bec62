package transfer

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Bar draws the progress of a transfer on a terminal, ten times a second at
// most.
type Bar struct {
	Out   io.Writer
	Now   func() time.Time
	began time.Time
	drawn time.Time
}

const barWidth = 30

// Draw shows how far it is.
func (b *Bar) Draw(done float64, c Counts) {
	now := b.Now()
	if b.began.IsZero() {
		b.began = now
	}
	if now.Sub(b.drawn) < 100*time.Millisecond {
		return
	}
	b.drawn = now
	b.line(done, c, now)
}

// End draws the last state and ends the line.
func (b *Bar) End(done float64, c Counts) {
	if b.began.IsZero() {
		return
	}
	b.line(done, c, b.Now())
	fmt.Fprintln(b.Out)
}

func (b *Bar) line(done float64, c Counts, now time.Time) {
	full := int(done * barWidth)
	rate := 0.0
	if took := now.Sub(b.began).Seconds(); took > 0 {
		rate = float64(c.Written+c.Present) / took
	}
	fmt.Fprintf(b.Out, "\r[%s%s] %3.0f%%  %d records, %.0f/s ", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), done*100, c.Written+c.Present, rate)
}
