// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import "vcrypto/virtio/virtq"

// parseStateless fills in a request that brings its key and parameters along,
// section 5.9.7: a session is opened for it and closed, and the key zeroed,
// when it is answered. Nothing is kept from one such request to the next, so
// it costs what a session costs.
func (w *dataWorker) parseStateless(r *request, service Service, op uint32, flf []byte, in virtq.Cursor) Status {
	if w.service.keys == nil {
		keys, err := newKeyMemory(w.d.log)
		if err != nil {
			w.d.log.Error("stateless request refused", "queue", w.q.Index, "err", err)
			return StatusErr
		}
		w.service.keys = keys
	}
	defer w.service.keys.erase()
	p, err := w.statelessParams(service, flf, &in)
	if err != nil {
		return StatusOf(err)
	}
	s, err := p.open(w.d)
	if err != nil {
		w.d.log.Debug("stateless request refused", "queue", w.q.Index, "opcode", op, "err", err)
		return StatusOf(err)
	}
	r.extra.own = s
	return w.parseService(r, s, op, in)
}

// statelessParams takes the session's parameters out of a fixed part, and the
// keys that follow at in, before anything else. They count as used.
func (w *dataWorker) statelessParams(service Service, flf []byte, in *virtq.Cursor) (SessionParams, error) {
	at := func(i int) uint32 { return le.Uint32(flf[4*i:]) }
	f := &w.service.fields
	read := func(n, limit uint32) ([]byte, error) {
		f.used += uint64(n)
		return w.service.keys.read(in, n, limit)
	}
	switch service {
	case ServiceHash:
		return HashParams{HashAlgo(at(0)), f.result}, nil
	case ServiceMAC:
		key, err := read(at(1), maxAuthKey)
		return MACParams{MACAlgo(at(0)), f.result, key}, err
	case ServiceAEAD:
		key, err := read(at(1), maxCipherKey)
		return AEADParams{AEADAlgo(at(0)), at(2), f.tag, key}, err
	case ServiceAKCipher:
		key, err := read(at(2), maxAKKey)
		return akParams(flf, flf[4:], flf[4*3:], key), err
	}
	switch f.opType {
	case SymOpCipher:
		key, err := read(at(1), maxCipherKey)
		return CipherParams{CipherAlgo(at(0)), at(2), key}, err
	case SymOpChain:
		// order, aad_len; cipher: algo, key_len, op; hash: algo,
		// auth_key_len, hash_mode.
		p := ChainParams{Order: at(0), HashMode: at(7)}
		key, err := read(at(3), maxCipherKey)
		if err != nil {
			return nil, err
		}
		p.Cipher = CipherParams{CipherAlgo(at(2)), at(4), key}
		if p.HashMode == HashModeAuth {
			key, err = read(at(6), maxAuthKey)
			p.MAC = MACParams{MACAlgo(at(5)), f.result, key}
		} else {
			p.Hash = HashParams{HashAlgo(at(5)), f.result}
		}
		return p, err
	}
	return nil, ErrUnsupported
}
