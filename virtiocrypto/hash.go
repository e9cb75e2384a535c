// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import "vcrypto/virtio/virtq"

// parseHash fills in a request of a hash or MAC, sections 5.9.7.5 and 5.9.7.6:
// the source is all that follows the header, the writable part has the result
// and the status. The result is made in memory of our own and then written.
func (w *dataWorker) parseHash(r *request, s *session, f *fields, in virtq.Cursor) Status {
	switch {
	case f.result != s.result,
		uint64(f.src)+uint64(f.result) > uint64(w.d.maxSize),
		r.chain.ReadLen < f.used+uint64(f.src),
		r.chain.WriteLen < uint64(f.result)+statusSize:
		return StatusErr
	}
	n, result := int(f.src), int(f.result)
	src := in
	r.Src = in.Bytes(n)
	need := 0
	if r.Src == nil {
		need = n
	}
	if result > maxDigest {
		need += result
	}
	buf := w.takeSome(r, need)
	if r.Src == nil {
		r.Src, buf = buf[:n:n], buf[n:]
		src.Read(r.Src)
	}
	r.Dst = r.extra.digest[:min(result, maxDigest)]
	if result > maxDigest {
		r.Dst = buf
	}
	r.dst = r.chain.Writer()
	return StatusOK
}

// takeSome returns n bytes of scratch memory, which may be none, to be given
// back with the request. It is called once a request: one that has scratch
// memory must not wait for more.
func (w *dataWorker) takeSome(r *request, n int) []byte {
	if n == 0 {
		return nil
	}
	r.scratch = n
	return w.take(n)
}
