// SPDX-License-Identifier: Apache-2.0

package engine

import "errors"

// openAuto opens the best engine that is available here.
func openAuto(o Options) (Engine, error) {
	var why []error
	for _, d := range Drivers() {
		if d.Rank == 0 {
			continue
		}
		if err := d.Probe(o); err != nil {
			why = append(why, err)
			continue
		}
		e, err := d.Open(o)
		if err == nil {
			return e, nil
		}
		why = append(why, err)
	}
	return nil, &Error{Auto, "open", errors.Join(append(why, ErrUnavailable)...)}
}
