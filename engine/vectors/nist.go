// SPDX-License-Identifier: Apache-2.0

package vectors

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"path"
	"strconv"
	"strings"

	"vcrypto/engine"
)

// record is what a file says of a vector: in its own lines, and before them
// for several. Names are in lower case.
type record map[string]string

// bytes decodes a value; nil if it is none.
func (r record) bytes(name string) []byte {
	b, err := hex.DecodeString(r[name])
	if err != nil {
		return nil
	}
	return b
}

// number returns a value that is one, or -1.
func (r record) number(name string) int {
	n, err := strconv.Atoi(r[name])
	if err != nil {
		return -1
	}
	return n
}

// cut returns the first n bytes of a value: files have a byte where there are
// none.
func (r record) cut(name string, n int) []byte {
	b := r.bytes(name)
	if n < 0 || n > len(b) {
		return b
	}
	return b[:n]
}

// nistFile is how files of a name are read.
type nistFile struct {
	pattern string
	last    string // a name that no line has but a vector's own
	read    func(*File, record) error
}

var nistFiles = []nistFile{
	{"ECB*.rsp", "ciphertext", cipherOf(engine.AESECB)},
	{"CBC*.rsp", "ciphertext", cipherOf(engine.AESCBC)},
	{"rfc-3686-*.txt", "ciphertext", cipherOf(engine.AESCTR)},
	{"TECB*.rsp", "ciphertext", cipherOf(engine.TripleDESECB)},
	{"TCBC*.rsp", "ciphertext", cipherOf(engine.TripleDESCBC)},
	{"rfc-6229-*.txt", "ciphertext", cipherOf(engine.ARC4)},
	{"XTSGenAES*.rsp", "ct", cipherOf(engine.AESXTS)},
	{"gcmDecrypt*.rsp", "tag", readGCM},
	{"[DV]*T*.rsp", "ct", readCCM},
	{"SHA*ShortMsg.rsp", "md", readHash},
	{"SHA*LongMsg.rsp", "md", readHash},
	{"SHAKE*.rsp", "output", readHash},
	{"rfc-1321.txt", "md", readHash},
	{"rfc-2202-*.txt", "md", readHMAC},
	{"rfc-4231-*.txt", "md", readHMAC},
	{"nist-800-38b-*.txt", "output", readCMAC},
	{"ecdsa-SigVer.rsp", "result", readECDSA},
	{"rsa-SigVer15_186-3.rsp", "result", readRSA},
}

func readNIST() (all []File, err error) {
	b, err := files.ReadFile("testdata/nist.zip")
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	for _, zf := range z.File {
		r, err := zf.Open()
		if err != nil {
			return nil, err
		}
		f := File{Name: strings.TrimSuffix(strings.TrimSuffix(zf.Name, ".rsp"), ".txt")}
		if err := f.readNIST(zf.Name, r); err != nil {
			return nil, fmt.Errorf("%s: %w", zf.Name, err)
		}
		all = append(all, f)
	}
	return all, nil
}

func (f *File) readNIST(name string, in io.Reader) error {
	var how nistFile
	for _, h := range nistFiles {
		// SHAKE's are not SHA's.
		if ok, _ := path.Match(h.pattern, name); ok && (how.read == nil || h.last == "output") {
			how = h
		}
	}
	if how.read == nil {
		return errors.New("nobody knows how to read it")
	}
	common, own := record{"file": name}, record{}
	end := func() error {
		if _, ok := own[how.last]; !ok {
			maps.Copy(common, own)
			own = record{}
			return nil
		}
		r := maps.Clone(common)
		maps.Copy(r, own)
		own = record{}
		return how.read(f, r)
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			if err := end(); err != nil {
				return err
			}
			common["section"] = strings.Trim(line, "[]")
			for field := range strings.SplitSeq(common["section"], ",") {
				common.set(field)
			}
		case line == "":
			if err := end(); err != nil {
				return err
			}
		default:
			own.set(line)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return end()
}

// set takes a line "name = value", or a word.
func (r record) set(line string) {
	name, value, _ := strings.Cut(line, "=")
	r[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
}

func cipherOf(a engine.Algorithm) func(*File, record) error {
	return func(f *File, r record) error {
		v := Vector{Params: engine.Params{Algorithm: a, Key: r.bytes("key")}, IV: r.bytes("iv"), In: r.bytes("plaintext"), Out: r.bytes("ciphertext")}
		switch a {
		case engine.AESXTS:
			if r.number("dataunitlen")%8 != 0 {
				f.leave("bits that are no whole bytes")
				return nil
			}
			v.IV, v.In, v.Out = r.bytes("i"), r.bytes("pt"), r.bytes("ct")
		case engine.ARC4:
			// The vector is a part of the key stream.
			skip := make([]byte, r.number("offset"))
			v.In, v.Out = append(skip, v.In...), append(bytes.Clone(skip), v.Out...)
			v.Skip = len(skip)
		case engine.TripleDESECB, engine.TripleDESCBC:
			v.Params.Key = bytes.Repeat(r.bytes("keys"), 3)
			if r["keys"] == "" {
				v.Params.Key = append(append(r.bytes("key1"), r.bytes("key2")...), r.bytes("key3")...)
			}
		}
		switch r["section"] {
		case "ENCRYPT":
			v.Params.Direction = engine.Encrypt
		case "DECRYPT":
			v.Params.Direction = engine.Decrypt
		}
		f.add(r["section"]+" "+r["count"], v)
		return nil
	}
}

func readGCM(f *File, r record) error {
	v := Vector{
		Params: engine.Params{Algorithm: engine.AESGCM, Key: r.bytes("key"), TagSize: r.number("taglen") / 8},
		IV:     r.bytes("iv"), AAD: r.bytes("aad"), In: r.bytes("pt"), Out: r.bytes("ct"), Tag: r.bytes("tag"),
	}
	_, v.Invalid = r["fail"]
	if len(v.Tag) != v.Params.TagSize {
		return fmt.Errorf("a tag of %d bytes instead of %d", len(v.Tag), v.Params.TagSize)
	}
	f.add(len(f.Vectors), v)
	return nil
}

func readCCM(f *File, r record) error {
	tag, n := r.number("tlen"), r.number("plen")
	sealed := r.bytes("ct")
	if len(sealed) != tag+n {
		return fmt.Errorf("%d bytes of ciphertext, %d of plaintext and %d of tag", len(sealed), n, tag)
	}
	f.add(len(f.Vectors), Vector{
		Params: engine.Params{Algorithm: engine.AESCCM, Key: r.bytes("key"), TagSize: tag},
		IV:     r.bytes("nonce"), AAD: r.cut("adata", r.number("alen")), In: r.cut("payload", n),
		Out: sealed[:n], Tag: sealed[n:], Invalid: strings.HasPrefix(r["result"], "F"),
	})
	return nil
}

// hashFiles are the beginnings of names.
var hashFiles = []struct {
	name      string
	algorithm engine.Algorithm
}{
	{"SHA1", engine.SHA1}, {"SHA224", engine.SHA224}, {"SHA256", engine.SHA256}, {"SHA384", engine.SHA384}, {"SHA512", engine.SHA512},
	{"SHA3_224", engine.SHA3_224}, {"SHA3_256", engine.SHA3_256}, {"SHA3_384", engine.SHA3_384}, {"SHA3_512", engine.SHA3_512},
	{"SHAKE128", engine.SHAKE128}, {"SHAKE256", engine.SHAKE256}, {"rfc-1321", engine.MD5},
}

func readHash(f *File, r record) error {
	v := Vector{In: r.bytes("msg"), Out: r.bytes("md")}
	if r["output"] != "" { // SHAKE's
		v.Out = r.bytes("output")
	}
	if n := r.number("len"); n >= 0 {
		v.In = r.cut("msg", n/8)
	}
	for _, h := range hashFiles {
		if strings.HasPrefix(r["file"], h.name) {
			v.Params.Algorithm = h.algorithm
		}
	}
	f.add(len(f.Vectors), v)
	return nil
}

func readHMAC(f *File, r record) error {
	hmacs := map[string]engine.Algorithm{
		"md5": engine.HMACMD5, "sha1": engine.HMACSHA1, "sha224": engine.HMACSHA224, "sha256": engine.HMACSHA256,
		"sha384": engine.HMACSHA384, "sha512": engine.HMACSHA512,
	}
	name := f.Name[strings.LastIndex(f.Name, "-")+1:]
	f.add(len(f.Vectors), Vector{Params: engine.Params{Algorithm: hmacs[name], Key: r.bytes("key")}, In: r.bytes("msg"), Out: r.bytes("md")})
	return nil
}

func readCMAC(f *File, r record) error {
	f.add(r["count"], Vector{Params: engine.Params{Algorithm: engine.CMACAES, Key: r.bytes("key")}, In: r.bytes("message"), Out: r.bytes("output")})
	return nil
}

// padTo returns a number in n bytes, or more if it has more.
func padTo(b []byte, n int) []byte {
	return append(make([]byte, max(0, n-len(b))), b...)
}

func readECDSA(f *File, r record) error {
	nist := map[string]struct {
		algorithm engine.Algorithm
		size      int // bytes of a coordinate
	}{
		"P-192": {engine.ECDSAP192, 24}, "P-224": {engine.ECDSAP224, 28}, "P-256": {engine.ECDSAP256, 32},
		"P-384": {engine.ECDSAP384, 48}, "P-521": {engine.ECDSAP521, 66},
	}
	curve, name, _ := strings.Cut(r["section"], ",")
	h, ok := hashes[name]
	c, known := nist[curve]
	if !ok || !known {
		return fmt.Errorf("section %s", r["section"])
	}
	// Some numbers lack a leading zero digit.
	num := func(name string) []byte {
		n, _ := new(big.Int).SetString(r[name], 16)
		return n.Bytes()
	}
	sig, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(num("r")), new(big.Int).SetBytes(num("s"))})
	if err != nil {
		return err
	}
	point := append([]byte{4}, padTo(num("qx"), c.size)...)
	f.add(len(f.Vectors), Vector{
		Params: engine.Params{Algorithm: c.algorithm, Key: append(point, padTo(num("qy"), c.size)...)},
		Op:     engine.OpVerify, In: sig, AAD: h.digest(r.bytes("msg")), Invalid: strings.HasPrefix(r["result"], "F"),
	})
	return nil
}

// readRSA makes of each vector one with the public key, and of those that are
// to pass some with the private key.
func readRSA(f *File, r record) error {
	h, ok := hashes[strings.Replace(r["shaalg"], "SHA", "SHA-", 1)]
	if !ok {
		return fmt.Errorf("hash %q", r["shaalg"])
	}
	num := func(name string) *big.Int { return new(big.Int).SetBytes(r.bytes(name)) }
	n, e := num("n"), num("e")
	if !e.IsInt64() || e.Int64() >= 1<<31 {
		return fmt.Errorf("exponent %v", e)
	}
	public := rsa.PublicKey{N: n, E: int(e.Int64())}
	v := Vector{
		Params: engine.Params{Algorithm: engine.RSAPKCS1, Hash: h.engine, Key: x509.MarshalPKCS1PublicKey(&public)},
		Op:     engine.OpVerify, In: padTo(r.bytes("s"), len(n.Bytes())), AAD: h.digest(r.bytes("msg")),
		Invalid: strings.HasPrefix(r["result"], "F"),
	}
	count := len(f.Vectors)
	f.add(count, v)
	if v.Invalid {
		return nil
	}
	f.addRaw(count, v, h)
	private := rsa.PrivateKey{PublicKey: public, D: num("d"), Primes: []*big.Int{num("p"), num("q")}}
	private.Precompute()
	s := Vector{Params: v.Params, Op: engine.OpSign, In: v.AAD, Out: v.In}
	s.Params.Private, s.Params.Key = true, x509.MarshalPKCS1PrivateKey(&private)
	f.add(fmt.Sprintf("%d, sign", count), s)
	f.addRaw(count, s, h)
	return nil
}
