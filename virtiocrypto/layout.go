// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import "errors"

// layout is the form of requests that the driver negotiated, section 5.9.7.
//
// Without VIRTIO_CRYPTO_F_REVISION_1 the fixed part of each request is padded
// to one size; that is what Linux sends. With it, the fixed part has the size
// of the opcode's structure. Where stateless mode is negotiated for a service,
// all its requests have the stateless structure, and a flag says which of them
// name a session.
type layout struct {
	revision1 bool
	stateless uint32 // bits 1<<Service
}

// errFeatures: section 5.9.3.1.
var errFeatures = errors.New("virtio-crypto: stateless mode without VIRTIO_CRYPTO_F_REVISION_1")

const (
	allStateless = FeatureCipherStateless | FeatureHashStateless | FeatureMACStateless |
		FeatureAEADStateless | FeatureAKCipherStateless
	allFeatures = FeatureRevision1 | allStateless
)

func newLayout(features uint64) (layout, error) {
	l := layout{
		revision1: features&FeatureRevision1 != 0,
		stateless: uint32(features & allStateless >> 1), // bits in order of Service
	}
	if l.stateless != 0 && !l.revision1 {
		return layout{}, errFeatures
	}
	return l, nil
}

// isStateless reports whether a service's data requests have the stateless
// form.
func (l layout) isStateless(s Service) bool { return l.stateless>>s&1 != 0 }

// controlFLF returns the size of a control request's fixed part behind its
// header, in bytes.
func (l layout) controlFLF(op uint32) int {
	if !l.revision1 {
		return ctrlFLFSize
	}
	switch op {
	case opCipherCreate, opAKCreate:
		return ctrlFLFSize
	case opHashCreate:
		return 8
	case opMACCreate:
		return 16
	case opAEADCreate:
		return 24
	}
	return 8 // of the destroy requests
}

// The fixed parts of data requests, by service, in bytes: with a session, and
// in stateless mode.
var (
	sessionFLF   = [...]int{ServiceCipher: 48, ServiceHash: 8, ServiceMAC: 8, ServiceAEAD: 24, ServiceAKCipher: 8}
	statelessFLF = [...]int{ServiceCipher: 76, ServiceHash: 16, ServiceMAC: 16, ServiceAEAD: 32, ServiceAKCipher: 28}
)

// maxDataFLF is the largest of them.
const maxDataFLF = 76

// dataFLF returns the size of a data request's fixed part behind its header,
// in bytes.
func (l layout) dataFLF(s Service) int {
	switch {
	case !l.revision1:
		return dataFLFSize
	case l.isStateless(s):
		return statelessFLF[s]
	}
	return sessionFLF[s]
}
