package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"
	"time"
)

// results are all that was measured.
type results struct {
	ours, theirs costs
	callers      []int
	reviews      reviews
	memory       map[string]int64
	edits        edits
	aims         []aim
}

// show prints one table.
func show(table func(io.Writer)) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	table(w)
	fmt.Fprintln(w)
	return w.Flush()
}

func (r results) printMapping(w io.Writer) {
	fmt.Fprint(w, "one decision, and its allocations\t")
	for _, n := range sizes() {
		fmt.Fprintf(w, "%d entries\t", n)
	}
	fmt.Fprintln(w)
	for _, row := range []struct {
		name  string
		costs map[int]cost
	}{
		{"eksauth, exact ARN", r.ours[exact]},
		{peer + ", exact ARN", r.theirs[exact]},
		{"eksauth, SSO permission set", r.ours[sso]},
		{peer + ", SSO permission set", r.theirs[sso]},
		{"eksauth, wildcard", r.ours[wildcard]},
	} {
		fmt.Fprintf(w, "%s\t", row.name)
		for _, n := range sizes() {
			c, ok := row.costs[n]
			if !ok {
				fmt.Fprint(w, "–\t")
				continue
			}
			fmt.Fprintf(w, "%s, %d\t", duration(c.Nanoseconds), c.Allocations)
		}
		fmt.Fprintln(w)
	}
}

// duration has three digits.
func duration(nanoseconds float64) string {
	value, unit := nanoseconds, "ns"
	for _, next := range []string{"µs", "ms", "s"} {
		if value < 1000 {
			break
		}
		value, unit = value/1000, next
	}
	return strconv.FormatFloat(value, 'f', max(0, 3-len(strconv.Itoa(int(value)))), 64) + " " + unit
}

func (r results) printReviews(w io.Writer) {
	fmt.Fprintln(w, "TokenReviews over TLS\tcallers\ta second\tof the limit\tp50\tp99\tCPU each\tpeak memory*\t")
	for _, n := range r.callers {
		top := r.reviews[question{anything.name, limit, n}].Rate()
		for _, k := range []kind{anything, repeated, distinct} {
			for _, name := range k.contenders {
				rounds := r.reviews[question{k.name, name, n}]
				memory := "–"
				if bytes, ok := r.memory[name]; ok {
					memory = fmt.Sprintf("%d MiB", bytes>>20)
				}
				fmt.Fprintf(w, "%s, %s\t%d\t%.0f\t%.0f %%\t%.2f ms\t%.2f ms\t%d µs\t%s\t\n", name, k.name, n, rounds.Rate(), 100*rounds.Rate()/top,
					milliseconds(rounds.Percentile(50)), milliseconds(rounds.Percentile(99)), rounds.CPU().Microseconds(), memory)
			}
		}
	}
	fmt.Fprintf(w, "* of a new process after %d distinct tokens\t\t\t\t\t\t\t\t\n", memoryTokens)
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }

func (r results) printEdits(w io.Writer) {
	acted := func(e edit) time.Duration { return e.acted }
	kubectl := func(e edit) time.Duration { return e.kubectl }
	fmt.Fprintf(w, "kubectl apply of aws-auth, %d edits, from its start\tmedian\tworst\t\n", len(r.edits))
	fmt.Fprintf(w, "to the first answer that uses it\t%.0f ms\t%.0f ms\t\n", milliseconds(r.edits.median(acted)), milliseconds(r.edits.worst(acted)))
	fmt.Fprintf(w, "to the end of kubectl\t%.0f ms\t%.0f ms\t\n", milliseconds(r.edits.median(kubectl)), milliseconds(r.edits.worst(kubectl)))
}

// aim is what was wanted, beside what was measured.
type aim struct {
	what            string
	least, measured float64
}

func (r results) mappingAims() []aim {
	flat := r.ours[exact][10].Nanoseconds / r.ours[exact][100_000].Nanoseconds
	return []aim{
		{"exact ARN, eksauth: the time with 10 entries / with 100,000", 0.5, flat},
		{"SSO, 1,000 entries: the peer's time / eksauth's", 100, r.theirs[sso][1_000].Nanoseconds / r.ours[sso][1_000].Nanoseconds},
	}
}

func (r results) reviewAims() (aims []aim) {
	for _, n := range r.callers {
		rate := func(k kind, contender string) float64 { return r.reviews[question{k.name, contender, n}].Rate() }
		aims = append(aims,
			aim{fmt.Sprintf("repeated tokens, %d callers: eksauthd / the limit", n), 0.5, rate(repeated, ours) / rate(anything, limit)},
			aim{fmt.Sprintf("repeated tokens, %d callers: eksauthd / the peer", n), 12, rate(repeated, ours) / rate(repeated, peer)},
			aim{fmt.Sprintf("distinct tokens, %d callers: eksauthd / the peer", n), 1.5, rate(distinct, ours) / rate(distinct, peer)},
			aim{fmt.Sprintf("distinct tokens, %d callers: eksauthd / the peer, 64 connections kept", n), 1.5, rate(distinct, ours) / rate(distinct, keeping)})
	}
	return aims
}

func (r results) printAims(w io.Writer) {
	fmt.Fprintln(w, "compared\twanted at least\tmeasured\t\t")
	for _, a := range r.aims {
		verdict := "met"
		if a.measured < a.least {
			verdict = "MISSED"
		}
		fmt.Fprintf(w, "%s\t%g\t%.2f\t%s\t\n", a.what, a.least, a.measured, verdict)
	}
}
