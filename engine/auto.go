// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"slices"
)

// openAuto opens all engines that have a use here, best first.
func openAuto(o Options) (Engine, error) {
	engines, why := openRanked(o, nil, true)
	switch engines = useful(engines, nil); len(engines) {
	case 0:
		return nil, &Error{Auto, "open", errors.Join(append(why, ErrUnavailable)...)}
	case 1:
		return engines[0], nil
	}
	return newComposite(Auto, engines, union(engines)), nil
}

// openNamed opens an engine, and if it has limits the others that make up for
// them. Last resorts do not.
func openNamed(d Driver, o Options) (Engine, error) {
	e, err := d.Start(o)
	if err != nil {
		return nil, err
	}
	all := e.Algorithms()
	if !slices.ContainsFunc(all, func(s Support) bool { return s.Limits }) {
		return e, nil
	}
	engines, _ := openRanked(o, []Engine{e}, false)
	engines = useful(engines, nil)
	if len(engines) == 1 {
		return e, nil
	}
	return newComposite(d.Name, engines, all), nil
}

// openRanked adds to open engines those that are available, best first, but for
// those only used by name, and last resorts unless they are wanted. It also says
// why others are not.
func openRanked(o Options, engines []Engine, lastResorts bool) (all []Engine, why []error) {
	wanted := func(Algorithm) bool { return lastResorts }
	for _, d := range Drivers() {
		if d.Rank == 0 || slices.ContainsFunc(engines, isNamed(d.Name)) || !d.mayAdd(engines, wanted) {
			continue
		}
		e, err := d.Start(o)
		if err != nil {
			why = append(why, err)
			continue
		}
		engines = append(engines, e)
	}
	return engines, why
}

// mayAdd reports whether opening the engine may be of use beside others: a last
// resort for the algorithms that are wanted of it.
func (d Driver) mayAdd(engines []Engine, wanted func(Algorithm) bool) bool {
	return d.May == nil || slices.ContainsFunc(d.May, func(s Support) bool {
		return wanted(s.Algorithm) && adds(engines, s, true)
	})
}

// lastResort reports whether an engine is one that does only what no other has:
// see [Driver].May.
func lastResort(e Engine) bool {
	return slices.ContainsFunc(Drivers(), func(d Driver) bool { return d.Name == e.Name() && d.May != nil })
}

// useful closes and drops engines that add nothing to earlier ones, but not those
// with a name to keep. Errors of closing an unused engine are no matter.
func useful(engines []Engine, keep []string) []Engine {
	var kept []Engine
	for _, e := range engines {
		last := lastResort(e)
		if slices.Contains(keep, e.Name()) || slices.ContainsFunc(e.Algorithms(), func(s Support) bool { return adds(kept, s, last) }) {
			kept = append(kept, e)
		} else {
			e.Close()
		}
	}
	return kept
}

// adds reports whether s is something that the engines do not have, or have with
// limits only. If s is a last resort's, it does not make up for limits.
func adds(engines []Engine, s Support, last bool) bool {
	missing := func(n int) bool {
		return !slices.ContainsFunc(engines, func(e Engine) bool {
			have, ok := find(e.Algorithms(), s.Algorithm, n)
			return ok && (last || !have.Limits)
		})
	}
	if s.KeySizes == nil {
		return missing(-1)
	}
	return slices.ContainsFunc(s.KeySizes, missing)
}

// find finds an algorithm that takes keys of n bytes; any, if n is negative.
func find(all []Support, a Algorithm, n int) (Support, bool) {
	i := slices.IndexFunc(all, func(s Support) bool {
		return s.Algorithm == a && (n < 0 || s.KeySizes == nil || slices.Contains(s.KeySizes, n))
	})
	if i < 0 {
		return Support{}, false
	}
	return all[i], true
}

// union lists what engines can do together. Limits hold where no engine is
// without that may make up for them.
func union(engines []Engine) []Support {
	var all []Support
	for _, a := range Algorithms() {
		s := Support{Algorithm: a, Limits: true}
		any, has := false, false
		for _, e := range engines {
			h, ok := find(e.Algorithms(), a, -1)
			if !ok {
				continue
			}
			s.Limits = s.Limits && (h.Limits || has && lastResort(e))
			has = true
			any = any || h.KeySizes == nil
			for _, n := range h.KeySizes {
				if !slices.Contains(s.KeySizes, n) {
					s.KeySizes = append(s.KeySizes, n)
				}
			}
		}
		if any {
			s.KeySizes = nil
		}
		slices.Sort(s.KeySizes)
		if has {
			all = append(all, s)
		}
	}
	return all
}
