// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// OpenMix opens an engine by name, or [Auto], as [Open] does, but the
// algorithms in by are done by the engines that are named there. An engine
// that is named for an algorithm it does not have is an error, and so is one
// that is not available.
func OpenMix(name string, by map[Algorithm]string, o Options) (Engine, error) {
	if len(by) == 0 {
		return Open(name, o)
	}
	chosen := slices.Sorted(maps.Values(by))
	// Of a default that was named, what it lacks is not wanted.
	wanted := func(a Algorithm) bool { return name == Auto || by[a] == Auto }
	engines, why, err := openAll(slices.Compact(chosen), name, o, wanted)
	if err != nil {
		return nil, err
	}
	engines = useful(engines, append(chosen, name))
	c := newComposite(name, engines, union(engines))
	c.first = make(map[Algorithm][]int)
	for a, n := range by {
		if n == Auto {
			continue
		}
		i := slices.IndexFunc(engines, isNamed(n))
		if _, has := find(engines[i].Algorithms(), a, -1); !has {
			c.Close()
			return nil, &Error{n, "open", fmt.Errorf("%s: %w", a, ErrNotSupported)}
		}
		c.first[a] = []int{i}
	}
	if name != Auto {
		// The default does what it can, the others what they were named for,
		// or make up for limits.
		i := slices.IndexFunc(engines, isNamed(name))
		named := engines[i].Algorithms()
		c.support = slices.DeleteFunc(c.support, func(s Support) bool {
			_, has := find(named, s.Algorithm, -1)
			return by[s.Algorithm] == "" && !has
		})
		for _, s := range named {
			if first := c.first[s.Algorithm]; by[s.Algorithm] != Auto && !slices.Contains(first, i) {
				c.first[s.Algorithm] = append(first, i)
			}
		}
	}
	if len(c.support) == 0 {
		c.Close()
		return nil, &Error{name, "open", errors.Join(append(why, ErrUnavailable)...)}
	}
	return c, nil
}

// openAll opens the engines that were chosen by name, and those that have a
// rank, each once, best first; last resorts for the algorithms that are wanted.
func openAll(chosen []string, name string, o Options, wanted func(Algorithm) bool) (engines []Engine, why []error, err error) {
	if name != Auto {
		chosen = append(slices.Clone(chosen), name)
	}
	for _, n := range chosen {
		if n != Auto && !slices.Contains(Names(), n) {
			_, err := Open(n, o) // says which there are
			return nil, nil, err
		}
	}
	for _, d := range Drivers() {
		must := slices.Contains(chosen, d.Name)
		if !must && (d.Rank == 0 || !d.mayAdd(engines, wanted)) {
			continue
		}
		e, err := d.Start(o)
		if err == nil {
			engines = append(engines, e)
			continue
		}
		if must {
			for _, e := range engines {
				e.Close()
			}
			return nil, nil, err
		}
		why = append(why, err)
	}
	return engines, why, nil
}

func isNamed(name string) func(Engine) bool {
	return func(e Engine) bool { return e.Name() == name }
}
