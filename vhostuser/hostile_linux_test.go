// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

// Bugs that other back-ends had. Each test counts descriptors, mappings and
// goroutines.

// hostile runs an attack and checks that nothing is held afterwards, and that
// the back-end ended or goes on in good order.
func hostile(t *testing.T, ext Extension, attack func(r *rig, m *SharedMemory)) {
	t.Helper()
	outside := count(t)
	t.Run("attack", func(t *testing.T) {
		r := newRig(t, ext)
		r.negotiate()
		m := r.memory(testMemory, testGuestAddr)
		r.must(r.fe.ShareMemory(m))
		before := count(t)
		attack(r, m)
		select {
		case <-r.done:
		default:
			r.goesOn()
			before.same(t)
		}
	})
	outside.same(t)
}

// nack sends a request that must fail, with descriptors.
func (r *rig) nack(req Request, payload []byte, fds ...int) {
	r.t.Helper()
	var nack *AckError
	if err := r.fe.Do(req, payload, fds...); !errors.As(err, &nack) {
		r.t.Errorf("%v: %v", req, err)
	}
}

// A region whose size and offset overflow, or a log of that kind, was mapped
// too small.
func TestCVE_2020_10722_LogBaseOverflow(t *testing.T) {
	hostile(t, nil, func(r *rig, m *SharedMemory) {
		for range 20 {
			log := AppendU64(AppendU64(nil, 1<<64-1), 4096) // size, offset
			r.nack(ReqSetLogBase, log, int(m.File.Fd()))
			r.nack(ReqSetLogFD, nil, int(m.File.Fd()))
			r.nack(ReqAddMemReg, AppendSingleRegion(nil, MemRegion{GuestAddr: 1 << 40, Size: 1<<64 - 4096, Offset: 8192}), int(m.File.Fd()))
		}
	})
}

// A ring index was cut to 16 bits before it was checked.
func TestCVE_2020_10723_VringIndexTruncated(t *testing.T) {
	for _, index := range []uint32{3, 0xff, 0x100, 0x10000, 0x10001, 1 << 31, 1<<32 - 1} {
		hostile(t, nil, func(r *rig, m *SharedMemory) {
			q := r.start(m, 0)
			r.nack(ReqSetVringNum, VringState{index, testQueueSize}.Append(nil))
			r.nack(ReqSetVringBase, VringState{index, 0}.Append(nil))
			r.nack(ReqSetVringEnable, VringState{index, 1}.Append(nil))
			r.nack(ReqSetVringAddr, VringAddr{Index: index}.Append(nil))
			for _, req := range []Request{ReqSetVringKick, ReqSetVringCall, ReqSetVringErr} {
				r.nack(req, AppendU64(nil, uint64(index)|vringFDNone*uint64(index&1)), q.fq.Kick.FD())
			}
			q.roundTrip()
			if _, err := r.fe.StopQueue(int(index)); err == nil {
				t.Errorf("ring %d was stopped", index)
			}
			if err := r.wait(); !errors.Is(err, ErrProtocol) {
				t.Error(err)
			}
		})
	}
}

// The size of a session message was not checked before its keys were copied:
// what an extension sees is exactly what was sent.
func TestCVE_2020_10724_SessionLengths(t *testing.T) {
	ext := &sessions{queues: 1}
	hostile(t, ext, func(r *rig, m *SharedMemory) {
		for _, size := range []int{0, 1, sizeSession - 1, sizeSession + 1, MaxPayload} {
			r.nack(reqCreateSession, make([]byte, size))
		}
		r.nack(reqCreateSession, make([]byte, sizeSession), int(os.Stdin.Fd()))
		r.nack(reqCloseSession, make([]byte, 7))
		want := bytes.Repeat([]byte{7}, sizeSession)
		if _, err := r.fe.Call(reqCreateSession, want); err != nil {
			t.Error(err)
		}
		ext.mu.Lock()
		defer ext.mu.Unlock()
		if len(ext.created) != 1 || !bytes.Equal(ext.created[0], want) {
			t.Errorf("%d sessions", len(ext.created))
		}
	})
}

// keeper is an extension that keeps what it must not.
type keeper struct {
	sessions
	payload, reply []byte
}

func (k *keeper) Handle(r ExtensionRequest) ([]byte, error) {
	k.payload, k.reply = r.Payload, bytes.Clone(r.Payload)
	return k.reply, nil
}

// TestKeysAreZeroed: what may hold keys is gone when it was answered.
func TestKeysAreZeroed(t *testing.T) {
	k := new(keeper)
	r := newRig(t, k)
	key := bytes.Repeat([]byte{0x5a}, sizeSession)
	if reply, err := r.fe.Call(reqCreateSession, key); err != nil || !bytes.Equal(reply, key) {
		t.Fatalf("%x, %v", reply, err)
	}
	r.fe.Close()
	r.must(r.wait())
	zero := make([]byte, sizeSession)
	if !bytes.Equal(k.payload, zero) || !bytes.Equal(k.reply, zero) {
		t.Error("keys stay in memory")
	}
}

// A descriptor points to memory that is not there.
func TestCVE_2020_10725_DescriptorOutsideMemory(t *testing.T) {
	for name, d := range map[string]virtqdrv.Desc{
		"outside":         {Addr: 1 << 40, Len: 64},
		"across the end":  {Addr: testGuestAddr + testMemory - 8, Len: 16},
		"wraps":           {Addr: 1<<64 - 8, Len: 64},
		"table outside":   {Addr: 1 << 40, Len: 64, Flags: virtqdrv.FlagIndirect},
		"table too large": {Addr: testGuestAddr, Len: 1<<32 - 16, Flags: virtqdrv.FlagIndirect},
	} {
		t.Run(name, func(t *testing.T) {
			hostile(t, nil, func(r *rig, m *SharedMemory) {
				q, other := r.start(m, 0), r.start(m, 1)
				q.RawDesc(0, d)
				q.RawSend(0)
				q.fq.Kick.Notify()
				if !q.fq.WaitErr(patience) {
					t.Error("the error descriptor was not signalled")
				}
				other.roundTrip()
				r.fe.Close()
				if err := r.wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Requests for buffers in flight, again and again, each with a descriptor.
func TestCVE_2020_10726_InflightMessagesLeak(t *testing.T) {
	hostile(t, nil, func(r *rig, m *SharedMemory) {
		for range 2000 {
			r.must(r.fe.Send(ReqSetInflightFD, make([]byte, 24), int(m.File.Fd())))
			r.must(r.fe.Send(ReqGetInflightFD, make([]byte, 24)))
		}
	})
}

// A number of queues, or a size of theirs, that is none: what is in flight is
// not kept here, whatever is asked for.
func TestCVE_2021_3839_InflightQueues(t *testing.T) {
	hostile(t, nil, func(r *rig, m *SharedMemory) {
		for _, n := range []uint16{0, 1, 128, 129, 1<<15 - 1, 1<<16 - 1} {
			// u64 mmap_size, u64 mmap_offset, u16 num_queues, u16 queue_size
			b := append(AppendU64(AppendU64(nil, 1<<20), 1<<63), byte(n), byte(n>>8), 0xff, 0xff, 0, 0, 0, 0)
			r.nack(ReqSetInflightFD, b, int(m.File.Fd()))
			r.nack(ReqGetInflightFD, b)
		}
	})
}

// Descriptors that come with messages which have none, as many as fit.
func TestCVE_2022_0669_UnexpectedDescriptorsLeak(t *testing.T) {
	for req, rule := range rules {
		t.Run(req.String(), func(t *testing.T) {
			hostile(t, nil, func(r *rig, m *SharedMemory) {
				for n := rule.maxFDs + 1; n <= MaxFDs; n++ {
					var fds []int
					for range n {
						fds = append(fds, int(m.File.Fd()))
					}
					if rule.replies {
						r.must(r.fe.Send(req, make([]byte, rightSize(req)), fds...))
						if req == ReqGetConfig {
							r.wait()
							return
						}
						if err := r.wait(); !errors.Is(err, ErrProtocol) {
							t.Error(err)
						}
						return
					}
					r.nack(req, make([]byte, rightSize(req)), fds...)
				}
			})
		})
	}
	for _, n := range []int{MaxFDs + 1, 64, 253} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			hostile(t, nil, func(r *rig, m *SharedMemory) {
				fds := make([]int, n)
				for i := range fds {
					fds[i] = int(m.File.Fd())
				}
				// With the first eight this would be as it must be.
				regions := make([]MemRegion, MaxFDs)
				for i := range regions {
					regions[i] = MemRegion{GuestAddr: uint64(i) << 30, Size: testMemory, UserAddr: uint64(i) << 30}
				}
				r.must(r.fe.Send(ReqSetMemTable, AppendMemTable(nil, regions), fds...))
				if err := r.wait(); !errors.Is(err, ErrProtocol) {
					t.Error(err)
				}
			})
		})
	}
}

// Each SET_VRING_NUM, and each descriptor of a ring, took memory or a
// descriptor that was never given back.
func TestCVE_2019_14818_RingMessagesLeak(t *testing.T) {
	hostile(t, nil, func(r *rig, m *SharedMemory) {
		q := r.start(m, 0)
		q.roundTrip()
		before := count(t)
		for i := range 500 {
			for _, num := range []uint32{0, 3, 2 * virtq.MaxSize, 1 << 31} {
				if i < maxErrors/8 {
					r.nack(ReqSetVringNum, VringState{0, num}.Append(nil))
				}
			}
			r.must(r.fe.Do(ReqSetVringNum, VringState{1, virtq.MaxSize}.Append(nil)))
			for _, req := range []Request{ReqSetVringKick, ReqSetVringCall, ReqSetVringErr} {
				r.must(r.fe.SetEvent(req, 0, q.fq.Kick))
			}
		}
		before.same(t)
		r.must(r.fe.SetEvent(ReqSetVringKick, 0, q.fq.Kick))
		r.must(r.fe.SetEvent(ReqSetVringCall, 0, q.fq.Call))
		q.roundTrip()
		r.fe.Close()
		r.must(r.wait())
	})
}

// TestRingDescriptorsThatAreNone: what comes as an eventfd may be anything.
func TestRingDescriptorsThatAreNone(t *testing.T) {
	hostile(t, nil, func(r *rig, m *SharedMemory) {
		q := r.start(m, 0)
		q.roundTrip()
		in, out, err := os.Pipe()
		r.must(err)
		for _, f := range []*os.File{in, out, m.File, os.Stdin} {
			for _, req := range []Request{ReqSetVringKick, ReqSetVringCall, ReqSetVringErr} {
				r.must(r.fe.Do(req, VringFD{}.Append(nil), int(f.Fd())))
			}
			q.submit()
			r.goesOn()
		}
		in.Close()
		out.Close()
		r.must(r.fe.SetEvent(ReqSetVringKick, 0, q.fq.Kick))
		r.fe.Close()
		r.must(r.wait())
	})
}

// TestBasesOutOfRange: indices of a split ring have 16 bits.
func TestBasesOutOfRange(t *testing.T) {
	hostile(t, nil, func(r *rig, m *SharedMemory) {
		r.nack(ReqSetVringBase, VringState{0, 1 << 16}.Append(nil))
		r.nack(ReqSetVringBase, VringState{0, 1<<32 - 1}.Append(nil))
		r.nack(ReqSetVringEnable, VringState{0, 2}.Append(nil))
		r.nack(ReqSetVringKick, VringFD{None: true}.Append(nil), int(m.File.Fd()))
		r.nack(ReqSetVringKick, VringFD{}.Append(nil))
	})
}
