package tui

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/tui/ui"
)

// The cells of a picture, in pixels: the height lets the lines of frames meet.
const (
	cellWidth  = 8.43
	cellHeight = 16
	margin     = 10
)

// scene is a frame of a moving picture, and how long it stays.
type scene struct {
	frame string
	stays time.Duration
}

// drawing makes an SVG picture of frames in truecolor. The library wader/ansisvg draws
// single frames, and none that move.
type drawing struct {
	classes map[string]string // of styles, by their CSS
	order   []string
	body    strings.Builder
}

// picture draws frames of a size, one after the other if there are several.
func picture(s ui.Size, scenes ...scene) string {
	d := &drawing{classes: map[string]string{}}
	var total time.Duration
	for _, one := range scenes {
		total += one.stays
	}
	for y := range s.Height {
		d.row(y, scenes, total)
	}
	w, h := float64(s.Width)*cellWidth+2*margin, s.Height*cellHeight+2*margin
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" width="%.0f" height="%d" font-family="'DejaVu Sans Mono',Menlo,Consolas,monospace" font-size="14" xml:space="preserve">`+"\n<style>", w, h, w, h)
	for _, css := range d.order {
		name := d.classes[css]
		if strings.Contains(css, "@keyframes") {
			css = fmt.Sprintf(css, name)
		}
		fmt.Fprintf(&out, ".%s{%s}", name, css)
	}
	fmt.Fprintf(&out, "</style>\n<rect width=\"100%%\" height=\"100%%\" rx=\"8\" fill=\"#141824\"/>\n%s</svg>\n", d.body.String())
	return out.String()
}

// span is a part of the time that a moving picture takes.
type span struct{ from, to time.Duration }

// row draws one line of all frames: what is seen again is drawn once.
func (d *drawing) row(y int, scenes []scene, total time.Duration) {
	seen := map[string][]span{}
	var order []string
	var at time.Duration
	for _, s := range scenes {
		line := lineOf(s.frame, y)
		spans := seen[line]
		switch n := len(spans); {
		case n == 0:
			order = append(order, line)
			seen[line] = []span{{at, at + s.stays}}
		case spans[n-1].to == at:
			spans[n-1].to += s.stays
		default:
			seen[line] = append(spans, span{at, at + s.stays})
		}
		at += s.stays
	}
	for _, line := range order {
		drawn, spans := d.line(y, line), seen[line]
		switch {
		case drawn == "":
		case spans[0] == span{0, total}:
			d.body.WriteString(drawn)
		default:
			fmt.Fprintf(&d.body, "<g class=\"%s\">\n%s</g>\n", d.class(turns(spans, total)), drawn)
		}
	}
}

func lineOf(frame string, y int) string {
	lines := strings.Split(frame, "\n")
	if y < len(lines) {
		return strings.TrimRight(lines[y], " ")
	}
	return ""
}

// turns is the CSS of what is seen in spans of the time, again and again. Where nothing
// moves the first frame is seen.
func turns(spans []span, total time.Duration) string {
	percent := func(d time.Duration) string {
		return strconv.FormatFloat(100*d.Seconds()/total.Seconds(), 'f', 2, 64) + "%"
	}
	first, frames := "visible", ""
	if spans[0].from > 0 {
		first, frames = "hidden", "0%{visibility:hidden}"
	}
	for _, s := range spans {
		frames += percent(s.from) + "{visibility:visible}"
		if s.to < total {
			frames += percent(s.to) + "{visibility:hidden}"
		}
	}
	return fmt.Sprintf("visibility:%s;animation:%%s %gs step-end infinite}@keyframes %%[1]s{%s", first, total.Seconds(), strings.ReplaceAll(frames, "%", "%%"))
}

// pen is how a cell is drawn.
type pen struct {
	fore, back    string
	bold, reverse bool
}

var sgr = regexp.MustCompile(`^\x1b\[([0-9;]*)m`)

// line draws one line as a text with a span for each style.
func (d *drawing) line(y int, line string) string {
	var text, paper strings.Builder
	var p pen
	x, begins, run := 0, 0, ""
	baseline := float64(margin + y*cellHeight + 13)
	under, since := "", 0 // the paper so far, and where it begins
	lay := func(next string) {
		if under != "" && x > since {
			fmt.Fprintf(&paper, `<rect x="%.1f" y="%d" width="%.1f" height="%d" class="%s"/>`, margin+float64(since)*cellWidth, margin+y*cellHeight, float64(x-since)*cellWidth, cellHeight, d.class("fill:"+under))
		}
		under, since = next, x
	}
	flush := func() {
		fore, _ := p.colours()
		if strings.TrimSpace(run) != "" {
			css := "fill:" + fore
			if p.bold {
				css += ";font-weight:bold"
			}
			lead := len(run) - len(strings.TrimLeft(run, " "))
			fmt.Fprintf(&text, `<tspan x="%.1f" class="%s">%s</tspan>`, margin+float64(begins+lead)*cellWidth, d.class(css), escape(strings.Trim(run, " ")))
		}
		run, begins = "", x
	}
	for line != "" {
		if m := sgr.FindStringSubmatch(line); m != nil {
			if next := p.after(m[1]); next != p {
				flush()
				p = next
				if _, back := p.colours(); back != under {
					lay(back)
				}
			}
			line = line[len(m[0]):]
			continue
		}
		cell, width := ansi.FirstGraphemeCluster(line, 0)
		run += cell
		x += width
		line = line[len(cell):]
	}
	flush()
	lay("")
	out := paper.String()
	if text.Len() > 0 {
		out += fmt.Sprintf("<text y=\"%.0f\">%s</text>", baseline, text.String())
	}
	if out != "" {
		out += "\n"
	}
	return out
}

// after is the pen after an SGR sequence.
func (p pen) after(parameters string) pen {
	all := strings.Split(parameters, ";")
	for i := 0; i < len(all); i++ {
		switch n, _ := strconv.Atoi(all[i]); {
		case n == 0:
			p = pen{}
		case n == 1:
			p.bold = true
		case n == 7:
			p.reverse = true
		case (n == 38 || n == 48) && i+4 < len(all):
			var rgb [3]int
			for k := range rgb {
				rgb[k], _ = strconv.Atoi(all[i+2+k])
			}
			colour := fmt.Sprintf("#%02x%02x%02x", rgb[0], rgb[1], rgb[2])
			if i += 4; n == 38 {
				p.fore = colour
			} else {
				p.back = colour
			}
		}
	}
	return p
}

// colours are those of text and paper; empty paper is the picture's.
func (p pen) colours() (fore, back string) {
	fore, back = p.fore, p.back
	if fore == "" {
		fore = "#c8d0e0"
	}
	if p.reverse {
		if back == "" {
			back = "#141824"
		}
		return back, fore
	}
	return fore, back
}

func (d *drawing) class(css string) string {
	name, ok := d.classes[css]
	if !ok {
		if name = string(rune('a' + len(d.order)%26)); len(d.order) >= 26 {
			name += fmt.Sprint(len(d.order) / 26)
		}
		d.classes[css] = name
		d.order = append(d.order, css)
	}
	return name
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
