// SPDX-License-Identifier: Apache-2.0

package vectors

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/rsa"
	_ "crypto/sha1" // the hashes that vectors name
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"vcrypto/engine"
)

const suffix = "_test.json.gz"

// octets are bytes, in hexadecimal in JSON.
type octets []byte

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.AppendDecode(nil, text)
	return err
}

// group has what the groups of all files have, as far as it matters.
type group struct {
	TagSize int    // bits
	SHA     string `json:"sha"`

	PublicKeyASN    octets `json:"publicKeyAsn"`
	PrivateKeyPKCS8 octets `json:"privateKeyPkcs8"`
	PrivateKeyPEM   string `json:"privateKeyPem"`

	PublicKey json.RawMessage `json:"publicKey"`

	Tests []struct {
		TCID         int `json:"tcId"`
		Key, IV, AAD octets
		Msg, CT, Sig octets
		Tag          octets
		Result       string
	}
}

// symmetric are the files of ciphers, MACs and AEADs.
var symmetric = map[string]engine.Algorithm{
	"aes_xts":           engine.AESXTS,
	"hmac_sha1":         engine.HMACSHA1,
	"hmac_sha224":       engine.HMACSHA224,
	"hmac_sha256":       engine.HMACSHA256,
	"hmac_sha384":       engine.HMACSHA384,
	"hmac_sha512":       engine.HMACSHA512,
	"aes_cmac":          engine.CMACAES,
	"aes_gcm":           engine.AESGCM,
	"aes_ccm":           engine.AESCCM,
	"chacha20_poly1305": engine.ChaCha20Poly1305,
}

// curves are in the names of files.
var curves = map[string]engine.Algorithm{
	"secp192r1": engine.ECDSAP192,
	"secp224r1": engine.ECDSAP224,
	"secp256r1": engine.ECDSAP256,
	"secp384r1": engine.ECDSAP384,
	"secp521r1": engine.ECDSAP521,
}

// hash is one that signatures are made of.
type hash struct {
	engine engine.Algorithm
	std    crypto.Hash
	// info is what stands before the digest in DigestInfo, RFC 8017 section
	// 9.2 note 1.
	info string
}

var hashes = map[string]hash{
	"SHA-1":   {engine.SHA1, crypto.SHA1, "3021300906052b0e03021a05000414"},
	"SHA-224": {engine.SHA224, crypto.SHA224, "302d300d06096086480165030402040500041c"},
	"SHA-256": {engine.SHA256, crypto.SHA256, "3031300d060960864801650304020105000420"},
	"SHA-384": {engine.SHA384, crypto.SHA384, "3041300d060960864801650304020205000430"},
	"SHA-512": {engine.SHA512, crypto.SHA512, "3051300d060960864801650304020305000440"},
}

func (h hash) digest(message []byte) []byte {
	d := h.std.New()
	d.Write(message)
	return d.Sum(nil)
}

func readWycheproof() (all []File, err error) {
	names, err := files.ReadDir("testdata/wycheproof")
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		name := strings.TrimSuffix(path.Base(n.Name()), suffix)
		zipped, err := files.Open("testdata/wycheproof/" + n.Name())
		if err != nil {
			return nil, err
		}
		r, err := gzip.NewReader(zipped) // the file is in memory: it needs no closing
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		var content struct {
			NumberOfTests int
			TestGroups    []group
		}
		if err := json.NewDecoder(r).Decode(&content); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		f := File{Name: name}
		tests := 0
		for _, g := range content.TestGroups {
			if err := g.read(&f); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			tests += len(g.Tests)
		}
		if tests != content.NumberOfTests {
			return nil, fmt.Errorf("%s: %d vectors, it says it has %d", name, tests, content.NumberOfTests)
		}
		all = append(all, f)
	}
	return all, nil
}

// read adds a group's vectors to a file.
func (g *group) read(f *File) error {
	if a, ok := symmetric[f.Name]; ok {
		g.symmetric(f, a)
		return nil
	}
	h, ok := hashes[g.SHA]
	if !ok && !strings.HasPrefix(f.Name, "rsa_pkcs1_2048") || !ok && g.SHA != "" {
		for range g.Tests {
			f.leave("a hash that signatures cannot name")
		}
		return nil
	}
	kind, rest, _ := strings.Cut(f.Name, "_")
	if kind == "ecdsa" {
		curve, _, _ := strings.Cut(rest, "_")
		var key struct{ Uncompressed octets }
		if err := json.Unmarshal(g.PublicKey, &key); err != nil {
			return err
		}
		for _, t := range g.Tests {
			f.add(t.TCID, Vector{
				Params: engine.Params{Algorithm: curves[curve], Key: key.Uncompressed},
				Op:     engine.OpVerify, In: t.Sig, AAD: h.digest(t.Msg), Invalid: t.Result == "invalid",
			})
		}
		return nil
	}
	return g.rsa(f, h)
}

// rsa adds a group of signatures to verify, messages to sign, or texts to
// decrypt.
func (g *group) rsa(f *File, h hash) error {
	p := engine.Params{Algorithm: engine.RSAPKCS1, Hash: h.engine, Key: g.PublicKeyASN}
	if strings.HasSuffix(f.Name, "_sig_gen") || g.PrivateKeyPKCS8 != nil {
		der, err := g.privateKey()
		if err != nil {
			return err
		}
		p.Key, p.Private = der, true
	}
	for _, t := range g.Tests {
		v := Vector{Params: p}
		switch {
		case t.CT != nil || g.SHA == "":
			v.Params.Hash = 0
			v.Op, v.In, v.Out, v.Invalid = engine.OpDecrypt, t.CT, t.Msg, t.Result == "invalid"
		case p.Private:
			// "acceptable" are those with a weak hash or a short key.
			v.Op, v.In, v.Out = engine.OpSign, h.digest(t.Msg), t.Sig
			f.addRaw(t.TCID, v, h)
		default:
			v.Op, v.In, v.AAD = engine.OpVerify, t.Sig, h.digest(t.Msg)
			v.Invalid, v.Unclear = t.Result == "invalid", t.Result == "acceptable"
			if t.Result == "valid" {
				f.addRaw(t.TCID, v, h)
			}
		}
		f.add(t.TCID, v)
	}
	return nil
}

// addRaw adds what a vector of a signature says of RSA without padding: what
// was padded is known.
func (f *File) addRaw(name any, v Vector, h hash) {
	sig, digest := v.In, v.AAD
	if v.Op == engine.OpSign {
		sig, digest = v.Out, v.In
	}
	info, _ := hex.DecodeString(h.info)
	// RFC 8017 section 9.2: 0, 1, filling, 0, DigestInfo.
	filling := bytes.Repeat([]byte{0xff}, len(sig)-3-len(info)-len(digest))
	padded := slices.Concat([]byte{0, 1}, filling, []byte{0}, info, digest)
	raw := Vector{Params: v.Params, Op: engine.OpEncrypt, In: sig, Out: padded}
	if v.Params.Private {
		raw.Op, raw.In, raw.Out = engine.OpDecrypt, padded, sig
	}
	raw.Params.Algorithm, raw.Params.Hash = engine.RSARaw, 0
	f.add(fmt.Sprintf("%v, raw", name), raw)
}

// privateKey returns the group's key in PKCS #1 form.
func (g *group) privateKey() ([]byte, error) {
	if g.PrivateKeyPKCS8 == nil {
		block, _ := pem.Decode([]byte(g.PrivateKeyPEM))
		if block == nil {
			return nil, errors.New("a group without a key")
		}
		return block.Bytes, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(g.PrivateKeyPKCS8)
	if err != nil {
		return nil, err
	}
	k, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%T is no RSA key", key)
	}
	return x509.MarshalPKCS1PrivateKey(k), nil
}

// symmetric adds a group of a cipher, MAC or AEAD.
func (g *group) symmetric(f *File, a engine.Algorithm) {
	for _, t := range g.Tests {
		v := Vector{
			Params: engine.Params{Algorithm: a, Key: t.Key},
			IV:     t.IV, AAD: t.AAD, In: t.Msg, Out: t.CT, Invalid: t.Result == "invalid",
		}
		switch a.Kind() {
		case engine.MAC:
			v.Out = t.Tag
		case engine.AEAD:
			v.Tag, v.Params.TagSize = t.Tag, g.TagSize/8
		case engine.Cipher:
			// Tweaks are numbers, with zeros behind.
			v.IV = append(slices.Clone(v.IV), make([]byte, a.IVSize()-len(v.IV))...)
		}
		f.add(t.TCID, v)
	}
}
