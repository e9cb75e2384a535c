// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"vcrypto/engine"
	"vcrypto/virtio/virtq"
)

// maxAKData is the longest source, and the longest result, of a public-key
// request, in bytes: RSA with 16,384 bits has 2 KiB.
const maxAKData = 4 << 10

// parseAKCipher fills in a request of a public-key session, section 5.9.7.9.
// After the header the readable part holds the source; that of a verification
// is the signature, and behind it dst_data_len bytes of what was signed. The
// writable part has the destination, which a verification has not, and the
// status.
//
// A result may be shorter than the destination: the driver takes its length
// from the number of bytes written, less one for the status. Sources and
// results are in memory of their own: such requests take long, and others must
// not wait for scratch memory meanwhile.
func (w *dataWorker) parseAKCipher(r *request, s *session, op uint32, f *fields, in virtq.Cursor) Status {
	switch op {
	case opAKEncrypt:
		r.Op = engine.OpEncrypt
	case opAKDecrypt:
		r.Op = engine.OpDecrypt
	case opAKSign:
		r.Op = engine.OpSign
	case opAKVerify:
		r.Op = engine.OpVerify
	}
	if s.ops>>r.Op&1 == 0 {
		return StatusNotSupp
	}
	verify := r.Op == engine.OpVerify
	read, write := uint64(f.src), uint64(f.dst)
	if verify {
		read, write = read+uint64(f.dst), 0
	}
	switch {
	case f.src > maxAKData,
		verify && f.dst > maxAKData,
		r.chain.ReadLen < f.used+read,
		r.chain.WriteLen < write+statusSize:
		return StatusErr
	}
	room := int(min(write, maxAKData))
	buf := make([]byte, int(read)+room)
	in.Read(buf[:read])
	r.Src = buf[:f.src:f.src]
	if verify {
		r.AAD = buf[f.src:]
	} else {
		r.Dst = buf[f.src:]
	}
	r.dst = r.chain.Writer()
	return StatusOK
}
