// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"slices"

	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

func sortInts(v []int) { slices.Sort(v) }

// batch sends requests 0 to n-1 on a queue, as many at once as there is room
// for, and returns when each was answered, once.
func (m *machine) batch(q *cryptodrv.Queue, n int, request func(int) *cryptodrv.Request) {
	m.Helper()
	answered := make([]bool, n)
	used := make([]virtqdrv.Used, q.Size())
	for sent, done := 0, 0; done < n; {
		for sent < n && q.Free() > 0 {
			r := request(sent)
			r.Forget()
			if err := r.Add(q.Queue, uint64(sent)); err != nil {
				if q.InFlight() == 0 {
					m.Fatal(err)
				}
				break
			}
			sent++
		}
		q.Show()
		k, err := q.Await(used)
		if err != nil {
			m.Fatalf("%d of %d requests answered: %v", done, n, err)
		}
		for _, u := range used[:k] {
			if answered[u.Cookie] {
				m.Fatalf("request %d was answered twice", u.Cookie)
			}
			answered[u.Cookie] = true
			if s := request(int(u.Cookie)).Status(); s == cryptodrv.Unanswered {
				m.Fatalf("request %d was given back without a status", u.Cookie)
			} else if s == virtiocrypto.StatusOK && u.Written == 0 {
				m.Fatalf("request %d was given back with nothing written", u.Cookie)
			}
		}
		done += k
	}
	if q.InFlight() != 0 {
		m.Fatalf("%d requests in flight, all were answered", q.InFlight())
	}
}
